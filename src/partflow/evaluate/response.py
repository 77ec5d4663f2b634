"""Median and width of a response, with bootstrap intervals, as entries of `metrics.json`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from partflow.core.records import Array
from partflow.evaluate.bootstrap import QUARTILES, Bootstrap
from partflow.evaluate.replicas import REPLICAS_SUFFIX

MIN_EVENTS = 2
"""A metric from fewer events has no interval: resampling a single event changes nothing."""


@dataclass(frozen=True)
class Width:
    """Median, IQR = p75 - p25 and IQR/median; each [1 + replica], the sample's value first."""

    median: Array
    iqr: Array
    iqr_over_median: Array
    has_interval: bool


def width(values: Array, event: Array, bootstrap: Bootstrap) -> Width:
    """Median and widths of `values` [object] in the events `event` [object]; NaN without values."""
    nominal = np.quantile(values, QUARTILES) if len(values) else np.full(len(QUARTILES), np.nan)
    low, median, high = np.vstack([nominal, bootstrap.quartiles(values, event)]).T
    iqr = high - low
    relative = np.divide(iqr, median, out=np.full(iqr.shape, np.nan), where=median != 0)
    return Width(median, iqr, relative, len(np.unique(event)) >= MIN_EVENTS)


def metric(
    name: str, values: Array, bootstrap: Bootstrap, has_interval: bool = True
) -> dict[str, Any]:
    """Entries of one metric: `{name: value, name_ci: [low, high], name_replicas: array}`.

    `values` [1 + replica] holds the sample's value, then those of the replicas. The replicas
    are taken out again by `replicas.separate`; there are none without an interval.
    """
    if not has_interval:
        return {name: number(values[0]), f"{name}_ci": [None, None]}
    interval = [number(end) for end in bootstrap.interval(values[1:])]
    return {
        name: number(values[0]),
        f"{name}_ci": interval,
        f"{name}{REPLICAS_SUFFIX}": values[1:],
    }


def width_metrics(response: Width, bootstrap: Bootstrap) -> dict[str, Any]:
    """Entries of median, IQR and IQR/median with their intervals."""
    return {
        key: entry
        for name in ("median", "iqr", "iqr_over_median")
        for key, entry in metric(
            name, getattr(response, name), bootstrap, response.has_interval
        ).items()
    }


def number(value: float | np.floating[Any]) -> float | None:
    """The value as JSON can hold it: None where it is not finite."""
    return float(value) if np.isfinite(value) else None
