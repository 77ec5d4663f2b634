"""Particles of which only secondary tracks were found: the targets of each track and cluster."""

import numpy as np
import pytest

from partflow.core.errors import ConfigError
from partflow.core.particles import is_neutrino
from partflow.label import LabelConfig, label
from partflow.label.portions import MAX_LINE_DISTANCE, make_portions

PLACE, ASIDE = (1500.0, 0.0, 0.0), (1500.0, 600.0, 0.0)
FACE = (1490.0, 0.0, 0.0)
MODES = ("none", "leading", "each")


def portions(truth, mode="each"):
    centroids = np.stack([truth.clusters.x, truth.clusters.y, truth.clusters.z], axis=1)
    return make_portions(
        truth.particles, truth.tracks, truth.track_particles, truth.deposits, centroids,
        LabelConfig(secondary_tracks=mode),
    )  # fmt: skip


def targets_of(truth, mode="each"):
    return label(**truth.for_label(), config=LabelConfig(secondary_tracks=mode)).targets


@pytest.fixture
def conversion(event):
    """A photon of 10 GeV, both secondary tracks found (6 and 4 GeV), each with its own cluster."""
    tracks = [(0, False, 0.6, FACE), (0, False, 0.4, ASIDE)]
    deposits = [(0, 0, 6.0, *PLACE), (0, 1, 4.0, *ASIDE)]
    truth = event([(22, 10, 0, 0)], tracks, deposits, 2)
    truth.tracks.columns["charge"][:] = (-1, 1)
    return truth


def test_both_tracks_of_a_conversion_are_electrons_that_sum_to_the_photon(conversion):
    targets = targets_of(conversion)
    assert targets.pdg_id.tolist() == [11, 11, 0, 0]
    assert targets.charge.tolist() == [-1, 1, 0, 0]
    assert targets.energy == pytest.approx(np.array([6, 4, 0, 0]))
    assert targets.pt == pytest.approx(np.array([6, 4, 0, 0]))
    assert targets.particle_index.tolist() == [0, 0, -1, -1]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_secondary_whose_track_was_found_twice_counts_once(event, place):
    """A photon of 10 GeV, secondaries of 6 and 4 GeV. The second track of the first, 5.9 GeV, is a
    duplicate, at any place among the tracks."""
    tracks = [(0, False, 0.6, FACE), (0, False, 0.4, ASIDE)]
    tracks.insert(place, (0, False, 0.59, FACE))
    truth = event([(22, 10, 0, 0)], tracks, [(0, 0, 6.0, *PLACE), (0, 1, 4.0, *ASIDE)], 2)
    truth.track_particles.columns["is_duplicate"][place] = 1
    targets = targets_of(truth)
    expected = [6.0, 4.0]
    expected.insert(place, 0.0)
    assert targets.energy == pytest.approx(np.array([*expected, 0, 0]))
    assert portions(truth).is_secondary.sum() == 2
    leading = targets_of(truth, "leading")
    assert np.flatnonzero(leading.pdg_id).tolist() == [0 if place else 1]


def test_the_target_of_a_secondary_track_points_where_its_photon_went(conversion):
    conversion.tracks.columns["phi"][:] = (0.2, -0.3)  # seen from the beam, a helix has turned
    targets = targets_of(conversion)
    assert targets.sin_phi[:2] == pytest.approx(np.zeros(2), abs=1e-12)
    assert targets.cos_phi[:2] == pytest.approx(np.ones(2))


def test_secondary_tracks_that_measure_nearly_everything_share_everything(event):
    """0.9 and 0.06 of the photon: the remainder would not be visible."""
    tracks = [(0, False, 0.9), (0, False, 0.06)]
    targets = targets_of(event([(22, 10, 0, 0)], tracks))
    assert targets.energy == pytest.approx(10 * np.array([0.9, 0.06]) / 0.96)


def test_secondary_tracks_that_measure_too_much_share_the_energy_of_the_particle(event):
    targets = targets_of(event([(22, 10, 0, 0)], [(0, False, 0.9), (0, False, 0.6)]))
    assert targets.energy == pytest.approx(np.array([6, 4]))


def test_the_remainder_goes_to_the_cluster_away_from_the_line_of_the_track(event):
    deposits = [(0, 0, 6.0, *PLACE), (0, 1, 3.0, *ASIDE)]
    truth = event([(22, 10, 0, 0)], [(0, False, 0.6, FACE)], deposits, 2)
    targets = targets_of(truth)
    assert targets.pdg_id.tolist() == [11, 0, 22]
    assert targets.energy == pytest.approx(np.array([6, 0, 4]))
    assert targets.gp_to_cluster == pytest.approx(np.array([6, 0, 3]))


@pytest.mark.parametrize(("distance", "classes"), [(0.9, [11, 0]), (1.1, [11, 22])])
def test_a_cluster_within_the_maximal_distance_counts_for_the_track(event, distance, classes):
    place = (1600.0, distance * MAX_LINE_DISTANCE, 0.0)
    truth = event([(22, 10, 0, 0)], [(0, False, 0.5, FACE)], [(0, 0, 3.0, *place)], 1)
    assert targets_of(truth).pdg_id.tolist() == classes


