"""Metrics in bins of pt or eta: markers with bands of their intervals, and their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from partflow.report.style import Look, plain_text

Bins = Sequence[Mapping[str, Any]]


def draw_bins(
    axes: Axes, bins: Bins, metric: str, look: Look, label: str, is_geometric: bool = True
) -> None:
    """Draw the metric at the centre of each bin, and its interval as a band.

    Bins in pt have their geometric centre (`is_geometric`). Bins without a value are left out.
    """
    known = [b for b in bins if b[metric] is not None]
    low, high = (np.array([b[edge] for b in known], dtype=float) for edge in ("low", "high"))
    centre = np.sqrt(low * high) if is_geometric else (low + high) / 2
    values = np.array([b[metric] for b in known], dtype=float)
    bounds = np.array([b[f"{metric}_ci"] for b in known], dtype=float).reshape(-1, 2)
    axes.plot(
        centre, values, look.line, marker=look.marker, color=look.colour, markersize=6,
        label=plain_text(label), gid=look.key or None,
    )  # fmt: skip
    axes.fill_between(
        centre, *bounds.T, color=look.colour, alpha=look.band, linewidth=0, gid=look.key or None
    )


def interval_columns(rows: Bins, metric: str) -> dict[str, list[Any]]:
    """The metric of each row and the ends of its interval, as columns of a table."""
    return {
        metric: [row[metric] for row in rows],
        f"{metric}_low": [row[f"{metric}_ci"][0] for row in rows],
        f"{metric}_high": [row[f"{metric}_ci"][1] for row in rows],
    }


def logarithmic_x_axis(axes: Axes, ticks: Sequence[float]) -> None:
    """A logarithmic x axis with these ticks, written as plain numbers."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
