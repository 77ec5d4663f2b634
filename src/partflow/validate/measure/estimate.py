"""Estimates: a figure measured from a sample, with its confidence interval.

All intervals come from the bootstrap of `evaluate`. Figures of the same events have correlated
replicas.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from partflow.core.records import Array
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.response import MIN_EVENTS, width

REPLICAS = 200
"""Replicas of the bootstrap."""
CONFIDENCE = 0.95
"""Confidence level of all intervals."""
BOOTSTRAP_SEED = 0
IQR_OF_GAUSSIAN = 1.349
"""Interquartile range of a Gaussian, in standard deviations."""


class Estimate(NamedTuple):
    """A value and its confidence interval; NaN where it cannot be computed."""

    value: float
    low: float
    high: float


NOTHING = Estimate(np.nan, np.nan, np.nan)


def exact(value: float) -> Estimate:
    """A value without statistical uncertainty."""
    return Estimate(float(value), float(value), float(value))


def resampling(num_events: int) -> Bootstrap:
    """Bootstrap weights of the `num_events` events of a sample, always the same."""
    return Bootstrap.of_events(np.arange(num_events), REPLICAS, CONFIDENCE, BOOTSTRAP_SEED)


def of_replicas(replicas: Array, bootstrap: Bootstrap, num_events: int) -> Estimate:
    """Estimate from a value and its replicas [1 + replica]; no interval for too few events."""
    if num_events < MIN_EVENTS:
        return Estimate(float(replicas[0]), np.nan, np.nan)
    low, high = bootstrap.interval(replicas[1:])
    return Estimate(float(replicas[0]), float(low), float(high))


def mean(values: Array, bootstrap: Bootstrap) -> Estimate:
    """Mean of `values` [event]."""
    return _weighted(values, bootstrap, lambda mean, _: mean)


def standard_deviation(values: Array, bootstrap: Bootstrap) -> Estimate:
    """Standard deviation of `values` [event]."""
    return _weighted(values, bootstrap, lambda _, variance: np.sqrt(variance))


def relative_deviation(values: Array, bootstrap: Bootstrap) -> Estimate:
    """Standard deviation of `values` [event] over their mean."""
    return _weighted(values, bootstrap, lambda mean, variance: np.sqrt(variance) / mean)


def median(values: Array, event: Array, bootstrap: Bootstrap) -> Estimate:
    """Median of `values` [object]; `event` [object] is the event of each."""
    return of_replicas(width(values, event, bootstrap).median, bootstrap, len(np.unique(event)))


def iqr(values: Array, event: Array, bootstrap: Bootstrap) -> Estimate:
    """Interquartile range of `values` [object]; `event` [object] is the event of each."""
    return of_replicas(width(values, event, bootstrap).iqr, bootstrap, len(np.unique(event)))


def relative_iqr(values: Array, event: Array, bootstrap: Bootstrap) -> Estimate:
    """IQR / 1.349 / median of `values` [object]; of a Gaussian, standard deviation over mean."""
    replicas = width(values, event, bootstrap).iqr_over_median / IQR_OF_GAUSSIAN
    return of_replicas(replicas, bootstrap, len(np.unique(event)))


def fraction(is_counted: Array, bootstrap: Bootstrap) -> Estimate:
    """Fraction of events for which `is_counted` [event] is true."""
    return mean(is_counted.astype(np.float64), bootstrap)


def _weighted(
    values: Array, bootstrap: Bootstrap, of_moments: Callable[[Array, Array], Array]
) -> Estimate:
    """A function of the mean and the variance of `values` [event], and of their replicas."""
    if len(values) == 0:
        return NOTHING
    values = np.asarray(values, dtype=np.float64)
    # Moments about the mean: raw moments lose the digits of the variance of a narrow peak.
    centre = values.mean()
    shifted = np.stack([values - centre, (values - centre) ** 2])
    weights = np.vstack([np.ones(len(values)), bootstrap.weights])
    with np.errstate(invalid="ignore", divide="ignore"):
        first, second = (shifted @ weights.T) / weights.sum(axis=1)
        replicas = of_moments(first + centre, np.maximum(second - first**2, 0.0))
    return of_replicas(replicas, bootstrap, len(values))
