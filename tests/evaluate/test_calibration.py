"""Calibration of probabilities: compared with plain loops, and in limiting cases."""

import numpy as np
import pytest

from partflow.evaluate import EvaluationConfig, Evaluator

QUICK = EvaluationConfig(num_replicas=50)


def calibration_of(toy):
    evaluator = Evaluator(QUICK)
    toy.add_to(evaluator)
    return evaluator.metrics()["calibration"]


def with_probabilities(toy, of):
    """The toy whose candidates of `mlpf` have the probability `of` (is real, number)."""
    candidates = toy.candidates["mlpf"]
    is_real = np.concatenate([[r for r, _ in candidates_of(toy, i)] for i in range(50)])
    candidates.columns["probability"] = of(is_real.astype(bool), len(candidates))
    return toy


def candidates_of(toy, event):
    """(whether its element has a target, whether it is a track) of each candidate of an event."""
    targets, candidates = toy.targets[event : event + 1], toy.candidates["mlpf"][event : event + 1]
    for j in range(len(candidates)):
        is_track = candidates.track_index[j] >= 0
        element = (
            candidates.track_index[j]
            if is_track
            else toy.tracks.counts[event] + candidates.cluster_index[j]
        )
        yield targets.pdg_id[element] != 0, is_track


@pytest.mark.parametrize("kind", ["track", "cluster"])
def test_reliability_is_that_of_a_plain_count(toy_events, kind):
    rng = np.random.default_rng(3)
    toy = with_probabilities(toy_events(50, 61), lambda real, n: rng.random(n))
    entry = calibration_of(toy)["mlpf"][kind]
    rows = [
        (p, real)
        for i in range(50)
        for p, (real, is_track) in zip(
            toy.candidates["mlpf"][i : i + 1].probability, candidates_of(toy, i), strict=True
        )
        if is_track == (kind == "track")
    ]
    total = 0.0
    for k, b in enumerate(entry["bins"]):
        inside = [(p, real) for p, real in rows if k / 10 <= p < (k + 1) / 10]
        assert b["num_candidates"] == len(inside) > 0
        real, mean = (sum(r for _, r in inside) / len(inside),
                      sum(p for p, _ in inside) / len(inside))  # fmt: skip
        assert b["fraction_real"] == pytest.approx(real, abs=1e-6)
        assert b["mean_probability"] == pytest.approx(mean, abs=1e-6)
        total += len(inside) / len(rows) * abs(real - mean)
    assert entry["expected_calibration_error"] == pytest.approx(total, abs=1e-6)
    low, high = entry["expected_calibration_error_ci"]
    assert low < high


def test_perfect_probabilities_have_no_calibration_error(toy_events):
    toy = with_probabilities(toy_events(50, 62), lambda real, n: real.astype(float))
    for entry in calibration_of(toy)["mlpf"].values():
        assert entry["expected_calibration_error"] == 0.0
        assert entry["bins"][5]["fraction_real"] is None


def test_a_set_without_probabilities_has_no_calibration(toy_events):
    toy = with_probabilities(toy_events(50, 63), lambda real, n: np.ones(n))
    assert calibration_of(toy)["mlpf"] == {}
