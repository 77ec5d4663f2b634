"""Pictures of a search: the best loss after each trial, and the settings of all trials."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator, NullLocator

from partflow.core.records import Array
from partflow.report.style import BLUE, GREY, VERMILION, Plot, legend_below, new_figure, stamp
from partflow.tune.results import TrialRow, best_row, searched_names

MAX_TICKS = 8
"""Choices of a setting that are all written at its axis; of more, only the ends."""
TICK_DISTANCE = 0.05
"""Smallest distance between the texts at an axis, in units of its length."""
BEHIND_TICKS = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}
"""Box behind these texts, since lines cross them."""
COLOURS = "viridis_r"
"""Colours of the losses: the lowest is dark."""


def study_plots(rows: Sequence[TrialRow], label: str) -> Iterator[Plot]:
    """All plots of a study, inside of `report.style.drawing`; `label` names the data."""
    complete = [row for row in rows if row.state == "complete"]
    if complete:
        yield history_plot(rows, label)
    if sum(bool(row.values) for row in complete) >= 2:
        yield parallel_plot(complete, label)


def history_plot(rows: Sequence[TrialRow], label: str) -> Plot:
    """Validation loss of each trial, and the lowest one so far."""
    with_loss = [row for row in rows if row.validation_loss is not None]
    figure = new_figure()
    axes = figure.add_subplot()
    styles = {"complete": ("o", BLUE), "pruned": ("x", GREY)}
    for state, (marker, colour) in styles.items():
        chosen = [row for row in with_loss if row.state == state]
        name = {"complete": "complete", "pruned": "ended early (last loss)"}[state]
        if chosen:
            axes.plot(
                [row.number for row in chosen], _losses(chosen), marker, color=colour, label=name
            )
    best = lowest_so_far(with_loss)
    numbers = [row.number for row in with_loss]
    axes.step(numbers, best, where="post", color=BLUE, label="lowest of the complete trials")
    for row in with_loss:
        if row.is_default and row.state == "complete" and row.validation_loss is not None:
            axes.axhline(row.validation_loss, color=VERMILION, linestyle="--",
                         label="configuration to start from")  # fmt: skip
    losses = _losses(with_loss)
    if losses.min() > 0 and losses.max() > 5 * losses.min():
        axes.set_yscale("log")
    axes.set(xlabel="Trial", ylabel="Validation loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_minor_locator(NullLocator())
    stamp(axes, label)
    legend_below(figure, axes)
    columns: dict[str, Array | Sequence[Any]] = {
        "trial": numbers,
        "state": [row.state for row in with_loss],
        "validation_loss": losses,
        "lowest_so_far": best,
    }
    caption = (
        "Lowest validation loss of each trial. Of a trial that was ended early its last loss is "
        "shown, before its learning rate has decreased."
    )
    return Plot("history", "Losses of the trials", caption, figure, columns)


def lowest_so_far(rows: Sequence[TrialRow]) -> Array:
    """The lowest loss of the complete trials up to each one; NaN before the first."""
    losses = [
        row.validation_loss if row.state == "complete" and row.validation_loss else np.inf
        for row in rows
    ]
    lowest = np.minimum.accumulate(np.array(losses, dtype=np.float64))
    return np.where(np.isfinite(lowest), lowest, np.nan)


def parallel_plot(rows: Sequence[TrialRow], label: str) -> Plot:
    """Parallel coordinates: a line for each complete trial through its settings and its loss."""
    names = searched_names(rows)
    chosen = [row for row in rows if all(name in row.values for name in names)]
    losses = _losses(chosen)
    figure = new_figure(width=max(1.0, 0.25 * (len(names) + 1)))
    axes = figure.add_subplot()
    scales = [_Scale([row.values[name] for row in chosen]) for name in names]
    scales.append(_Scale(losses.tolist()))
    heights = np.array([scale.heights for scale in scales]).T
    norm = Normalize(losses.min(), np.median(losses) if len(losses) > 2 else losses.max())
    order = np.argsort(-losses, kind="stable")  # the lowest loss is drawn last
    for i in order.tolist():
        axes.plot(heights[i], color=colormaps[COLOURS](1 - norm(losses[i])), linewidth=1.5)
    best = best_row(chosen)
    assert best is not None
    axes.plot(heights[chosen.index(best)], color=VERMILION, linewidth=3, label="best trial")
    for place, scale in enumerate(scales):
        axes.axvline(place, color=GREY, linewidth=1)
        for height, text in scale.ticks:
            axes.annotate(text, (place, height), (4, 0), textcoords="offset points", fontsize=12,
                          va="center", zorder=5, bbox=BEHIND_TICKS)  # fmt: skip
    titles = [name.split(".", 1)[1] for name in names] + ["validation loss"]
    axes.set_xticks(range(len(scales)), titles, fontsize=13)
    axes.set_yticks([])
    axes.minorticks_off()
    axes.set_xlim(-0.4, len(scales) - 0.4)
    stamp(axes, label)
    legend_below(figure, axes)
    columns = {"trial": [row.number for row in chosen]}
    columns |= {name: [row.values[name] for row in chosen] for name in names}
    columns["validation_loss"] = losses.tolist()
    caption = (
        "A line for each complete trial, through its settings and its validation loss; darker "
        "lines have lower losses. Settings whose values span more than a factor of 10 have a "
        "logarithmic axis."
    )
    return Plot("settings", "Settings and losses", caption, figure, columns)


def _losses(rows: Sequence[TrialRow]) -> Array:
    """Validation losses of trials that have one."""
    return np.array([row.validation_loss for row in rows], dtype=np.float64)


class _Scale:
    """One vertical axis: heights in [0, 1] of the values of a setting, and its ticks."""

    def __init__(self, values: Sequence[Any]) -> None:
        is_number = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        distinct = sorted(set(values)) if is_number else sorted(set(values), key=str)
        if is_number and distinct[0] > 0 and distinct[-1] > 10 * distinct[0]:
            position = {value: math.log(value) for value in distinct}
        elif is_number:
            position = {value: float(value) for value in distinct}
        else:
            position = {value: float(place) for place, value in enumerate(distinct)}
        low, high = position[distinct[0]], position[distinct[-1]]
        span = high - low or 1.0
        offset = 0.5 if high == low else 0.0
        self.heights = [(position[value] - low) / span + offset for value in values]
        shown = distinct if len(distinct) <= MAX_TICKS else [distinct[0], distinct[-1]]
        ticks = [((position[v] - low) / span + offset, _text(v)) for v in shown]
        self.ticks = [*_apart(ticks[:-1], ticks[-1][0]), ticks[-1]]


def _apart(ticks: Sequence[tuple[float, str]], highest: float) -> list[tuple[float, str]]:
    """The ticks whose texts overlap neither each other nor one at the height `highest`.

    >>> _apart([(0.0, "1"), (0.01, "2"), (0.5, "3"), (0.99, "4")], 1.0)
    [(0.0, '1'), (0.5, '3')]
    """
    kept: list[tuple[float, str]] = []
    for height, text in ticks:
        is_apart = not kept or height - kept[-1][0] > TICK_DISTANCE
        if is_apart and highest - height > TICK_DISTANCE:
            kept.append((height, text))
    return kept


def _text(value: Any) -> str:
    """A value at an axis."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
