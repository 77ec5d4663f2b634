"""Uncertainty by resampling events: Poisson bootstrap, for all replicas at once.

A replica weights each event with a Poisson(1) number: the limit of drawing events with
replacement, without the draws. All objects of an event share its weight, so correlations
inside an event are in the interval, and every candidate set sees the same replicas, so the
ratio of two sets has the interval of a paired comparison.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partflow.core.records import Array

QUARTILES = (0.25, 0.5, 0.75)
WEIGHTS_PER_BLOCK = 1 << 22
"""Weights gathered in memory at a time: about 40 MB with their sums."""


@dataclass(frozen=True)
class Bootstrap:
    """Weights of each event in each replica, and the content of the intervals."""

    weights: Array
    """[replica, event], small integers."""
    confidence: float

    @classmethod
    def of_events(cls, event_id: Array, replicas: int, confidence: float, seed: int) -> Bootstrap:
        """Weights for events, the same in whatever order the events come."""
        rng = np.random.default_rng(seed)
        weights = np.empty((replicas, len(event_id)), dtype=np.uint8)
        order = np.argsort(event_id, kind="stable")
        for replica in weights:
            replica[order] = rng.poisson(1.0, len(order))
        return cls(weights, confidence)

    def quartiles(self, values: Array, event: Array) -> Array:
        """Quartiles of `values` [object] in each replica, [replica, 3]; NaN where it is empty."""
        from partflow.evaluate.quantiles import replica_quantiles

        order = np.argsort(values, kind="stable")
        sorted_values = np.ascontiguousarray(values[order], dtype=np.float64)
        own_event = np.ascontiguousarray(event[order], dtype=np.int64)
        return replica_quantiles(sorted_values, own_event, self.weights, np.array(QUARTILES))

    def ratio(self, numerator: Array, denominator: Array, event: Array) -> Array:
        """Ratio of sums over `event` in each replica.

        `numerator` and `denominator` [event, ...] are counts of those events; the result
        [replica, ...] is NaN where a denominator is zero.
        """
        num, den = (self._sums(counts, event) for counts in (numerator, denominator))
        return np.divide(num, den, out=np.full(num.shape, np.nan), where=den != 0)

    def _sums(self, counts: Array, event: Array) -> Array:
        """Weighted sums of `counts` [event, ...] in each replica, [replica, ...]."""
        sums = np.zeros((len(self.weights), *counts.shape[1:]))
        step = max(1, WEIGHTS_PER_BLOCK // len(self.weights))
        for start in range(0, len(event), step):
            block = slice(start, start + step)
            weights = self.weights[:, event[block]].astype(np.float64)
            sums += np.tensordot(weights, counts[block].astype(np.float64), axes=1)
        return sums

    def interval(self, replicas: Array) -> Array:
        """Central interval of `replicas` [replica, ...], [2, ...]; NaN where none is finite."""
        finite = np.isfinite(replicas)
        tail = 50 * (1 - self.confidence)
        if finite.all():  # nearly always, and three times as fast
            return np.asarray(np.percentile(replicas, [tail, 100 - tail], axis=0))
        result = np.full((2, *replicas.shape[1:]), np.nan)
        defined = finite.any(axis=0)
        if defined.any():
            column = np.where(finite, replicas, np.nan)[:, defined]
            result[:, defined] = np.nanpercentile(column, [tail, 100 - tail], axis=0)
        return result
