"""Plots of matrices: confusion of classes, and where the energy in clusters goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from partflow.core.candidate_sets import SHARING, SHARING_FINE, TARGET
from partflow.core.records import Array
from partflow.evaluate.energy_flow import DESTINATION_KEYS, ORIGIN_KEYS
from partflow.report.formatting import spaced
from partflow.report.plots.bins import interval_columns
from partflow.report.plots.classes import SHORT_NAMES
from partflow.report.style import Look, Plot, new_figure, stamp

RIGHT_BY_CONSTRUCTION = (TARGET, SHARING, SHARING_FINE)
"""Candidate sets whose confusion matrix is diagonal."""
FLOW_LABELS = {"to_nobody": "unassigned"}
"""Labels of columns of the energy flow that differ from their names in `metrics.json`."""


def confusion_plots(
    confusion: Mapping[str, Any], look: Mapping[str, Look], sample_label: str
) -> Iterator[Plot]:
    """The confusion matrix of each candidate set for which it is not trivial."""
    classes = confusion["classes"]
    for place, (name, counts) in enumerate(confusion["counts"].items(), start=1):
        if name not in RIGHT_BY_CONSTRUCTION:
            yield confusion_matrix(
                name, np.asarray(counts), classes, sample_label, place, look[name].key
            )


def confusion_matrix(
    name: str, counts: Array, classes: Sequence[str], sample_label: str, place: int, key: str = ""
) -> Plot:
    """Class of the candidates at elements of each class, in percent of the elements.

    Args:
        name: Name of the candidate set.
        counts: Elements by class of target and of candidate, [class, class].
        classes: Names of the classes.
        sample_label: Text above the axes on the right.
        place: Number of the plot, part of the names of its files.
        key: `Look.key` of the candidate set.
    """
    figure = new_figure(height=1.1)
    axes = figure.subplots()
    total = counts.sum(axis=1, keepdims=True)
    fraction = np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)
    _draw_matrix(axes, fraction, [[_percent(value) for value in row] for row in fraction])
    labels = [SHORT_NAMES[c] for c in classes]
    axes.set_xticks(range(len(labels)), labels, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("candidate [%]")
    axes.set_ylabel("target")
    stamp(axes, f"{name} · {sample_label}")
    cells = [(int(n), classes[row], classes[column]) for (row, column), n in np.ndenumerate(counts)]
    return Plot(
        f"particle_confusion_{place}",
        f"Confusion of classes: {name}",
        f"Class of the most energetic candidate of {name} at each element, in percent of the "
        "elements with a target of this class.",
        figure,
        {
            "candidates": [name] * len(cells),
            "target": [target for _, target, _ in cells],
            "became": [candidate for _, _, candidate in cells],
            "elements": [number for number, _, _ in cells],
        },
        key,
    )


def flow_plots(
    flow: Mapping[str, Any], look: Mapping[str, Look], sample_label: str
) -> Iterator[Plot]:
    """The energy flow of each candidate set for which it is known."""
    known = {name: entry for name, entry in flow.items() if entry}
    for place, (name, entry) in enumerate(known.items(), start=1):
        yield flow_matrix(name, entry, sample_label, place, look[name].key)


def flow_matrix(
    name: str, entry: Mapping[str, Any], sample_label: str, place: int, key: str = ""
) -> Plot:
    """Energy per event by true particle (row) and by reconstructed particle (column).

    `entry` is the energy flow of the candidate set `name`, as `metrics.json` holds it; for `place`
    and `key` see `confusion_matrix`.
    """
    figure = new_figure()
    axes = figure.subplots()
    rows = list(ORIGIN_KEYS.values())
    columns = [key for key in DESTINATION_KEYS.values() if key in entry[rows[0]]]
    energy = np.array([[entry[row][column] for column in columns] for row in rows])
    fraction = energy / np.maximum(energy.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    _draw_matrix(axes, fraction, [[f"{value:.1f}" for value in row] for row in energy])
    axes.set_xticks(range(len(columns)), [FLOW_LABELS.get(c, spaced(c)) for c in columns])
    axes.set_yticks(range(len(rows)), [spaced(row.replace("_", "\n", 1)) for row in rows])
    axes.set_xlabel("reconstructed [GeV per event]")
    axes.set_ylabel("true particle")
    stamp(axes, f"{name} · {sample_label}")
    cells = [(row, column) for row in rows for column in columns]
    energies = [
        {"energy": entry[row][column], "energy_ci": entry[row][f"{column}_ci"]}
        for row, column in cells
    ]
    return Plot(
        f"flow_{place}",
        f"Where the energy goes: {name}",
        "EM-scale energy in clusters by the generator particle that deposited it (row) and by "
        f"what it was reconstructed as by {name} (column). The shade is the fraction of the row.",
        figure,
        {
            "candidates": [name] * len(cells),
            "truth": [row for row, _ in cells],
            "taken": [column for _, column in cells],
            **interval_columns(energies, "energy"),
        },
        key,
    )


def _draw_matrix(axes: Axes, fraction: Array, texts: Sequence[Sequence[str]]) -> None:
    """Draw fractions [row, column] as shades of blue with a text in each cell."""
    axes.imshow(fraction, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    for (row, column), value in np.ndenumerate(fraction):
        if np.isfinite(value):
            colour = "white" if value > 0.5 else "black"
            text = texts[row][column]
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=15)
    axes.minorticks_off()
    axes.tick_params(length=0)


def _percent(fraction: float) -> str:
    """A fraction as percent; empty for zero."""
    if fraction == 0:
        return ""
    return "<0.1" if fraction < 0.001 else f"{100 * fraction:.1f}"
