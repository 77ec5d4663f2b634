"""The threshold is the one with the largest F1."""

import json

import numpy as np
import pytest

from partflow.train.threshold import choose_threshold, reliability


def f1_of(probability, is_particle, threshold):
    pairs = list(zip(probability, is_particle, strict=True))
    true_positives = sum(1 for p, r in pairs if p >= threshold and r)
    false_positives = sum(1 for p, r in pairs if p >= threshold and not r)
    false_negatives = sum(1 for p, r in pairs if p < threshold and r)
    return 2 * true_positives / (2 * true_positives + false_positives + false_negatives)


def test_the_chosen_threshold_has_the_largest_f1():
    rng = np.random.default_rng(1)
    probability = rng.random(400)
    is_particle = rng.random(400) < probability**2
    choice = choose_threshold(probability, is_particle)
    scores = {t / 100: f1_of(probability, is_particle, t / 100) for t in range(5, 96)}
    assert choice.f1 == pytest.approx(max(scores.values()))
    assert scores[choice.threshold] == pytest.approx(choice.f1)
    assert choice.usual_f1 == pytest.approx(scores[0.5])
    assert choice.usual_f1 < choice.f1


def test_of_equally_good_thresholds_the_nearest_to_one_half_is_chosen():
    is_particle = np.array([True, False])
    assert choose_threshold(np.array([0.99, 0.01]), is_particle).threshold == 0.5


def test_bins_without_elements_are_null():
    entry = reliability(np.array([0.05, 0.15, 1.0]), np.array([False, True, True]))
    filled = {b["low"]: b["fraction_real"] for b in entry["bins"] if b["num_elements"]}
    assert filled == {0.0: 0.0, 0.1: 1.0, 0.9: 1.0}
    assert entry["bins"][5]["fraction_real"] is None
    assert entry["expected_calibration_error"] == pytest.approx((0.05 + 0.85) / 3)
    json.dumps(entry, allow_nan=False)
