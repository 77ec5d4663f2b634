"""The output of `simulate`: reproducible, consistent with its truth, finite for any particle."""

from dataclasses import replace

import numpy as np
import pytest

from partflow.core.detector import ECAL, FACE_NONE, HCAL
from partflow.core.errors import DataError, SchemaError
from partflow.core.known_detectors import CLD, CLIC
from partflow.core.records import Collection, concatenate
from partflow.core.schemas import HITS, PARTICLES
from partflow.simulate import SimulationConfig, simulate
from partflow.simulate.fast import simulation

STILL = (0.0, 0.0, 0.0)


def assert_same(result, reference):
    for collection, expected in zip(result, reference, strict=True):
        np.testing.assert_array_equal(collection.offsets, expected.offsets)
        for column in collection.schema.names:
            np.testing.assert_array_equal(collection.columns[column], expected.columns[column])


@pytest.fixture(scope="module")
def ids():
    return np.array([7, -3, 2**62 + 5, 11, 2**40, 12])


def test_an_event_does_not_depend_on_the_other_events(jumble, ids):
    particles = jumble(len(ids), 30)
    together = simulate(particles, ids)
    assert (together.hits.counts > 0).all()
    assert (together.tracks.counts > 0).all()
    backwards = np.arange(len(ids))[::-1]
    reversed_order = simulate(particles.take(backwards), ids[::-1])
    for i in range(len(ids)):
        alone = simulate(particles[i : i + 1], ids[i : i + 1])
        for name in together._fields:
            event = slice(i, i + 1)
            there = slice(len(ids) - 1 - i, len(ids) - i)
            for other in (getattr(together, name)[event], getattr(reversed_order, name)[there]):
                for column, values in getattr(alone, name).columns.items():
                    np.testing.assert_array_equal(values, other.columns[column])


def test_events_with_different_ids_differ(jumble):
    particles = jumble(1, 30)
    first, second = (simulate(particles, np.array([number])) for number in (1, 2))
    assert first.hits.energy_em.sum() != second.hits.energy_em.sum()


def test_ids_that_agree_in_their_low_bits_differ(jumble):
    particles = jumble(1, 30)
    first, second = (simulate(particles, np.array([number])) for number in (1, 1 + 2**40))
    assert first.hits.energy_em.sum() != second.hits.energy_em.sum()


def test_the_size_of_the_work_space_changes_nothing(jumble, ids, monkeypatch):
    particles = jumble(len(ids), 30)
    usual = simulate(particles, ids)
    for name, size in (("_SPOTS", 8), ("_STACK", 4), ("_TABLE", 16)):
        monkeypatch.setattr(simulation, name, size)
    assert_same(simulate(particles, ids), usual)


def test_hit_energies_are_the_sums_of_their_contributions(jumble, ids):
    result = simulate(jumble(len(ids), 30), ids)
    hits, contributions = result.hits, result.contributions
    rows = hits.flat_index(contributions.event_index, contributions.hit_index)
    sums = np.bincount(rows, contributions.energy_em.astype(float), len(hits))
    np.testing.assert_allclose(sums, hits.energy_em, rtol=1e-5)
    assert (contributions.energy_em > 0).all()
    pairs = np.stack([rows, contributions.particle_index])
    assert np.unique(pairs, axis=1).shape == pairs.shape  # one row per hit and particle


def test_hits_are_above_the_threshold_of_their_calorimeter(jumble, ids):
    hits = simulate(jumble(len(ids), 30), ids).hits
    for subdetector, part in ((ECAL, CLIC.ecal), (HCAL, CLIC.hcal)):
        energy = hits.energy_em[hits.subdetector == subdetector]
        assert part.threshold <= energy.min() < 1.2 * part.threshold


def test_a_cell_is_hit_once_in_an_event(jumble, ids):
    hits = simulate(jumble(len(ids), 60), ids).hits
    cells = np.stack([hits.event_index, hits.x, hits.y, hits.z])
    assert np.unique(cells, axis=1).shape == cells.shape


def test_truth_points_at_generator_particles_of_the_same_event(jumble, ids):
    particles = jumble(len(ids), 30)
    result = simulate(particles, ids)
    for truth in (result.contributions, result.track_particles):
        assert (truth.particle_index >= 0).all()
        assert (truth.particle_index < particles.counts[truth.event_index]).all()
    rows = particles.flat_index(
        result.track_particles.event_index, result.track_particles.particle_index
    )
    primary = result.track_particles.is_primary == 1
    assert (particles.charge[rows][primary] != 0).all()
    assert len(np.unique(rows[primary])) == primary.sum()  # at most one for each particle
    rows = particles.flat_index(
        result.contributions.event_index, result.contributions.particle_index
    )
    assert (np.abs(particles.pdg_id[rows]) != 12).all()


