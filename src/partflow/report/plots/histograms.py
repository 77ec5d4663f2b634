"""Histograms of several candidate sets in one plot, with their statistical uncertainties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mplhep
import numpy as np
from hist import Hist
from hist.axis import Variable
from hist.storage import Weight
from matplotlib.axes import Axes

from partflow.core.candidate_sets import CEILINGS
from partflow.core.records import Array
from partflow.report.style import Look, Plot, legend_below, new_figure, plain_text, stamp

BANDS = "Bands: statistical uncertainties, except for sets made from the truth."
"""End of the caption of each histogram."""


def fractions(values: Array, edges: Array, total: int) -> Hist[Weight]:
    """Histogram of `values` [object] as fractions of `total` objects.

    A bin with n entries has the uncertainty sqrt(n)/total. Values outside of the edges, or NaN,
    are in no bin, but may be among the total.

    >>> histogram = fractions(np.array([0.2, 0.3, 1.5, np.nan]), np.array([0.0, 1.0, 2.0]), 4)
    >>> histogram.values().tolist()
    [0.5, 0.25]
    """
    histogram = Hist(Variable(edges), storage=Weight())
    histogram.fill(values)
    return histogram / max(total, 1)


def distribution_plot(
    histograms: Mapping[str, Hist[Weight]], look: Mapping[str, Look], sample_label: str, *,
    x_label: str, y_label: str, name: str, title: str, caption: str,
    legend: Mapping[str, str] | None = None, legend_title: str | None = None,
    line_at: float | None = None, more: Mapping[str, Hist[Weight]] | None = None,
) -> Plot:  # fmt: skip
    """The histograms of candidate sets as steps, with bands of their uncertainties.

    Sets made from the truth have no bands, which would cover those of the others.

    Args:
        histograms: A histogram of each candidate set; all have the same edges.
        look: Style of each candidate set.
        sample_label: Text above the axes on the right.
        x_label: Label of the x axis.
        y_label: Label of the y axis.
        name: Name of the plot's files.
        title: Title of the plot.
        caption: Caption of the plot.
        legend: Text of each candidate set in the legend, by default its name.
        legend_title: Title of the legend.
        line_at: Position of a vertical line.
        more: Histograms for the table of numbers alone.
    """
    figure = new_figure(height=1.2)
    axes = figure.subplots()
    if line_at is not None:
        axes.axvline(line_at, color="0.8", linewidth=1, zorder=0)
    for candidates, histogram in histograms.items():
        label = (legend or {}).get(candidates, candidates)
        draw_histogram(axes, histogram, look[candidates], label, candidates not in CEILINGS)
    columns = histogram_columns({**histograms, **(more or {})})
    if histograms:
        axes.set_xlim(columns["low"][0], columns["high"][-1])
    axes.set_ylim(0, upper_limit(histograms))
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    legend_below(figure, axes, legend_title)
    stamp(axes, sample_label)
    return Plot(name, title, f"{caption} {BANDS}", figure, columns)


def draw_histogram(
    axes: Axes, histogram: Hist[Weight], look: Look, label: str, has_band: bool
) -> None:
    """Draw a histogram as a line of steps, if `has_band` with a band of its uncertainties."""
    mplhep.histplot(
        histogram, ax=axes, histtype="step", yerr=False, color=look.colour, linestyle=look.line,
        linewidth=1.8, label=plain_text(label), flow="none", gid=look.key or None,
    )  # fmt: skip
    if has_band:
        mplhep.histplot(
            histogram, ax=axes, histtype="band", w2method="sqrt", facecolor=look.colour,
            alpha=look.band, linewidth=0, hatch="", flow="none", gid=look.key or None, zorder=0.5,
        )  # fmt: skip


def histogram_columns(histograms: Mapping[str, Hist[Weight]]) -> dict[str, Sequence[Any] | Array]:
    """Edges, and heights and uncertainties of each histogram by name, as columns of a table."""
    if not histograms:
        return {"low": [], "high": []}
    edges = next(iter(histograms.values())).axes[0].edges
    columns: dict[str, Sequence[Any] | Array] = {"low": edges[:-1], "high": edges[1:]}
    for name, histogram in histograms.items():
        columns[name] = histogram.values()
        columns[f"{name} uncertainty"] = np.sqrt(histogram.view().variance)
    return columns


def upper_limit(histograms: Mapping[str, Hist[Weight]]) -> float:
    """A y limit above the highest bin of the sets that are not made from the truth.

    The peaks of those that are would leave little room for the others.
    """
    names = [name for name in histograms if name not in CEILINGS] or list(histograms)
    highest = max((float(np.max(histograms[name].values())) for name in names), default=0.0)
    return highest * 1.12 or 1.0
