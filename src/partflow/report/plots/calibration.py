"""Plots of calibration: fraction of real candidates against their mean probability."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from partflow.evaluate.calibration import ELEMENT_TYPES
from partflow.report.formatting import decimal
from partflow.report.plots.bins import interval_columns
from partflow.report.style import Look, Plot, legend_below, new_figure, plain_text, stamp


def calibration_plots(
    calibration: Mapping[str, Any], look: Mapping[str, Look], sample_label: str
) -> Iterator[Plot]:
    """The reliability of each element type, if any candidate set has probabilities."""
    known = {name: entry for name, entry in calibration.items() if entry}
    if known:
        for element_type in ELEMENT_TYPES:
            entries = {name: entry[element_type] for name, entry in known.items()}
            yield reliability(element_type, entries, look, sample_label)


def reliability(
    element_type: str, calibration: Mapping[str, Any], look: Mapping[str, Look], sample_label: str
) -> Plot:
    """Fraction of real candidates against mean probability, in bins of probability.

    `calibration` holds the calibration of each candidate set at elements of `element_type`.
    """
    figure = new_figure(height=1.2)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.8", linewidth=1, zorder=0)
    for name, entry in calibration.items():
        bins = [b for b in entry["bins"] if b["fraction_real"] is not None]
        x = np.array([b["mean_probability"] for b in bins], dtype=float)
        y = np.array([b["fraction_real"] for b in bins], dtype=float)
        low, high = np.array([b["fraction_real_ci"] for b in bins], dtype=float).reshape(-1, 2).T
        label = f"{name}  {decimal(entry['expected_calibration_error'], 4)}"
        bars = axes.errorbar(
            x, y, yerr=np.nan_to_num(np.clip([y - low, high - y], 0, None)),
            linestyle=look[name].line, marker=look[name].marker, color=look[name].colour,
            markersize=6, elinewidth=1.5, label=plain_text(label),
        )  # fmt: skip
        for part in bars.get_children():
            part.set_gid(look[name].key or None)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.04)
    axes.set_xlabel("Mean probability of candidates")
    axes.set_ylabel("Fraction with a target")
    legend_below(figure, axes, "expected calibration error")
    stamp(axes, sample_label)
    rows = [(name, b) for name, entry in calibration.items() for b in entry["bins"]]
    all_bins = [b for _, b in rows]
    return Plot(
        f"calibration_{element_type}",
        f"Reliability of the probability: {element_type}s",
        f"Candidates made from {element_type}s that the readout kept. On the diagonal, the "
        "probability equals the fraction of candidates whose element has a target. Bars: bootstrap "
        "intervals.",
        figure,
        {
            "candidates": [name for name, _ in rows],
            **{
                key: [b[key] for b in all_bins]
                for key in ("low", "high", "num_candidates", "mean_probability")
            },
            **interval_columns(all_bins, "fraction_real"),
        },
    )
