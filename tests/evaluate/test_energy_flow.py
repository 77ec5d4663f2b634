"""Energy flow of small events."""

import numpy as np
import pytest

from partflow.core.deposits import resolve_deposits
from partflow.core.errors import DataError
from partflow.core.records import offsets_from_counts
from partflow.core.schemas import (
    CANDIDATES,
    CLUSTERS,
    CONTRIBUTIONS,
    HIT_CLUSTERS,
    PARTICLES,
    SHARES,
    TARGETS,
    TRACK_PARTICLES,
    TRACKS,
)
from partflow.evaluate import EvaluationConfig, Evaluator
from partflow.evaluate.energy_flow import EnergyDestination, EnergyOrigin, cluster_truth, judge_flow
from partflow.report.page import build_page

NO_OWNER = -1


@pytest.fixture
def fill(fill):
    """`fill` that takes lists."""
    return lambda schema, offsets, **columns: fill(
        schema, np.array(offsets), **{name: np.array(values) for name, values in columns.items()}
    )


@pytest.fixture
def event(fill):
    """`event(particles, deposits)`: one event with a track for each charged particle.

    `particles` are PDG classes; each of `deposits` (particle, cluster, GeV) is in a hit of its own.
    """

    def make(particles, deposits):
        particle, cluster, energy = (np.array(column) for column in zip(*deposits, strict=True))
        charged = np.array([i for i, kind in enumerate(particles) if kind == 211], dtype=int)
        cluster_energy = np.bincount(cluster, energy)
        num = np.array([0, len(deposits)])
        return truth_of(
            fill(PARTICLES, [0, len(particles)], pdg_id=particles,
                 charge=np.isin(particles, 211).astype(int)),
            fill(TRACK_PARTICLES, [0, len(charged)], particle_index=charged,
                 is_primary=np.ones(len(charged))),
            fill(CLUSTERS, [0, len(cluster_energy)], energy_em=cluster_energy),
            fill(HIT_CLUSTERS, num, cluster_index=cluster),
            fill(CONTRIBUTIONS, num, hit_index=np.arange(len(deposits)), particle_index=particle,
                 energy_em=energy),
        )  # fmt: skip

    return make


@pytest.fixture
def candidates(fill):
    """`candidates((class, track, cluster, GeV), ...)` of one event; -1 is none."""

    def make(*rows):
        pdg_id, track, cluster, energy = np.array(rows).reshape(-1, 4).T
        return fill(CANDIDATES, [0, len(rows)], pdg_id=pdg_id, track_index=track,
                    cluster_index=cluster, energy=energy, pt=energy)  # fmt: skip

    return make


@pytest.fixture
def shares(fill):
    """`shares((cluster, owner, GeV), ...)` of one event, both as elements."""

    def make(*rows):
        cluster, owner, energy = np.array(rows).reshape(-1, 3).T
        return fill(SHARES, [0, len(rows)], cluster_element=cluster, owner_element=owner,
                    energy_em=energy)  # fmt: skip

    return make


def truth_of(particles, track_particles, clusters, hit_clusters, contributions):
    deposits = resolve_deposits(particles, clusters, hit_clusters, contributions)
    return cluster_truth(particles, track_particles, clusters, deposits)


def matrix(candidates, truth, shares=None):
    """{(origin, destination): GeV} of what is not zero."""
    (energy,) = judge_flow(candidates, truth, 0, shares).energy
    assert energy.sum() == pytest.approx(truth.clusters.energy_em.sum())
    return {
        (EnergyOrigin(row), EnergyDestination(column)): pytest.approx(value)
        for (row, column), value in np.ndenumerate(energy)
        if abs(value) > 1e-6
    }


def test_a_candidate_with_shares_of_two_clusters_takes_energy_of_both(event, candidates, shares):
    """A photon of 6 GeV, of which 2 GeV lie in the cluster of a hadron with a track, 5 GeV."""
    truth = event([22, 211], [(0, 0, 4.0), (0, 1, 2.0), (1, 1, 5.0)])
    found = candidates((211, 0, -1, 5.0), (22, -1, 0, 6.0))
    rows = shares((1, 1, 4.0), (2, 1, 2.0), (2, 0, 5.0))
    assert matrix(found, truth, rows) == {
        (EnergyOrigin.PHOTON, EnergyDestination.PHOTON): 6.0,
        (EnergyOrigin.WITH_TRACK, EnergyDestination.TRACK): 5.0,
    }
    # Without shares 2 GeV of the photon count as left to the track.
    assert matrix(found, truth) == {
        (EnergyOrigin.PHOTON, EnergyDestination.PHOTON): 4.0,
        (EnergyOrigin.PHOTON, EnergyDestination.TRACK): 2.0,
        (EnergyOrigin.WITH_TRACK, EnergyDestination.TRACK): 5.0,
    }


def test_energy_that_an_owner_has_too_much_of_is_another_particles(event, candidates, shares):
    truth = event([22, 211], [(0, 0, 6.0), (1, 0, 4.0)])
    found = candidates((211, 0, -1, 5.0), (22, -1, 0, 5.0))
    assert matrix(found, truth, shares((1, 1, 5.0), (1, 0, 5.0))) == {
        (EnergyOrigin.PHOTON, EnergyDestination.PHOTON): 5.0,
        (EnergyOrigin.PHOTON, EnergyDestination.TRACK): 1.0,
        (EnergyOrigin.WITH_TRACK, EnergyDestination.TRACK): 4.0,
    }