def test_the_order_of_objects_holds_no_truth(event_of):
    """Tracks are ordered by pt and hits by cell, whatever the order of the particles."""
    rows = [(13, (p, 0.5 * p, 0.1 * p), STILL) for p in (3.0, 20.0, 8.0)]
    no_material = SimulationConfig(tracker_material=False)
    for order in (rows, rows[::-1]):
        result = simulate(event_of(*order), np.array([4]), CLIC, no_material)
        assert (np.diff(result.tracks.pt) < 0).all()
        part = 2 * result.hits.subdetector + result.hits.region
        assert (np.diff(part) >= 0).all()
        same_part = np.diff(part) == 0
        assert (np.diff(result.hits.layer)[same_part] >= 0).all()


def test_an_empty_event_comes_out_empty(event_of, jumble):
    nothing = event_of()
    result = simulate(nothing, np.array([3]))
    for collection in result:
        assert collection.num_events == 1
        assert len(collection) == 0
    among_others = concatenate([jumble(1, 10), nothing, jumble(1, 10, seed=2)])
    result = simulate(among_others, np.array([1, 2, 3]))
    assert result.hits.counts[1] == 0
    assert (result.hits.counts[[0, 2]] > 0).all()


def test_no_events_give_no_events():
    for collection in simulate(Collection.empty(PARTICLES), np.empty(0, dtype=np.int64)):
        assert collection.num_events == 0
        assert len(collection) == 0


@pytest.mark.parametrize(
    "particle",
    [
        (12, (5.0, 1.0, 1.0), STILL),
        (-14, (5.0, 1.0, 1.0), STILL),
        (211, (0.0, 0.0, 0.0), STILL),
        (22, (0.0, 0.0, 0.0), STILL),
        (22, (0.0, 0.0, 50.0), STILL),
        (-13, (0.0, 0.0, -50.0), STILL),
        (2212, (2.0, 0.0, 0.0), (1650.0, 0.0, 0.0)),
    ],
    ids=["nu_e", "anti_nu_mu", "pion at rest", "no photon", "beam photon", "beam muon", "outside"],
)
def test_particles_that_do_not_reach_the_calorimeter_leave_no_hits(event_of, particle):
    result = simulate(
        event_of(particle), np.array([1]), CLIC, SimulationConfig(tracker_material=False)
    )
    assert len(result.hits) == 0


@pytest.mark.parametrize("pdg_id", [22, 11, 13, 211, 130, 2112, -2112, 321, 3312, 1000010020])
def test_particles_of_three_tev_give_finite_values_and_are_measured(gun, pdg_id):
    result = simulate(gun(pdg_id, 3000.0, 2), np.arange(2))
    for collection in result:
        for values in collection.columns.values():
            assert np.isfinite(values).all()
    energy = np.bincount(result.hits.event_index, result.hits.energy_em, 2)
    if pdg_id != 13:
        assert (energy > 1500).all()
        assert (energy < 3300).all()
    charged = pdg_id not in (22, 130, 2112, -2112)
    assert (result.tracks.counts > 0).any() == charged


def test_a_track_at_the_calorimeter_is_where_it_enters(jumble, ids):
    tracks = simulate(jumble(len(ids), 60), ids).tracks
    arrived = tracks.face_region != FACE_NONE
    assert arrived.mean() > 0.5
    direction = np.sqrt(tracks.face_dx**2 + tracks.face_dy**2 + tracks.face_dz**2)
    np.testing.assert_allclose(direction, 1.0)
    on_barrel = np.isclose(np.hypot(tracks.face_x, tracks.face_y), CLIC.ecal.inner_radius)
    on_endcap = np.isclose(np.abs(tracks.face_z), CLIC.ecal.endcap_z)
    assert (on_barrel | on_endcap)[arrived].all()


@pytest.mark.parametrize(
    "detector",
    [CLD, replace(CLIC, name="wide", magnetic_field=1.0, ecal=replace(CLIC.ecal, cell_size=15.3))],
    ids=lambda d: d.name,
)
def test_the_simulation_works_in_detectors_other_than_clic(gun, detector):
    """The hits are in its calorimeters, and a photon is measured at its energy."""
    no_material = SimulationConfig(tracker_material=False)
    hits = simulate(gun(22, 20.0, 60), np.arange(60), detector, no_material).hits
    ecal = hits.subdetector == ECAL
    front = detector.ecal.inner_radius
    assert (np.hypot(hits.x, hits.y)[ecal] > front).all()
    assert (np.hypot(hits.x, hits.y)[ecal] < front + detector.ecal.depth).all()
    energy = np.bincount(hits.event_index, hits.energy_em, 60)
    assert energy.mean() == pytest.approx(20.0, rel=0.02)


def test_values_that_are_not_finite_raise_an_error_that_names_the_event(gun):
    particles = gun(22, 5.0, 3)
    bad = dict(particles.columns)
    bad["py"] = np.where(np.arange(3) == 1, np.nan, bad["py"])
    with pytest.raises(DataError, match=r"event 20: particles.py is nan"):
        simulate(Collection(PARTICLES, particles.offsets, bad), np.array([10, 20, 30]))


def test_other_records_and_a_wrong_number_of_ids_raise_errors(gun):
    with pytest.raises(SchemaError, match="generator particles"):
        simulate(Collection.empty(HITS, 1), np.array([1]))
    with pytest.raises(DataError, match="2 event ids for 3 events"):
        simulate(gun(22, 5.0, 3), np.arange(2))
