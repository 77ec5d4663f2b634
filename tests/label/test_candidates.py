import numpy as np
import pytest

from partflow.core.hadron_scale import bin_sums, load_hadron_scale
from partflow.core.known_detectors import CLIC
from partflow.core.particles import PION_MASS, masses
from partflow.label import label, perfect_candidates, target_candidates

PLACE = (0.0, 1500.0, 0.0)


@pytest.fixture(scope="module")
def scale():
    return load_hadron_scale(CLIC)


def test_target_candidates_are_the_targets(random_event, join):
    rng = np.random.default_rng(7)
    truth = join(*(random_event(rng) for _ in range(50)))
    targets = label(**truth.for_label()).targets
    found = target_candidates(targets, truth.tracks, truth.clusters)
    kept = targets.select(targets.pdg_id != 0)
    assert np.array_equal(found.offsets, kept.offsets)
    for name in ("pdg_id", "charge", "pt", "eta", "energy"):
        assert np.array_equal(found.columns[name], kept.columns[name])
    assert np.sin(found.phi) == pytest.approx(kept.sin_phi)
    assert np.all((found.track_index < 0) != (found.cluster_index < 0))


def test_target_candidates_say_which_element_they_came_from(event, join):
    deposits = [(1, 0, 4.0, *PLACE), (2, 1, 4.0, *PLACE)]
    particles = [(211, 5, 0, 0), (22, 0, 5, 0), (22, 0, 0, 5)]
    one = event(particles, [(0, True)], deposits, 2)
    truth = join(one, one)
    found = target_candidates(label(**truth.for_label()).targets, truth.tracks, truth.clusters)
    assert found.track_index.tolist() == [0, -1, -1] * 2
    assert found.cluster_index.tolist() == [-1, 0, 1] * 2


def test_a_particle_with_its_own_track_has_the_momentum_of_the_track(event, scale):
    truth = event([(321, 3, 4, 12), (-11, 5, 0, 0)], [(0, True), (1, True)])
    truth.tracks.columns["pt"][:] *= 1.01  # the track is what was measured
    found = perfect_candidates(**truth.for_perfect(), hadron_scale=scale)
    assert found.pdg_id.tolist() == [211, 11]
    assert found.charge.tolist() == [1, 1]
    assert found.pt == pytest.approx(np.array([5.05, 5.05]))
    momentum = np.array([13 * 1.01, 5.05])
    mass = np.array([PION_MASS, masses(np.array([11]))[0]])
    assert found.energy == pytest.approx(np.hypot(momentum, mass))
    assert found.track_index.tolist() == [0, 1]


def test_a_photon_has_the_electromagnetic_sum_of_all_its_hits(event, scale):
    deposits = [(0, 0, 2.0, 0, 1500, 0), (0, 0, 1.0, 0, 1500, 0), (0, -1, 1.0, 0, 1500, 0)]
    truth = event([(22, 0, 5, 0)], [], deposits, 1)
    found = perfect_candidates(**truth.for_perfect(), hadron_scale=scale)
    assert found.energy.tolist() == [4.0]
    assert found.pt.tolist() == [4.0]
    assert found.phi == pytest.approx(np.array([np.pi / 2]))
    assert found.cluster_index.tolist() == [0]


def test_a_neutral_hadron_is_measured_at_the_hadronic_scale(event, scale):
    deposits = [(0, 0, 0.02, *PLACE), (0, 0, 0.3, *PLACE), (0, 0, 2.0, *PLACE)]
    truth = event([(130, 0, 5, 0)], [], deposits, 1)
    found = perfect_candidates(**truth.for_perfect(), hadron_scale=scale)
    sums = bin_sums(truth.hits.energy_em, truth.hits.subdetector, np.zeros(3, dtype=int), 1)
    assert found.energy == pytest.approx(scale.energy(sums))


