"""A threshold is where most particles are found and fewest are made up."""

import json

import numpy as np
import pytest

from partflow.train.threshold import choose_threshold, reliability


def f1_of(probability, real, threshold):
    found = sum(1 for p, r in zip(probability, real, strict=True) if p >= threshold and r)
    made_up = sum(1 for p, r in zip(probability, real, strict=True) if p >= threshold and not r)
    missed = sum(1 for p, r in zip(probability, real, strict=True) if p < threshold and r)
    return 2 * found / (2 * found + made_up + missed)


def test_no_other_threshold_is_better():
    rng = np.random.default_rng(1)
    probability = rng.random(400)
    real = rng.random(400) < probability**2
    choice = choose_threshold(probability, real)
    scores = {t / 100: f1_of(probability, real, t / 100) for t in range(5, 96)}
    assert choice.f1 == pytest.approx(max(scores.values()))
    assert scores[choice.threshold] == pytest.approx(choice.f1)
    assert choice.usual_f1 == pytest.approx(scores[0.5])
    assert choice.usual_f1 < choice.f1


def test_of_equal_thresholds_the_one_nearest_to_one_half():
    real = np.array([True, False])
    assert choose_threshold(np.array([0.99, 0.01]), real).threshold == 0.5


def test_elements_without_a_bin_are_null():
    entry = reliability(np.array([0.05, 0.15, 1.0]), np.array([False, True, True]))
    filled = {b["low"]: b["fraction_real"] for b in entry["bins"] if b["num_elements"]}
    assert filled == {0.0: 0.0, 0.1: 1.0, 0.9: 1.0}
    assert entry["bins"][5]["fraction_real"] is None
    assert entry["expected_calibration_error"] == pytest.approx((0.05 + 0.85) / 3)
    json.dumps(entry, allow_nan=False)
