"""Each generator jet is matched to the nearest reconstructed jet within the maximal distance."""

import numpy as np
import pytest

from partflow.core.errors import DataError
from partflow.core.records import Collection
from partflow.core.schemas import JETS
from partflow.evaluate import matching
from partflow.evaluate.matching import match_nearest


def jets(*events):
    """Jets of some events, each a list of (eta, phi)."""
    columns = [np.array(event, dtype=float).reshape(-1, 2).T for event in events]
    ones = [np.ones(c.shape[1]) for c in columns]
    return Collection.from_events(
        JETS,
        [
            {"pt": one, "eta": eta, "phi": phi, "energy": one}
            for (eta, phi), one in zip(columns, ones, strict=True)
        ],
    )


def random_jets(rng, num_events):
    return jets(
        *(
            np.column_stack([rng.uniform(-0.3, 0.3, n), rng.uniform(-np.pi, np.pi, n)])
            for n in rng.integers(0, 40, num_events)
        )
    )


def test_the_nearest_jet_is_taken_not_the_first():
    gen, reco = jets([(0.0, 0.0)]), jets([(0.05, 0.0), (0.01, 0.0), (0.02, 0.0)])
    assert match_nearest(gen, reco, 0.1).tolist() == [1]


def test_distance_wraps_around_in_phi():
    gen, reco = jets([(0.0, np.pi - 0.02)]), jets([(0.0, -np.pi + 0.02)])
    assert match_nearest(gen, reco, 0.1).tolist() == [0]


def test_a_jet_at_the_maximal_distance_is_not_matched():
    gen, reco = jets([(0.0, 0.0)], [(0.0, 0.0)]), jets([(0.125, 0.0)], [(0.124, 0.0)])
    assert match_nearest(gen, reco, 0.125).tolist() == [-1, 1]


def test_two_gen_jets_may_share_a_reco_jet():
    gen, reco = jets([(0.0, 0.0), (0.06, 0.0)]), jets([(0.03, 0.0)])
    assert match_nearest(gen, reco, 0.1).tolist() == [0, 0]


def test_of_equally_near_jets_the_first_is_taken():
    gen, reco = jets([(0.0, 0.0)]), jets([(0.0625, 0.0), (-0.0625, 0.0)])
    assert match_nearest(gen, reco, 0.1).tolist() == [0]


def test_jets_of_other_events_do_not_count():
    gen, reco = jets([(0.0, 0.0)], [], [(1.0, 1.0)]), jets([], [(0.0, 0.0)], [(1.0, 1.0)])
    assert match_nearest(gen, reco, 0.1).tolist() == [-1, 1]


@pytest.mark.parametrize("num_events", [0, 3])
def test_without_jets_there_is_no_match(num_events):
    nothing, something = jets(*[[]] * num_events), jets(*[[(0.0, 0.0)]] * num_events)
    assert match_nearest(nothing, something, 0.1).tolist() == []
    assert match_nearest(something, nothing, 0.1).tolist() == [-1] * num_events
    assert match_nearest(nothing, nothing, 0.1).tolist() == []


def test_matches_are_those_of_a_loop_over_all_pairs():
    rng = np.random.default_rng(5)
    gen, reco = random_jets(rng, 60), random_jets(rng, 60)
    expected = []
    for event, eta, phi in zip(gen.event_index, gen.eta, gen.phi, strict=True):
        best, nearest = 0.1, -1
        for row in range(reco.offsets[event], reco.offsets[event + 1]):
            turn = abs(phi - reco.phi[row])
            distance = np.hypot(eta - reco.eta[row], min(turn, 2 * np.pi - turn))
            if distance < best:
                best, nearest = distance, row
        expected.append(nearest)
    assert 0 < np.sum(np.array(expected) >= 0) < len(expected)
    assert match_nearest(gen, reco, 0.1).tolist() == expected


@pytest.mark.parametrize("pairs", [1, 7, 100])
def test_blocks_of_pairs_do_not_change_the_matches(monkeypatch, pairs):
    rng = np.random.default_rng(6)
    gen, reco = random_jets(rng, 30), random_jets(rng, 30)
    whole = match_nearest(gen, reco, 0.1)
    monkeypatch.setattr(matching, "PAIRS_PER_BLOCK", pairs)
    assert match_nearest(gen, reco, 0.1).tolist() == whole.tolist()


def test_jets_of_other_events_are_rejected():
    with pytest.raises(DataError, match="jets of 2 events cannot be matched to gen jets of 1"):
        match_nearest(jets([(0.0, 0.0)]), jets([], []), 0.1)
