"""Where the energy goes, on events made by hand."""

import numpy as np
import pytest

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
from partflow.evaluate.energy_flow import Taken, Truth, cluster_truth, judge_flow
from partflow.report.page_tables import unknown_flow

NOBODY = -1


@pytest.fixture
def fill(fill):
    """`fill` that takes lists."""
    return lambda schema, offsets, **columns: fill(
        schema, np.array(offsets), **{name: np.array(values) for name, values in columns.items()}
    )


@pytest.fixture
def event(fill):
    """`event(particles, deposits)`: one event with a track for each charged particle.

    `particles` are PDG classes; `deposits` (particle, cluster, GeV) each light a hit of their own.
    """

    def make(particles, deposits):
        particle, cluster, energy = (np.array(column) for column in zip(*deposits, strict=True))
        own = np.array([i for i, kind in enumerate(particles) if kind == 211], dtype=int)
        held = np.bincount(cluster, energy)
        num = np.array([0, len(deposits)])
        return cluster_truth(
            fill(PARTICLES, [0, len(particles)], pdg_id=particles,
                 charge=np.isin(particles, 211).astype(int)),
            fill(TRACK_PARTICLES, [0, len(own)], particle_index=own, is_primary=np.ones(len(own))),
            fill(CLUSTERS, [0, len(held)], energy=held),
            fill(HIT_CLUSTERS, num, cluster_index=cluster),
            fill(CONTRIBUTIONS, num, hit_index=np.arange(len(deposits)), particle_index=particle,
                 energy=energy),
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
                    energy=energy)  # fmt: skip

    return make


def matrix(candidates, truth, shares=None):
    """{(truth, taken): GeV} of what is not zero."""
    (energy,) = judge_flow(candidates, truth, 0, shares).energy
    assert energy.sum() == pytest.approx(truth.clusters.energy_em.sum())
    return {
        (Truth(row), Taken(column)): pytest.approx(value)
        for (row, column), value in np.ndenumerate(energy)
        if abs(value) > 1e-6
    }


def test_a_candidate_fed_by_two_clusters_takes_of_both(event, candidates, shares):
    """A photon of 6 GeV, of which 2 GeV lie in the cluster of a hadron with a track, 5 GeV."""
    truth = event([22, 211], [(0, 0, 4.0), (0, 1, 2.0), (1, 1, 5.0)])
    found = candidates((211, 0, -1, 5.0), (22, -1, 0, 6.0))
    given = shares((1, 1, 4.0), (2, 1, 2.0), (2, 0, 5.0))
    assert matrix(found, truth, given) == {
        (Truth.PHOTON, Taken.PHOTON): 6.0,
        (Truth.WITH_TRACK, Taken.TRACK): 5.0,
    }
    # By its own cluster alone the photon would have lost 2 GeV to the track.
    assert matrix(found, truth) == {
        (Truth.PHOTON, Taken.PHOTON): 4.0,
        (Truth.PHOTON, Taken.TRACK): 2.0,
        (Truth.WITH_TRACK, Taken.TRACK): 5.0,
    }


def test_what_a_network_takes_too_much_of_is_another_particles(event, candidates, shares):
    truth = event([22, 211], [(0, 0, 6.0), (1, 0, 4.0)])
    found = candidates((211, 0, -1, 5.0), (22, -1, 0, 5.0))
    assert matrix(found, truth, shares((1, 1, 5.0), (1, 0, 5.0))) == {
        (Truth.PHOTON, Taken.PHOTON): 5.0,
        (Truth.PHOTON, Taken.TRACK): 1.0,
        (Truth.WITH_TRACK, Taken.TRACK): 4.0,
    }


def test_a_share_counts_for_its_owners_class_not_for_that_of_its_cluster(event, candidates, shares):
    """The hadron's cluster goes to a photon's candidate at the other, the photon's to nobody."""
    truth = event([130, 22], [(0, 0, 3.0), (1, 1, 7.0)])
    found = candidates((130, -1, 0, 3.0), (22, -1, 1, 3.0))
    assert matrix(found, truth, shares((0, 1, 3.0), (1, NOBODY, 7.0))) == {
        (Truth.NEUTRAL_HADRON, Taken.PHOTON): 3.0,
        (Truth.PHOTON, Taken.NOBODY): 7.0,
    }


