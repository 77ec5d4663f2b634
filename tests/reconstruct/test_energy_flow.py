"""Energy flow: what neutral particles among tracks are given of the tracks' balance."""

import math

import numpy as np
import pytest

from partflow.core.schemas import CLUSTERS, TRACKS
from partflow.reconstruct.energy_flow import balanced_energies
from partflow.reconstruct.event import Kind
from partflow.reconstruct.parameters import AssociationConfig, EnergyFlowConfig

ASSOCIATION = AssociationConfig()
CONFIG = EnergyFlowConfig(width=100.0, neutral_uncertainty=1.0)
RADIUS = 2000.0
"""Distance of all clusters from the origin [mm]."""


def balanced(ruler, clusters, momenta, config=CONFIG, daughters=()):
    """Energies after it, of clusters in rows (kind, energy, distance from the first [mm]).

    The charged ones, which come first, have tracks of `momenta` along the x axis.
    """
    kind = np.array([row[0] for row in clusters])
    energy = np.array([row[1] for row in clusters], float)
    angle = np.array([2 * math.asin(row[2] / (2 * RADIUS)) for row in clusters])
    columns = {"x": RADIUS * np.cos(angle), "y": RADIUS * np.sin(angle), "energy_hadronic": energy}
    columns["energy_em"] = energy
    is_daughter = np.isin(np.arange(len(momenta)), daughters)
    ones = np.ones(len(momenta))
    tracks = ruler.filled(TRACKS, pt=np.array(momenta, float),
                          face_x=(RADIUS - 50.0) * ones, face_dx=ones)  # fmt: skip
    track = np.where(kind == Kind.CHARGED, np.arange(len(kind)), -1)
    found = ruler.filled(CLUSTERS, **columns)
    return balanced_energies(tracks, found, kind, track, config, ASSOCIATION, is_daughter).tolist()


def test_a_neutral_hadron_without_tracks_around_keeps_its_energy(ruler):
    assert balanced(ruler, [(Kind.NEUTRAL, 10.0, 0.0)], []) == [10.0]
    beside = [(Kind.CHARGED, 30.0, 0.0), (Kind.NEUTRAL, 10.0, 400.0)]
    assert balanced(ruler, beside, [20.0]) == [30.0, 10.0]


@pytest.mark.parametrize("momentum", [25.0, 16.0])
def test_a_neutral_hadron_gets_its_part_of_the_balance_by_the_uncertainties(ruler, momentum):
    """Both uncertainties are known: 10 GeV, and 0.5 sqrt(p) of the track's cluster."""
    clusters = [(Kind.CHARGED, 20.0, 0.0), (Kind.NEUTRAL, 10.0, 0.0)]
    weight = 10.0**2 / (10.0**2 + 0.25 * momentum)
    charged, neutral = balanced(ruler, clusters, [momentum])
    assert charged == 20.0
    assert neutral == pytest.approx(10.0 + weight * (20.0 - momentum), rel=1e-6)


def test_its_part_falls_with_the_distance(ruler):
    given = [
        balanced(ruler, [(Kind.CHARGED, 24.0, 0.0), (Kind.NEUTRAL, 2.0, d)], [20.0])[1] - 2.0
        for d in (0.0, 80.0, 160.0)
    ]
    assert given[0] > given[1] > given[2] > 0.0
    near = math.exp(-0.5 * 0.8**2)
    assert given[1] == pytest.approx(4.0 * (2 * near) ** 2 / ((2 * near) ** 2 + 5.0), rel=1e-6)


def test_no_neutral_hadron_gets_less_than_nothing(ruler):
    clusters = [(Kind.CHARGED, 5.0, 0.0), (Kind.NEUTRAL, 3.0, 0.0)]
    assert balanced(ruler, clusters, [40.0]) == [5.0, 0.0]


def test_tracks_that_share_their_showers_balance_each_other(ruler):
    clusters = [(Kind.CHARGED, 14.0, 0.0), (Kind.CHARGED, 6.0, 0.0), (Kind.NEUTRAL, 50.0, 0.0)]
    assert balanced(ruler, clusters, [10.0, 10.0])[2] == pytest.approx(50.0, rel=1e-9)


