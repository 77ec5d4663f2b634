"""Background events overlaid on signal events: their number, choice and times."""

import numpy as np
import pytest

from partflow.core.deposits import resolve_deposits
from partflow.core.errors import ConfigError, InputError
from partflow.core.known_detectors import CLIC
from partflow.core.records import Collection, concatenate
from partflow.core.schemas import PARTICLES
from partflow.generate import GenerationConfig, generate
from partflow.label import label
from partflow.reconstruct import reconstruct
from partflow.simulate import OverlayConfig, SimulationConfig, overlay, simulate

MEAN = 5.4


@pytest.fixture(scope="module")
def signal():
    (events,) = generate(GenerationConfig("qq", num_events=6, seed=3))
    return events


@pytest.fixture(scope="module")
def background():
    (events,) = generate(GenerationConfig("gamma_gamma", num_events=50, seed=4))
    return events.particles


def of_signal(particles):
    return particles.select(particles.is_overlay == 0)


def assert_same(left, right):
    np.testing.assert_array_equal(left.offsets, right.offsets)
    for name, values in left.columns.items():
        np.testing.assert_array_equal(values, right.columns[name])


def test_photons_from_the_beams_make_soft_hadrons(background):
    momentum = np.sqrt(background.px**2 + background.py**2 + background.pz**2)
    sine = np.hypot(background.px, background.py) / momentum
    is_seen = sine > 0.12  # the calorimeter's hole ends at 112 mrad
    seen = np.bincount(background.event_index[is_seen], background.energy[is_seen], 50)
    assert 5 < seen.mean() < 30  # GeV, of 380
    assert np.median(np.hypot(background.px, background.py)[is_seen]) < 0.5


def test_the_particles_of_the_signal_keep_their_indices_and_values(signal, background):
    merged = overlay(signal.particles, signal.event_id, background, OverlayConfig(MEAN))
    assert_same(of_signal(merged), signal.particles)
    index = np.arange(len(merged)) - merged.offsets[:-1][merged.event_index]
    assert np.all(
        (merged.is_overlay == 1) == (index >= signal.particles.counts[merged.event_index])
    )


def test_overlaid_particles_are_complete_background_events_in_sequence(signal, background):
    merged = overlay(signal.particles, signal.event_id, background, OverlayConfig(MEAN))
    known = {background[i : i + 1].energy.tobytes() for i in range(background.num_events)}
    overlaid = merged.select(merged.is_overlay == 1)
    for i in range(merged.num_events):
        energy, buffer = overlaid[i : i + 1].energy, []
        for value in energy:
            buffer.append(value)
            if np.array(buffer).tobytes() in known:
                buffer = []
        assert buffer == []


def test_numbers_are_poisson_and_crossings_uniform(background):
    num, single = 4000, background.take(np.zeros(1, dtype=int))
    merged = overlay(Collection.empty(PARTICLES, num), np.arange(num), single, OverlayConfig(MEAN))
    drawn = merged.counts / len(single)
    error = np.sqrt(MEAN / num)
    assert abs(drawn.mean() - MEAN) < 4 * error
    assert abs(drawn.var() / MEAN - 1) < 4 * np.sqrt(2 / num)
    times = merged.collision_time[:: len(single)]
    assert set(np.round(times, 6)) == set(0.5 * np.arange(-9, 21))
    assert abs(times.mean() - 2.75) < 4 * times.std() / np.sqrt(len(times))


def test_the_background_of_an_event_does_not_depend_on_the_other_events(signal, background):
    config = OverlayConfig(MEAN)
    together = overlay(signal.particles, signal.event_id, background, config)
    order = np.array([4, 0, 2])
    apart = overlay(signal.particles.take(order), signal.event_id[order], background, config)
    assert_same(apart, together.take(order))


def test_a_mean_of_zero_changes_nothing(signal, background):
    nothing = overlay(signal.particles, signal.event_id, background, OverlayConfig(0.0))
    assert_same(nothing, signal.particles)
    none = overlay(Collection.empty(PARTICLES, 0), np.empty(0), background, OverlayConfig(MEAN))
    assert none.num_events == 0


def test_overlaid_energy_adds_and_only_the_signal_makes_generator_jets(signal, background):
    merged = overlay(signal.particles, signal.event_id, background, OverlayConfig(MEAN))
    labels, seen = {}, {}
    for name, particles in (("signal", signal.particles), ("merged", merged)):
        hits, tracks, contributions, track_particles = _simulated(particles, signal.event_id)
        found = reconstruct(hits, tracks, CLIC)
        deposits = resolve_deposits(particles, found.clusters, found.hit_clusters, contributions)
        labels[name] = label(
            particles, tracks, track_particles, found.clusters, deposits, signal.event_id
        )
        seen[name] = np.bincount(hits.event_index, hits.energy_em, len(signal))
    assert_same(labels["merged"].gen_jets, labels["signal"].gen_jets)
    assert_same(labels["merged"].gen_met, labels["signal"].gen_met)
    assert (labels["signal"].targets.is_pu == 0).all()
    targets = labels["merged"].targets
    row = merged.flat_index(targets.event_index, targets.particle_index)
    expected = np.where(row >= 0, merged.is_overlay[row], 0)
    assert targets.is_pu.tolist() == expected.tolist()
    from_overlay = targets.select(targets.is_pu == 1)
    assert len(from_overlay) > 0
    added = seen["merged"].sum() - seen["signal"].sum()
    assert added == pytest.approx(from_overlay.energy.sum(), rel=0.5)


def test_hits_of_an_earlier_crossing_come_earlier(background):
    event = background.take(np.array([7]))
    early = Collection(
        PARTICLES, event.offsets, {**event.columns, "collision_time": np.full(len(event), -4.5)}
    )
    config = SimulationConfig(hit_times=True)
    both = concatenate([event, early])
    hits = simulate(both, np.array([1, 1]), config=config).hits
    assert len(hits[:1]) > 0
    np.testing.assert_allclose(hits[1:].time, hits[:1].time - 4.5, atol=1e-3)


@pytest.mark.parametrize(
    "settings",
    [{"mean": -1.0}, {"mean": np.nan}, {"spacing": -0.5}, {"signal_crossing": 31}],
)
def test_impossible_settings_raise_an_error_that_names_them(settings):
    name = next(iter(settings))
    with pytest.raises(ConfigError, match=name):
        OverlayConfig(**{"mean": 1.0, **settings})


def test_a_background_without_events_raises_an_error(signal):
    empty = Collection.empty(PARTICLES, 0)
    with pytest.raises(InputError, match="holds no event"):
        overlay(signal.particles, signal.event_id, empty, OverlayConfig(1.0))


def _simulated(particles, event_id):
    result = simulate(particles, event_id)
    return result.hits, result.tracks, result.contributions, result.track_particles
