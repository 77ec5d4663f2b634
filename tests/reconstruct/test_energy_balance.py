"""Energy balance: the corrections of neutral particles near tracks."""

import math

import numpy as np
import pytest

from partflow.core.schemas import CLUSTERS, TRACKS
from partflow.reconstruct.clusters import ClusterIdentity
from partflow.reconstruct.energy_balance import balance_energies
from partflow.reconstruct.event_state import ClusterKind
from partflow.reconstruct.parameters import AssociationConfig, EnergyBalanceConfig

ASSOCIATION = AssociationConfig()
CONFIG = EnergyBalanceConfig(width=100.0, neutral_uncertainty=1.0)
RADIUS = 2000.0
"""Distance of all clusters from the origin [mm]."""


def balanced(toy, clusters, momenta, config=CONFIG, kink_daughters=()):
    """Corrected energies of clusters in rows (kind, energy, distance from the first [mm]).

    The charged ones, which come first, have tracks of `momenta` along the x axis.
    """
    kind = np.array([row[0] for row in clusters])
    energy = np.array([row[1] for row in clusters], float)
    angle = np.array([2 * math.asin(row[2] / (2 * RADIUS)) for row in clusters])
    columns = {"x": RADIUS * np.cos(angle), "y": RADIUS * np.sin(angle)}
    columns |= {"energy_hadronic": energy, "energy_em": energy}
    ones = np.ones(len(momenta))
    tracks = toy.filled(TRACKS, pt=np.array(momenta, float),
                        face_x=(RADIUS - 50.0) * ones, face_dx=ones)  # fmt: skip
    track = np.where(kind == ClusterKind.CHARGED, np.arange(len(kind)), -1)
    return balance_energies(
        tracks,
        toy.filled(CLUSTERS, **columns),
        ClusterIdentity(kind, track),
        np.isin(np.arange(len(momenta)), kink_daughters),
        config,
        ASSOCIATION,
    ).tolist()


def test_a_neutral_hadron_without_tracks_nearby_keeps_its_energy(toy):
    assert balanced(toy, [(ClusterKind.NEUTRAL, 10.0, 0.0)], []) == [10.0]
    distant = [(ClusterKind.CHARGED, 30.0, 0.0), (ClusterKind.NEUTRAL, 10.0, 400.0)]
    assert balanced(toy, distant, [20.0]) == [30.0, 10.0]


@pytest.mark.parametrize("momentum", [25.0, 16.0])
def test_a_neutral_hadron_gets_a_part_of_the_balance_set_by_the_uncertainties(toy, momentum):
    """Both uncertainties are known: 10 GeV, and 0.5 sqrt(p) of the track's cluster."""
    clusters = [(ClusterKind.CHARGED, 20.0, 0.0), (ClusterKind.NEUTRAL, 10.0, 0.0)]
    weight = 10.0**2 / (10.0**2 + 0.25 * momentum)
    charged, neutral = balanced(toy, clusters, [momentum])
    assert charged == 20.0
    assert neutral == pytest.approx(10.0 + weight * (20.0 - momentum), rel=1e-6)


def test_this_part_falls_with_the_distance(toy):
    charged = (ClusterKind.CHARGED, 24.0, 0.0)
    corrections = [
        balanced(toy, [charged, (ClusterKind.NEUTRAL, 2.0, distance)], [20.0])[1] - 2.0
        for distance in (0.0, 80.0, 160.0)
    ]
    assert corrections[0] > corrections[1] > corrections[2] > 0.0
    nearness = math.exp(-0.5 * 0.8**2)
    expected = 4.0 * (2 * nearness) ** 2 / ((2 * nearness) ** 2 + 5.0)
    assert corrections[1] == pytest.approx(expected, rel=1e-6)


def test_the_energy_of_a_neutral_hadron_does_not_become_negative(toy):
    clusters = [(ClusterKind.CHARGED, 5.0, 0.0), (ClusterKind.NEUTRAL, 3.0, 0.0)]
    assert balanced(toy, clusters, [40.0]) == [5.0, 0.0]


def test_the_balances_of_tracks_with_confused_showers_cancel(toy):
    clusters = [
        (ClusterKind.CHARGED, 14.0, 0.0),
        (ClusterKind.CHARGED, 6.0, 0.0),
        (ClusterKind.NEUTRAL, 50.0, 0.0),
    ]
    assert balanced(toy, clusters, [10.0, 10.0])[2] == pytest.approx(50.0, rel=1e-9)