def test_a_cluster_between_two_secondary_tracks_counts_for_the_nearer_one(event):
    place = (1500.0, 40.0, 0.0)
    tracks = [(0, False, 0.5, FACE), (0, False, 0.5, (1500.0, 70.0, 0.0))]
    found = portions(event([(22, 10, 0, 0)], tracks, [(0, 0, 9.0, *place)], 1))
    assert found.track[found.deposits.particle[0]] == 1


@pytest.mark.parametrize("face", [None, (-1490.0, 0.0, 0.0)])
def test_a_secondary_track_without_a_line_to_the_cluster_gets_none_of_it(event, face):
    """Its track ends before the calorimeter, or enters it on the other side."""
    truth = event([(22, 10, 0, 0)], [(0, False, 0.5, face)], [(0, 0, 4.0, *PLACE)], 1)
    assert targets_of(truth).pdg_id.tolist() == [11, 22]


def test_a_hadron_has_charged_targets_on_tracks_and_a_neutral_remainder(event):
    deposits = [(0, 0, 3.0, *PLACE), (0, 1, 5.0, *ASIDE)]
    truth = event([(-211, 12, 0, 0)], [(0, False, 0.3, FACE)], deposits, 2)
    truth.tracks.columns["charge"][:] = 1
    targets = targets_of(truth)
    assert targets.pdg_id.tolist() == [211, 0, 130]
    assert targets.charge.tolist() == [1, 0, 0]  # that of the secondary, not of its parent
    assert targets.energy.sum() == pytest.approx(truth.particles.energy[0])


def test_a_remainder_that_is_not_visible_is_in_no_target(event):
    deposits = [(0, 0, 6.0, *PLACE), (0, 1, 0.19, *ASIDE)]  # 5 % of 4 GeV are 0.2 GeV
    truth = event([(22, 10, 0, 0)], [(0, False, 0.6, FACE)], deposits, 2)
    result = label(**truth.for_label())
    assert result.targets.energy == pytest.approx(np.array([6, 0, 0]))
    assert result.report.not_visible.energy == pytest.approx(4.0)


def test_the_leading_secondary_track_can_carry_the_whole_particle(conversion):
    conversion.tracks.columns["pt"][:] = (4, 6)
    targets = targets_of(conversion, "leading")
    assert targets.pdg_id.tolist() == [0, 211, 0, 0]  # the published class of a photon on a track
    assert targets.energy == pytest.approx(np.array([0, 10, 0, 0]))


def test_secondary_tracks_can_have_no_target(conversion):
    targets = targets_of(conversion, "none")
    assert targets.pdg_id.tolist() == [0, 0, 22, 0]
    assert targets.energy == pytest.approx(np.array([0, 0, 10, 0]))


@pytest.mark.parametrize("mode", MODES)
def test_a_particle_whose_own_track_was_found_is_placed_there_whole(event, mode):
    deposits = [(0, 0, 6.0, *PLACE)]
    truth = event([(211, 10, 0, 0)], [(0, False, 0.9, FACE), (0, True)], deposits, 1)
    targets = targets_of(truth, mode)
    assert targets.pdg_id.tolist() == [0, 211, 0]
    assert targets.energy[1] == pytest.approx(truth.particles.energy[0])


@pytest.mark.parametrize("mode", MODES)
def test_portions_sum_to_their_particles(random_event, join, mode):
    rng = np.random.default_rng(9)
    truth = join(*(random_event(rng) for _ in range(200)))
    found = portions(truth, mode)
    assert np.any(found.is_secondary) == (mode != "none")
    assert (len(found.particles) > len(truth.particles)) == (mode == "each")
    row = truth.particles.flat_index(found.particles.event_index, found.parent)
    for name in ("px", "py", "pz", "energy"):
        total = np.bincount(row, found.particles.columns[name], len(truth.particles))
        assert total == pytest.approx(truth.particles.columns[name], rel=1e-12)
    assert np.all(found.particles.energy > 0)
    parent_of_deposits = found.parent[found.deposits.particle]
    assert np.array_equal(parent_of_deposits, truth.contributions.particle_index)


@pytest.mark.parametrize("mode", ["leading", "each"])
def test_secondary_tracks_of_visible_particles_have_targets_as_configured(random_event, join, mode):
    rng = np.random.default_rng(10)
    truth = join(*(random_event(rng) for _ in range(100)))
    made = truth.track_particles
    row = truth.particles.flat_index(made.event_index, made.particle_index)
    has_own = np.isin(row, row[made.is_primary == 1])
    expected = (made.is_primary == 1) | ~has_own
    if mode == "leading":
        order = np.lexsort((-truth.tracks.pt, row))
        is_first = np.zeros(len(row), dtype=bool)
        is_first[order[np.unique(row[order], return_index=True)[1]]] = True
        expected = (made.is_primary == 1) | (~has_own & is_first)
    assert not np.any(is_neutrino(truth.particles.pdg_id)[row])
    targets = targets_of(truth, mode)
    element = targets.flat_index(made.event_index, truth.tracks.index_in_event)
    assert np.array_equal(targets.particle_index[element] >= 0, expected)
    assert np.array_equal(targets.particle_index[element][expected], made.particle_index[expected])


@pytest.mark.parametrize("setting", [{"secondary_tracks": "all"}, {"definition": "mlpf-2.5"}])
def test_an_unknown_definition_is_an_error(setting):
    with pytest.raises(ConfigError, match=next(iter(setting.values()))):
        LabelConfig(**setting)