def test_a_shared_hit_is_shared_by_energy_and_calibrated_as_the_whole_hit(event, scale):
    truth = event(
        [(130, 0, 5, 0), (22, 0, 4, 0)], [], [(0, 0, 1.0, *PLACE), (1, 0, 1.0, *PLACE)], 1
    )
    truth.contributions.columns["hit_index"][:] = 0
    truth.contributions.columns["energy_em"][:] = (0.05, 0.95)
    found = perfect_candidates(**truth.for_perfect(), hadron_scale=scale)
    dense_bin = bin_sums(np.array([1.0]), np.array([0]), np.array([0]), 1)
    assert found.energy == pytest.approx(np.array([scale.energy(0.05 * dense_bin)[0], 0.95]))


def test_a_calorimeter_candidate_points_to_the_energy_weighted_centroid(event, scale):
    deposits = [(0, 0, 3.0, 1500, 0, 0), (0, 0, 1.0, 1500, 400, 800)]
    truth = event([(22, 4, 0, 0)], [], deposits, 1)
    found = perfect_candidates(**truth.for_perfect(), hadron_scale=scale)
    assert found.phi == pytest.approx(np.arctan2([100.0], [1500.0]))
    assert found.eta == pytest.approx(np.arcsinh([200 / np.hypot(1500, 100)]))
    momentum = found.pt * np.cosh(found.eta)
    assert momentum == pytest.approx(found.energy)  # no mass


def test_below_twenty_mev_nothing_is_seen_without_a_track(event, scale):
    particles = [(22, 0.1, 0, 0), (22, 0, 0.1, 0), (12, 0, 0, 9)]
    deposits = [(0, 0, 0.019, *PLACE), (1, 0, 0.021, *PLACE)]
    truth = event(particles, [], deposits, 1)
    found = perfect_candidates(**truth.for_perfect(), hadron_scale=scale)
    assert found.energy == pytest.approx(np.array([0.021]))


def test_the_cluster_is_the_target_cluster_or_else_the_best(event, join, scale):
    """The best cluster of particle 1 is taken; 2 is left over; 3 has a track; 4 has no deposit."""
    particles = [(22, 9, 0, 0), (22, 0, 5, 0), (22, 0, 0, 3), (211, 2, 0, 0), (211, 0, 2, 0)]
    deposits = [
        (0, 0, 8.0, *PLACE),
        (1, 0, 3.0, *PLACE),
        (1, 1, 2.0, *PLACE),
        (2, 1, 1.5, *PLACE),
        (2, 0, 1.0, *PLACE),
        (3, 1, 1.5, *PLACE),
    ]
    one = event(particles, [(3, True), (4, True)], deposits, 2)
    truth = join(event([]), one, one)
    found = perfect_candidates(**truth.for_perfect(), hadron_scale=scale)
    assert found.cluster_index.tolist() == [0, 1, 1, 1, -1] * 2
    assert found.track_index.tolist() == [-1, -1, -1, 0, 1] * 2


def test_perfect_candidates_of_an_event_do_not_depend_on_other_events(random_event, join, scale):
    rng = np.random.default_rng(8)
    truths = [random_event(rng) for _ in range(30)]
    together = perfect_candidates(**join(*truths).for_perfect(), hadron_scale=scale)
    for i, truth in enumerate(truths):
        alone = perfect_candidates(**truth.for_perfect(), hadron_scale=scale)
        there = together[i : i + 1]
        for name, values in alone.columns.items():
            assert np.array_equal(values, there.columns[name]), (i, name)


def test_no_event_and_an_empty_event_have_no_candidates(event, scale):
    for number in (0, 1):
        truth = type(event([]))(*(c[:number] for c in event([])))
        found = perfect_candidates(**truth.for_perfect(), hadron_scale=scale)
        assert (found.num_events, len(found)) == (number, 0)
        targets = label(**truth.for_label()).targets
        assert len(target_candidates(targets, truth.tracks, truth.clusters)) == 0