def test_a_share_counts_for_the_class_of_its_owner_not_of_its_cluster(event, candidates, shares):
    """The hadron's cluster goes to a photon on the other, the photon's cluster is unassigned."""
    truth = event([130, 22], [(0, 0, 3.0), (1, 1, 7.0)])
    found = candidates((130, -1, 0, 3.0), (22, -1, 1, 3.0))
    assert matrix(found, truth, shares((0, 1, 3.0), (1, NO_OWNER, 7.0))) == {
        (EnergyOrigin.NEUTRAL_HADRON, EnergyDestination.PHOTON): 3.0,
        (EnergyOrigin.PHOTON, EnergyDestination.UNASSIGNED): 7.0,
    }


def test_energy_of_an_owner_without_candidate_is_unassigned(event, candidates, shares):
    truth = event([22, 130], [(0, 0, 4.0), (1, 1, 6.0)])
    found = candidates((22, -1, 0, 4.0))
    assert matrix(found, truth, shares((0, 0, 4.0), (1, 1, 6.0))) == {
        (EnergyOrigin.PHOTON, EnergyDestination.PHOTON): 4.0,
        (EnergyOrigin.NEUTRAL_HADRON, EnergyDestination.UNASSIGNED): 6.0,
    }


def test_energy_of_a_neutral_candidate_on_a_track_counts_for_the_track(event, candidates, shares):
    truth = event([211], [(0, 0, 4.0)])
    found = candidates((130, 0, -1, 4.0))
    assert matrix(found, truth, shares((1, 0, 4.0))) == {
        (EnergyOrigin.WITH_TRACK, EnergyDestination.TRACK): 4.0
    }


def test_a_cluster_without_shares_is_unassigned(event, candidates, shares):
    truth = event([22], [(0, 0, 4.0)])
    assert matrix(candidates(), truth, shares()) == {
        (EnergyOrigin.PHOTON, EnergyDestination.UNASSIGNED): 4.0
    }


@pytest.mark.parametrize("row", [(2, 0, 1.0), (0, 0, 1.0), (1, 2, 1.0)])
def test_shares_of_other_elements_are_an_error(event, candidates, shares, row):
    """There are a track, element 0, and a cluster, element 1."""
    truth = event([211], [(0, 0, 4.0)])
    with pytest.raises(DataError, match="beyond the elements"):
        judge_flow(candidates((211, 0, -1, 4.0)), truth, 0, shares(row))


def test_shares_count_in_their_own_event(fill):
    """Two events, one and two tracks: the same element is a track here and a cluster there."""
    tracks = np.array([1, 2])
    truth = truth_of(
        fill(PARTICLES, [0, 1, 2], pdg_id=[22, 22]),
        fill(TRACK_PARTICLES, offsets_from_counts(tracks), particle_index=np.full(3, -1)),
        fill(CLUSTERS, [0, 1, 2], energy_em=[1.0, 2.0]),
        fill(HIT_CLUSTERS, [0, 1, 2]),
        fill(CONTRIBUTIONS, [0, 1, 2], energy_em=[1.0, 2.0]),
    )
    found = fill(CANDIDATES, [0, 1, 2], pdg_id=[22, 211], track_index=[-1, 1],
                 cluster_index=[0, -1], energy=[1.0, 2.0])  # fmt: skip
    rows = fill(SHARES, [0, 1, 2], cluster_element=[1, 2], owner_element=[1, 1],
                 energy_em=[1.0, 2.0])  # fmt: skip
    energy = judge_flow(found, truth, 0, rows).energy
    assert energy[0, EnergyOrigin.PHOTON, EnergyDestination.PHOTON] == 1.0
    assert energy[1, EnergyOrigin.PHOTON, EnergyDestination.TRACK] == 2.0
    assert energy.sum() == 3.0


@pytest.fixture
def judged(event, candidates, shares, fill):
    """Metrics of three sets: with shares, by its own clusters, and of unknown clusters."""
    truth = event([22, 211], [(0, 0, 4.0), (1, 1, 5.0)])
    found = candidates((211, 0, -1, 5.0), (22, -1, 0, 4.0))
    evaluator = Evaluator(EvaluationConfig(num_replicas=10))
    evaluator.add(
        fill(PARTICLES, [0, 2], pdg_id=[22, 211], energy=[4.0, 5.0]), fill(TARGETS, [0, 3]),
        fill(TRACKS, [0, 1]), truth.clusters, dict.fromkeys(("shared", "own", "old"), found),
        np.array(["qq"], dtype=object), cluster_truth_of={"shared": truth, "own": truth},
        shares_of={"shared": shares((1, 1, 4.0), (2, 0, 5.0))},
    )  # fmt: skip
    return evaluator.metrics()


def test_only_with_shares_energy_can_be_unassigned(judged):
    flow = judged["energy_flow"]
    assert flow["shared"]["photon"]["to_nobody"] == 0
    assert "to_nobody" not in flow["own"]["photon"]
    for name in ("shared", "own"):
        assert flow[name]["photon"]["as_photon"] == 4.0
        assert flow[name]["charged_with_track"]["left_to_tracks"] == 5.0


def test_the_page_names_the_sets_without_a_matrix(judged):
    assert judged["energy_flow"]["old"] == {}
    page = build_page(judged, [])
    assert "Not available for old:" in page
    assert "Run partflow reconstruct again" in page
    del judged["energy_flow"]["old"]
    assert "Not available" not in build_page(judged, [])