def test_energy_of_an_owner_without_candidate_is_nobodys(event, candidates, shares):
    truth = event([22, 130], [(0, 0, 4.0), (1, 1, 6.0)])
    found = candidates((22, -1, 0, 4.0))
    assert matrix(found, truth, shares((0, 0, 4.0), (1, 1, 6.0))) == {
        (Truth.PHOTON, Taken.PHOTON): 4.0,
        (Truth.NEUTRAL_HADRON, Taken.NOBODY): 6.0,
    }


def test_a_neutral_candidate_on_a_track_uses_the_energy_up_as_the_track_does(
    event, candidates, shares
):
    truth = event([211], [(0, 0, 4.0)])
    found = candidates((130, 0, -1, 4.0))
    assert matrix(found, truth, shares((1, 0, 4.0))) == {(Truth.WITH_TRACK, Taken.TRACK): 4.0}


def test_a_cluster_without_shares_is_nobodys(event, candidates, shares):
    truth = event([22], [(0, 0, 4.0)])
    assert matrix(candidates(), truth, shares()) == {(Truth.PHOTON, Taken.NOBODY): 4.0}


@pytest.mark.parametrize("row", [(2, 0, 1.0), (0, 0, 1.0), (1, 2, 1.0)])
def test_shares_of_other_elements_are_refused(event, candidates, shares, row):
    """There are a track, element 0, and a cluster, element 1."""
    truth = event([211], [(0, 0, 4.0)])
    with pytest.raises(DataError, match="beyond the elements"):
        judge_flow(candidates((211, 0, -1, 4.0)), truth, 0, shares(row))


def test_events_keep_their_shares_apart(fill):
    """Two events, one and two tracks: the same element is a track here and a cluster there."""
    tracks = np.array([1, 2])
    truth = cluster_truth(
        fill(PARTICLES, [0, 1, 2], pdg_id=[22, 22]),
        fill(TRACK_PARTICLES, offsets_from_counts(tracks), particle_index=np.full(3, -1)),
        fill(CLUSTERS, [0, 1, 2], energy=[1.0, 2.0]),
        fill(HIT_CLUSTERS, [0, 1, 2]),
        fill(CONTRIBUTIONS, [0, 1, 2], energy=[1.0, 2.0]),
    )
    found = fill(CANDIDATES, [0, 1, 2], pdg_id=[22, 211], track_index=[-1, 1],
                 cluster_index=[0, -1], energy=[1.0, 2.0])  # fmt: skip
    given = fill(SHARES, [0, 1, 2], cluster_element=[1, 2], owner_element=[1, 1],
                 energy=[1.0, 2.0])  # fmt: skip
    energy = judge_flow(found, truth, 0, given).energy
    assert energy[0, Truth.PHOTON, Taken.PHOTON] == 1.0
    assert energy[1, Truth.PHOTON, Taken.TRACK] == 2.0
    assert energy.sum() == 3.0


@pytest.fixture
def judged(event, candidates, shares, fill):
    """Metrics of three sets: with shares, by its own clusters, and not known from which."""
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


def test_only_where_shares_say_so_energy_can_be_nobodys(judged):
    flow = judged["energy_flow"]
    assert flow["shared"]["photon"]["to_nobody"] == 0
    assert "to_nobody" not in flow["own"]["photon"]
    for name in ("shared", "own"):
        assert flow[name]["photon"]["as_photon"] == 4.0
        assert flow[name]["charged_with_track"]["left_to_tracks"] == 5.0


def test_the_page_says_which_matrix_cannot_be_had(judged):
    assert judged["energy_flow"]["old"] == {}
    said = unknown_flow(judged)
    assert "Not available for old:" in said and "Run partflow reconstruct again" in said
    del judged["energy_flow"]["old"]
    assert unknown_flow(judged) == ""