def test_a_daughter_brings_its_energy_and_its_parent_the_momentum(ruler):
    clusters = [(Kind.CHARGED, 0.5, 0.0), (Kind.CHARGED, 19.5, 0.0), (Kind.NEUTRAL, 50.0, 0.0)]
    assert balanced(ruler, clusters, [20.0, 19.0], daughters=[1])[2] == pytest.approx(
        50.0, rel=0.01
    )


@pytest.mark.parametrize("momentum", [40.0, 10.0])
def test_a_photon_at_a_tracks_line_takes_its_part_of_the_balance(ruler, momentum):
    """Its uncertainty falls with the distance from the line."""
    clusters = [(Kind.CHARGED, 20.0, 0.0), (Kind.PHOTON, 50.0, 15.0)]
    variance = (50.0 * 0.4 * math.exp(-0.5 * (15.0 / 30.0) ** 2)) ** 2
    part = variance / (variance + 0.25 * momentum) * (20.0 - momentum)
    config = EnergyFlowConfig(photon_width=30.0, photon_uncertainty=0.4)
    charged, photon = balanced(ruler, clusters, [momentum], config)
    assert charged == 20.0
    assert photon == pytest.approx(50.0 + part, rel=1e-4)


def test_a_photon_beside_a_track_keeps_its_energy(ruler):
    clusters = [(Kind.CHARGED, 30.0, 0.0), (Kind.PHOTON, 5.0, 100.0)]
    assert balanced(ruler, clusters, [40.0]) == [30.0, 5.0]


def test_a_photon_on_the_far_side_of_the_detector_is_not_on_the_line(ruler):
    """The line of a track passes there too."""
    clusters = [(Kind.CHARGED, 30.0, 0.0), (Kind.PHOTON, 5.0, 2 * RADIUS)]
    assert balanced(ruler, clusters, [40.0]) == [30.0, 5.0]


def test_a_photon_and_a_neutral_hadron_share_one_balance(ruler):
    clusters = [(Kind.CHARGED, 10.0, 0.0), (Kind.PHOTON, 50.0, 0.0), (Kind.NEUTRAL, 15.0, 0.0)]
    _, photon, neutral = balanced(ruler, clusters, [20.0])
    assert photon + neutral == pytest.approx(55.0, abs=0.2)
    assert photon == pytest.approx(45.0, abs=0.1)  # both are uncertain by 15 GeV


def test_electrons_take_no_part(ruler):
    electron = [(Kind.ELECTRON, 30.0, 0.0), (Kind.NEUTRAL, 5.0, 0.0), (Kind.PHOTON, 5.0, 0.0)]
    assert balanced(ruler, electron, [20.0]) == [30.0, 5.0, 5.0]


def test_it_can_be_switched_off(ruler):
    off = EnergyFlowConfig(neutral_uncertainty=0.0, photon_uncertainty=0.0)
    clusters = [(Kind.CHARGED, 30.0, 0.0), (Kind.NEUTRAL, 5.0, 0.0), (Kind.PHOTON, 5.0, 0.0)]
    assert balanced(ruler, clusters, [20.0], off) == [30.0, 5.0, 5.0]


def test_events_do_not_see_each_other_and_may_be_empty(ruler):
    places = {"x": np.full(2, RADIUS), "energy_hadronic": np.array([30.0, 5.0])}
    clusters = ruler.filled(CLUSTERS, counts=[1, 0, 1], **places)
    tracks = ruler.filled(TRACKS, counts=[1, 0, 0], pt=np.array([20.0]))
    kind, track = np.array([Kind.CHARGED, Kind.NEUTRAL]), np.array([0, -1])
    found = balanced_energies(tracks, clusters, kind, track, CONFIG, ASSOCIATION, np.zeros(1, bool))
    assert found.tolist() == [30.0, 5.0]
    nothing = ruler.filled(CLUSTERS, num_events=2), ruler.filled(TRACKS, num_events=2)
    none = np.zeros(0, int)
    found = balanced_energies(
        nothing[1], nothing[0], none, none, CONFIG, ASSOCIATION, np.zeros(0, bool)
    )
    assert len(found) == 0
