"""Quantiles of weighted values in many replicas: compiled, since it is where the time goes."""

from __future__ import annotations

import numpy as np
from numba import njit

from partflow.core.records import Array


@njit(cache=True, nogil=True)
def replica_quantiles(values: Array, event: Array, weights: Array, levels: Array) -> Array:
    """Quantiles of `values` (sorted, [value]) repeated `weights` [replica, event] times.

    Exactly numpy's linear quantile of the repeated values, without repeating them; [replica,
    level], NaN where all weights are zero. `event` [value] says whose weight a value has.
    """
    quantiles = np.full((len(weights), len(levels)), np.nan)
    running = np.empty(len(values), np.int64)
    for replica in range(len(weights)):
        own = weights[replica]
        total = 0
        for place in range(len(values)):
            total += own[event[place]]
            running[place] = total
        if total == 0:
            continue
        for column in range(len(levels)):
            rank = (total - 1) * levels[column]
            lower = int(rank)
            upper = min(lower + 1, total - 1)
            low = values[np.searchsorted(running, lower, side="right")]
            high = values[np.searchsorted(running, upper, side="right")]
            quantiles[replica, column] = low + (high - low) * (rank - lower)
    return quantiles
