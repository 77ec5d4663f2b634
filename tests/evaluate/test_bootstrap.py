"""Intervals cover the truth, resample whole events, and ignore the order of events."""

import numpy as np
import pytest

from partflow.evaluate.bootstrap import QUARTILES, Bootstrap, replica_quantiles
from partflow.evaluate.response import width


def make(num_events, replicas=200, seed=0, confidence=0.68):
    return Bootstrap.of_events(np.arange(num_events), replicas, confidence, seed)


def test_weighted_quantiles_are_those_of_repeated_values():
    rng = np.random.default_rng(1)
    values = np.sort(rng.normal(size=37))
    event = rng.integers(0, 12, 37)
    weights = rng.poisson(1.0, (50, 12)).astype(np.uint8)
    expected = [np.quantile(np.repeat(values, w[event]), QUARTILES) for w in weights]
    quantiles = replica_quantiles(values, event, weights, np.array(QUARTILES))
    np.testing.assert_allclose(quantiles, expected, rtol=1e-12)


def test_a_replica_without_values_has_no_quantile():
    weights = np.array([[0, 0], [0, 3]], dtype=np.uint8)
    quantiles = replica_quantiles(np.array([1.0, 2.0]), np.arange(2), weights, np.array([0.5]))
    assert np.isnan(quantiles[0, 0])
    assert quantiles[1, 0] == 2.0


def test_interval_covers_the_true_width_as_often_as_it_says():
    rng = np.random.default_rng(2)
    true_width = 2 * 0.6744897501960817 * 0.1  # IQR of a Gaussian of sigma 0.1, median 1
    covered = 0
    for trial in range(300):
        values = rng.normal(1.0, 0.1, 200)
        bootstrap = make(200, seed=trial)
        response = width(values, np.arange(200), bootstrap)
        low, high = bootstrap.interval(response.iqr_over_median[1:])
        covered += low <= true_width <= high
    # 0.68 +- 4 standard deviations of 300 trials.
    assert abs(covered / 300 - 0.68) < 4 * np.sqrt(0.68 * 0.32 / 300)


def test_interval_narrows_with_the_square_root_of_the_events():
    rng = np.random.default_rng(3)

    def size(num_events):
        bootstrap = make(num_events, replicas=400)
        values = rng.normal(1.0, 0.1, num_events)
        response = width(values, np.arange(num_events), bootstrap)
        return np.diff(bootstrap.interval(response.iqr[1:]))[0]

    assert size(400) / size(10000) == pytest.approx(5.0, rel=0.3)


def test_equal_jets_of_one_event_count_once():
    # Four equal jets per event contain no more information than one.
    rng = np.random.default_rng(4)
    bootstrap = make(300)
    is_matched = (rng.random(300) < 0.7).astype(float)
    one = bootstrap.ratio(is_matched, np.ones(300), np.arange(300))
    four = bootstrap.ratio(4 * is_matched, np.full(300, 4.0), np.arange(300))
    np.testing.assert_allclose(one, four, rtol=1e-12)


def test_ratio_is_the_weighted_sum_over_the_chosen_events():
    bootstrap = make(5, replicas=3)
    event = np.array([1, 3])
    numerator, denominator = np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([[4.0, 0.0], [4.0, 0.0]])
    ratio = bootstrap.ratio(numerator, denominator, event)
    for replica, weights in enumerate(bootstrap.weights[:, event].astype(float)):
        expected = weights @ [1.0, 2.0] / (4 * weights.sum()) if weights.sum() else np.nan
        assert ratio[replica, 0] == pytest.approx(expected, nan_ok=True)
        assert np.isnan(ratio[replica, 1])


def test_weights_of_an_event_do_not_depend_on_its_position():
    ids = np.array([40, 10, 30, 20])
    moved = np.array([2, 0, 3, 1])
    first = Bootstrap.of_events(ids, 20, 0.68, 7)
    second = Bootstrap.of_events(ids[moved], 20, 0.68, 7)
    np.testing.assert_array_equal(first.weights[:, moved], second.weights)
    assert not np.array_equal(first.weights, Bootstrap.of_events(ids, 20, 0.68, 8).weights)


def test_no_events_have_no_interval():
    bootstrap = make(0)
    response = width(np.empty(0), np.empty(0, dtype=int), bootstrap)
    assert np.isnan(response.median).all()
    assert np.isnan(bootstrap.interval(response.iqr[1:])).all()
