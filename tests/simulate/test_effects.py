"""Effects that can be switched on: what they change in the output of `simulate`, and what not."""

from dataclasses import fields, replace

import numpy as np
import pytest

from partflow.core.detector import MUON
from partflow.core.errors import ConfigError
from partflow.core.known_detectors import CLD, CLIC
from partflow.core.records import Collection, concatenate
from partflow.core.schemas import PARTICLES
from partflow.simulate import SimulationConfig, realistic, simulate
from partflow.simulate.config import EFFECTS
from partflow.simulate.fakes import MIN_FAKE_PT
from partflow.simulate.tracker.flights import NO_END, flights_of
from partflow.simulate.tracker.interactions import interact
from partflow.simulate.tracker.tracker_material import tracker_material

IDS = np.array([7, -3, 2**62 + 5, 11, 2**40, 12])
NOISY = replace(realistic(), fake_rate=0.3, duplicate_rate=0.3)


def columns_of(result, but=()):
    return {
        (collection.schema.name, name): values
        for collection in result
        for name, values in [("offsets", collection.offsets), *collection.columns.items()]
        if (collection.schema.name, name) not in but
    }


def assert_same(result, reference, but=()):
    expected = columns_of(reference, but)
    for name, values in columns_of(result, but).items():
        np.testing.assert_array_equal(values, expected[name], err_msg=str(name))


def test_a_realistic_event_does_not_depend_on_the_other_events(jumble):
    particles = jumble(len(IDS), 40)
    together = simulate(particles, IDS, CLIC, NOISY)
    backwards = np.arange(len(IDS))[::-1]
    reversed_order = simulate(particles.take(backwards), IDS[::-1], CLIC, NOISY)
    for i in range(len(IDS)):
        alone = simulate(particles[i : i + 1], IDS[i : i + 1], CLIC, NOISY)
        there = slice(len(IDS) - 1 - i, len(IDS) - i)
        assert_same([c[i : i + 1] for c in together], alone)
        assert_same([c[there] for c in reversed_order], alone)


def test_each_effect_changes_the_realistic_simulation(jumble):
    particles = jumble(30, 60)
    full = columns_of(simulate(particles, np.arange(30), CLIC, NOISY))
    for name in EFFECTS:
        less = replace(NOISY, **{name: getattr(SimulationConfig(), name)})
        without = columns_of(simulate(particles, np.arange(30), CLIC, less))
        assert any(not np.array_equal(full[key], without[key]) for key in full), name


