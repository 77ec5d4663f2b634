"""Median and width of a response, with intervals; numbers as JSON may hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from partflow.core.records import Array
from partflow.evaluate.bootstrap import QUARTILES, Bootstrap
from partflow.evaluate.replicas import SUFFIX

MIN_EVENTS = 2
"""A figure made from fewer events has no interval: resampling one event varies nothing."""


@dataclass(frozen=True)
class Width:
    """Median, IQR = p75 - p25 and IQR/median, each [1 + replica]: the figure, then replicas."""

    median: Array
    iqr: Array
    iqr_over_median: Array
    has_interval: bool


def width(values: Array, event: Array, bootstrap: Bootstrap) -> Width:
    """Median and widths of `values` [object] found in `event` [object]; NaN without values."""
    nominal = np.quantile(values, QUARTILES) if len(values) else np.full(len(QUARTILES), np.nan)
    low, median, high = np.vstack([nominal, bootstrap.quartiles(values, event)]).T
    iqr = high - low
    relative = np.divide(iqr, median, out=np.full(iqr.shape, np.nan), where=median != 0)
    return Width(median, iqr, relative, len(np.unique(event)) >= MIN_EVENTS)


def figure(
    name: str, replicas: Array, bootstrap: Bootstrap, has_interval: bool = True
) -> dict[str, Any]:
    """`{name: value, name_ci: [low, high], name_replicas}` of a figure [1 + replica].

    `replicas.separate` takes the last entry out again; without an interval there is none.
    """
    if not has_interval:
        return {name: number(replicas[0]), f"{name}_ci": [None, None]}
    interval = pair(bootstrap.interval(replicas[1:]))
    return {name: number(replicas[0]), f"{name}_ci": interval, f"{name}{SUFFIX}": replicas[1:]}


def width_figures(found: Width, bootstrap: Bootstrap) -> dict[str, Any]:
    """Median, IQR and IQR/median with their intervals, by name."""
    return {
        key: entry
        for name in ("median", "iqr", "iqr_over_median")
        for key, entry in figure(name, getattr(found, name), bootstrap, found.has_interval).items()
    }


def number(value: float | np.floating[Any]) -> float | None:
    """The value as JSON may hold it: None where it is not finite."""
    return float(value) if np.isfinite(value) else None


def pair(interval: Array) -> list[float | None]:
    """An interval as JSON may hold it."""
    return [number(bound) for bound in interval]