def test_for_a_kink_the_momentum_is_that_of_the_parent_alone(toy):
    clusters = [
        (ClusterKind.CHARGED, 0.5, 0.0),
        (ClusterKind.CHARGED, 19.5, 0.0),
        (ClusterKind.NEUTRAL, 50.0, 0.0),
    ]
    assert balanced(toy, clusters, [20.0, 19.0], kink_daughters=[1])[2] == pytest.approx(
        50.0, rel=0.01
    )


@pytest.mark.parametrize("momentum", [40.0, 10.0])
def test_a_photon_on_the_line_of_a_track_gets_its_part_of_the_balance(toy, momentum):
    """Its uncertainty falls with the distance from the line."""
    clusters = [(ClusterKind.CHARGED, 20.0, 0.0), (ClusterKind.PHOTON, 50.0, 15.0)]
    variance = (50.0 * 0.4 * math.exp(-0.5 * (15.0 / 30.0) ** 2)) ** 2
    part = variance / (variance + 0.25 * momentum) * (20.0 - momentum)
    config = EnergyBalanceConfig(photon_width=30.0, photon_uncertainty=0.4)
    charged, photon = balanced(toy, clusters, [momentum], config)
    assert charged == 20.0
    assert photon == pytest.approx(50.0 + part, rel=1e-4)


def test_a_photon_away_from_the_line_of_a_track_keeps_its_energy(toy):
    clusters = [(ClusterKind.CHARGED, 30.0, 0.0), (ClusterKind.PHOTON, 5.0, 100.0)]
    assert balanced(toy, clusters, [40.0]) == [30.0, 5.0]


def test_a_photon_on_the_far_side_of_the_detector_is_not_on_the_line(toy):
    """The straight line of the track continues to there."""
    clusters = [(ClusterKind.CHARGED, 30.0, 0.0), (ClusterKind.PHOTON, 5.0, 2 * RADIUS)]
    assert balanced(toy, clusters, [40.0]) == [30.0, 5.0]


def test_a_photon_and_a_neutral_hadron_share_one_balance(toy):
    clusters = [
        (ClusterKind.CHARGED, 10.0, 0.0),
        (ClusterKind.PHOTON, 50.0, 0.0),
        (ClusterKind.NEUTRAL, 15.0, 0.0),
    ]
    _, photon, neutral = balanced(toy, clusters, [20.0])
    assert photon + neutral == pytest.approx(55.0, abs=0.2)
    assert photon == pytest.approx(45.0, abs=0.1)  # both are uncertain by 15 GeV


def test_electrons_correct_no_neutral_particle(toy):
    electron = [
        (ClusterKind.ELECTRON, 30.0, 0.0),
        (ClusterKind.NEUTRAL, 5.0, 0.0),
        (ClusterKind.PHOTON, 5.0, 0.0),
    ]
    assert balanced(toy, electron, [20.0]) == [30.0, 5.0, 5.0]


def test_the_correction_can_be_switched_off(toy):
    off = EnergyBalanceConfig(neutral_uncertainty=0.0, photon_uncertainty=0.0)
    clusters = [
        (ClusterKind.CHARGED, 30.0, 0.0),
        (ClusterKind.NEUTRAL, 5.0, 0.0),
        (ClusterKind.PHOTON, 5.0, 0.0),
    ]
    assert balanced(toy, clusters, [20.0], off) == [30.0, 5.0, 5.0]


def test_events_are_independent_and_may_be_empty(toy):
    columns = {"x": np.full(2, RADIUS), "energy_hadronic": np.array([30.0, 5.0])}
    clusters = toy.filled(CLUSTERS, counts=[1, 0, 1], **columns)
    tracks = toy.filled(TRACKS, counts=[1, 0, 0], pt=np.array([20.0]))
    identity = ClusterIdentity(
        np.array([ClusterKind.CHARGED, ClusterKind.NEUTRAL]), np.array([0, -1])
    )
    no_daughters = np.zeros(1, bool)
    energies = balance_energies(tracks, clusters, identity, no_daughters, CONFIG, ASSOCIATION)
    assert energies.tolist() == [30.0, 5.0]
    no_clusters, no_tracks = (toy.filled(schema, num_events=2) for schema in (CLUSTERS, TRACKS))
    no_identity = ClusterIdentity(np.zeros(0, int), np.zeros(0, int))
    energies = balance_energies(
        no_tracks, no_clusters, no_identity, np.zeros(0, bool), CONFIG, ASSOCIATION
    )
    assert len(energies) == 0
