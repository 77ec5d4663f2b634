"""Rejection of overlaid background: compared with plain loops, and in limiting cases."""

import numpy as np
import pytest

from partflow.evaluate import EvaluationConfig, Evaluator

QUICK = EvaluationConfig(num_replicas=50)


def background_of(toy):
    evaluator = Evaluator(QUICK)
    toy.add_to(evaluator)
    return evaluator.metrics()["background"]


def with_background(toy):
    """The toy in which a third of the elements are from overlaid background."""
    toy.targets.columns["is_pu"] = (np.arange(len(toy.targets)) % 3 == 0).astype(np.int8)
    return toy


def kept_elements(toy, name):
    """(event, element) of each candidate of a set."""
    candidates = toy.candidates[name]
    for i in range(len(candidates)):
        event, track = candidates.event_index[i], candidates.track_index[i]
        cluster = candidates.cluster_index[i]
        yield int(event), int(track if track >= 0 else toy.tracks.counts[event] + cluster)


def test_the_rates_are_those_of_a_plain_count(toy_events):
    toy = with_background(toy_events(50, 3))
    found = background_of(toy)
    for name in ("mlpf", "baseline"):
        kept = set(kept_elements(toy, name))
        sums = np.zeros((2, 2, 2))  # number and pt; signal and background; all and kept
        for row in range(len(toy.targets)):
            if toy.targets.pdg_id[row] == 0:
                continue
            key = int(toy.targets.event_index[row]), int(toy.targets.index_in_event[row])
            weight = np.array([1.0, toy.targets.pt[row]])
            sums[:, toy.targets.is_pu[row], 0] += weight
            sums[:, toy.targets.is_pu[row], 1] += weight * (key in kept)
        for row, prefix in enumerate(("", "pt_")):
            (signal, signal_kept), (background, background_kept) = sums[row]
            metrics = found[name]
            assert metrics[prefix + "signal_efficiency"] == pytest.approx(signal_kept / signal)
            assert metrics[prefix + "background_rejection"] == pytest.approx(
                1 - background_kept / background
            )
            low, high = metrics[prefix + "signal_efficiency_ci"]
            assert low <= metrics[prefix + "signal_efficiency"] <= high


def test_events_without_background_have_no_rejection(toy_events):
    toy = toy_events(50, 3)
    toy.targets.columns["is_pu"] = np.zeros(len(toy.targets), np.int8)
    assert set(map(str, background_of(toy).values())) == {"{}"}