@pytest.mark.parametrize(
    ("effect", "changed"),
    [
        ({"hit_times": True, "hit_time_resolution": 0.3}, [("hits", "time")]),
        ({"fake_rate": 0.5, "duplicate_rate": 0.5}, ["tracks", "track_particles"]),
        ({"noise_ecal": 0.1, "noise_hcal": 0.06}, ["hits", "contributions"]),
        ({"yoke_hits": True}, ["hits", "contributions", ("tracks", "num_yoke_hits")]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_an_effect_of_digitisation_changes_nothing_else(jumble, effect, changed):
    particles = jumble(len(IDS), 40)
    plain = simulate(particles, IDS)
    result = simulate(particles, IDS, CLIC, replace(SimulationConfig(), **effect))
    but = [
        (name, column)
        for collection in plain
        for name in [collection.schema.name]
        for column in ["offsets", *collection.columns]
        if name in changed or (name, column) in changed
    ]
    assert_same(result, plain, but)
    with pytest.raises(AssertionError):
        assert_same(result, plain)


def test_hits_of_the_yoke_follow_those_of_the_calorimeters(jumble):
    particles = jumble(len(IDS), 40)
    plain = simulate(particles, IDS)
    result = simulate(particles, IDS, CLIC, SimulationConfig(yoke_hits=True))
    in_yoke = result.hits.subdetector == MUON
    assert in_yoke.sum() > 10
    for name, values in result.hits.select(~in_yoke).columns.items():
        np.testing.assert_array_equal(values, plain.hits.columns[name])
    for hits in (result.hits[i : i + 1] for i in range(len(IDS))):
        assert (np.diff(hits.subdetector == MUON) >= 0).all()
    rows = result.hits.flat_index(result.contributions.event_index, result.contributions.hit_index)
    sums = np.bincount(rows, result.contributions.energy_em.astype(float), len(result.hits))
    np.testing.assert_allclose(sums, result.hits.energy_em, rtol=1e-5)
    cells = np.stack([result.hits.event_index, result.hits.x, result.hits.y, result.hits.z])
    assert np.unique(cells, axis=1).shape == cells.shape


def test_two_muons_in_a_cell_of_the_yoke_are_one_hit_with_the_energy_of_two(event_of):
    muon = (13, (30.0, 0.4, 5.0), (0.0, 0.0, 0.0))
    results = simulate(
        concatenate([event_of(muon, muon)] * 50), np.arange(50), CLIC,
        SimulationConfig(yoke_hits=True, tracker_material=False),
    )  # fmt: skip
    hits, parts = results.hits, results.contributions
    num_muons = np.bincount(
        hits.flat_index(parts.event_index, parts.hit_index), minlength=len(hits)
    )
    in_yoke = hits.subdetector == MUON
    assert (num_muons[in_yoke] == 2).mean() > 0.2
    assert hits.energy_em[in_yoke] == pytest.approx(num_muons[in_yoke] * CLIC.yoke.hit_energy)


def test_duplicates_are_near_their_tracks_and_fakes_have_no_particle(jumble):
    num = 300
    particles = jumble(num, 30)
    plain = simulate(particles, np.arange(num))
    rates = SimulationConfig(fake_rate=0.2, duplicate_rate=0.1)
    result = simulate(particles, np.arange(num), CLIC, rates)
    tracks, truth = result.tracks, result.track_particles
    is_fake = truth.particle_index < 0
    expected = 0.2 * (plain.tracks.counts.astype(float) ** 2).sum() / 50
    assert is_fake.sum() == pytest.approx(expected, abs=4 * np.sqrt(expected))
    assert not truth.is_primary[is_fake].any()
    assert (tracks.pt[is_fake] >= MIN_FAKE_PT).all()
    num_duplicates = len(tracks) - is_fake.sum() - len(plain.tracks)
    expected = 0.1 * len(plain.tracks)
    assert num_duplicates == pytest.approx(expected, abs=4 * np.sqrt(expected))
    original = np.isin(tracks.pt, plain.tracks.pt)
    duplicates = np.flatnonzero(~original & ~is_fake)
    assert len(duplicates) == num_duplicates
    assert not truth.is_primary[duplicates].any()
    assert np.flatnonzero(truth.is_duplicate).tolist() == duplicates.tolist()
    assert (np.diff(tracks.pt)[np.diff(tracks.event_index) == 0] <= 0).all()
    near = 0
    for k in duplicates:
        same = original & (tracks.event_index == tracks.event_index[k])
        same &= truth.particle_index == truth.particle_index[k]
        near += (np.abs(tracks.pt[same] / tracks.pt[k] - 1) < 0.15).any()
    assert near > 0.9 * len(duplicates)


def test_a_duplicate_is_never_the_primary_track_of_its_particle(jumble):
    truth = simulate(jumble(40, 30), np.arange(40), CLIC, NOISY).track_particles
    primary = truth.select(truth.is_primary == 1)
    pairs = np.stack([primary.event_index, primary.particle_index])
    assert np.unique(pairs, axis=1).shape == pairs.shape


def test_events_without_particles_hold_noise_alone(event_of):
    for particles in (Collection.empty(PARTICLES), Collection.empty(PARTICLES, 3), event_of()):
        ids = np.arange(particles.num_events)
        quiet = replace(realistic(), noise_ecal=0.0, noise_hcal=0.0)
        for collection in simulate(particles, ids, CLIC, quiet):
            assert collection.num_events == len(ids)
            assert len(collection) == 0
    hits, tracks, contributions, _ = simulate(
        Collection.empty(PARTICLES, 3), np.arange(3), CLIC, realistic()
    )
    assert (hits.counts > 0).all()
    assert (hits.time != 0).all()
    assert len(tracks) == len(contributions) == 0


def test_noise_far_above_the_threshold_raises_an_error_that_names_it():
    for name in ("noise_ecal", "noise_hcal"):
        with pytest.raises(ConfigError, match=name):
            simulate(
                Collection.empty(PARTICLES, 1), np.arange(1), CLIC,
                SimulationConfig(**{name: 0.3}),
            )  # fmt: skip


SMALL = replace(
    CLIC,
    name="small",
    magnetic_field=3.0,
    ecal=replace(
        CLIC.ecal, inner_radius=1100.0, endcap_z=1500.0, endcap_outer_radius=1310.0, cell_size=5.1
    ),
    hcal=replace(
        CLIC.hcal, inner_radius=1330.0, endcap_z=1730.0, endcap_outer_radius=2930.0, cell_size=40.0
    ),
    ring_z=1520.0,
    tracker=replace(
        CLIC.tracker,
        layer_radii=(25.0, 60.0, 300.0, 700.0, 1050.0),
        layer_half_lengths=(200.0, 200.0, 900.0, 900.0, 900.0),
        disc_z=(250.0, 600.0, 950.0, 1200.0),
        disc_inner_radii=(30.0, 70.0, 110.0, 140.0),
        disc_outer_radii=(100.0, 290.0, 1000.0, 1000.0),
        radiation_lengths=0.5,
    ),
    yoke=replace(
        CLIC.yoke, inner_radius=3600.0, outer_radius=5000.0, endcap_z=3400.0, outer_z=4800.0
    ),
)


@pytest.mark.parametrize("detector", [SMALL, CLD], ids=lambda d: d.name)
def test_all_effects_work_in_detectors_other_than_clic(gun, jumble, detector):
    """One is smaller than CLIC in all directions: its secondaries reach its own calorimeter."""
    quiet = replace(realistic(), noise_ecal=0.0, noise_hcal=0.0)
    for pdg_id in (22, 11):
        hits = simulate(gun(pdg_id, 20.0, 150), np.arange(150), detector, quiet).hits
        energy = np.bincount(hits.event_index, hits.energy_em, 150)
        assert energy.mean() == pytest.approx(20.0, rel=0.025)
    result = simulate(jumble(4, 60), np.arange(4), detector, realistic())
    hits, tracks = result.hits, result.tracks
    assert set(hits.subdetector.tolist()) == {0, 1, 2}
    in_yoke = hits.subdetector == MUON
    outside = (np.hypot(hits.x, hits.y) > detector.yoke.inner_radius) | (
        np.abs(hits.z) > detector.yoke.endcap_z
    )
    assert (outside == in_yoke).all()
    np.testing.assert_allclose(
        np.abs(tracks.omega) * tracks.pt, detector.geometry().bending, rtol=1e-9
    )
    first, last = tracks.radius_of_innermost_hit, tracks.radius_of_outermost_hit
    is_central = np.abs(tracks.tan_lambda) < 0.1
    assert is_central.any()
    assert np.isin(first[is_central], detector.tracker.layer_radii).all()
    assert (first[is_central] < last[is_central]).mean() > 0.9
    assert (last < detector.ecal.inner_radius).all()


UNUSUAL = [
    (211, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    (-321, (0.0, 0.0, 0.0), (100.0, 0.0, 0.0)),
    (11, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    (-11, (0.0, 0.0, 40.0), (0.0, 0.0, 0.0)),
    (321, (0.0, 0.0, -40.0), (0.0, 0.0, 0.0)),
    (13, (1e-9, 0.0, 40.0), (300.0, 0.0, 0.0)),
    (211, (0.01, 0.0, 0.0), (0.0, 0.0, 0.0)),
    (11, (2000.0, 1000.0, 2000.0), (0.0, 0.0, 0.0)),
    (-13, (2000.0, 1000.0, 2000.0), (0.0, 0.0, 0.0)),
    (321, (2000.0, 1000.0, 2000.0), (0.0, 0.0, 0.0)),
    (1000020040, (5.0, 1.0, 2.0), (0.0, 0.0, 0.0)),
    (1000822080, (500.0, 1.0, 20.0), (0.0, 0.0, 0.0)),
    (211, (2.0, 0.0, 0.0), (1650.0, 0.0, 0.0)),
    (22, (2.0, 0.0, 0.0), (0.0, 0.0, 9000.0)),
]


@pytest.mark.parametrize("particle", UNUSUAL, ids=str)
def test_unusual_particles_give_finite_values(event_of, particle):
    num = 30
    result = simulate(concatenate([event_of(particle)] * num), np.arange(num), CLIC, NOISY)
    for name, values in columns_of(result).items():
        assert np.isfinite(values).all(), name
    assert (result.tracks.pt > 0).all()


def test_a_particle_with_an_unknown_id_is_a_hadron_of_its_charge(event_of):
    """The generator refuses such ids, but particles from other files may have them."""
    known = event_of(*[(211, (6.0, 1.0, 2.0), (0.0, 0.0, 0.0))] * 20)
    for pdg_id in (9999999, -9999999, 0, 81):
        columns = {**known.columns, "pdg_id": np.full(20, pdg_id)}
        result = simulate(Collection(PARTICLES, known.offsets, columns), np.arange(1), CLIC)
        assert 40.0 < result.hits.energy_em.sum() < 260.0
        assert 15 < len(result.tracks) < 60


def test_an_event_of_fifty_thousand_hits_is_reproducible(jumble):
    crowd = jumble(1, 1500, seed=4)
    result = simulate(crowd, np.arange(1), CLIC, realistic())
    assert len(result.hits) > 50_000
    assert len(result.tracks) > 300
    assert_same(simulate(crowd, np.arange(1), CLIC, realistic()), result)


def test_every_setting_has_a_docstring():
    """It becomes the help text of the command line."""
    import inspect

    from partflow.simulate import config

    source = inspect.getsource(config.SimulationConfig)
    for field in fields(SimulationConfig):
        line = next(k for k in source.splitlines() if k.strip().startswith(f"{field.name}:"))
        after = source.split(line)[1].lstrip()
        assert after.startswith('"""'), field.name


def test_a_tracker_smaller_than_that_of_clic_holds_all_its_material(gun):
    photons = gun(22, 5.0, 20_000, (0.0, 0.0))
    material = tracker_material(SMALL)._replace(radiation_lengths=0.12)
    flights = interact(np.random.default_rng(1), flights_of(photons), SMALL.geometry(), material)
    converted = flights["end"][:20_000] < NO_END
    assert converted.mean() == pytest.approx(1 - np.exp(-7 / 9 * 0.12), abs=0.008)  # 4 sigma
    assert (flights["end"][:20_000][converted] < SMALL.ecal.inner_radius).all()
