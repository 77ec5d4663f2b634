"""Figures of probabilities: the part of the candidates that is real against what they claim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from partflow.evaluate.calibration import ELEMENT_TYPES
from partflow.report.style import Look, Plot, legend_below, new_figure, plain, stamp


def calibration_plots(
    calibration: Mapping[str, Any], look: Mapping[str, Look], sample: str
) -> Iterator[Plot]:
    """The reliability of each type of element, where any candidate set claims probabilities."""
    known = {name: entry for name, entry in calibration.items() if entry}
    if known:
        for kind in ELEMENT_TYPES:
            yield reliability(kind, {name: e[kind] for name, e in known.items()}, look, sample)


def reliability(
    kind: str, calibration: Mapping[str, Any], look: Mapping[str, Look], sample: str
) -> Plot:
    """Part that is real against mean probability, in bins of probability."""
    figure = new_figure(height=1.2)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.8", linewidth=1, zorder=0)
    for name, entry in calibration.items():
        bins = [b for b in entry["bins"] if b["fraction_real"] is not None]
        x = np.array([b["mean_probability"] for b in bins], dtype=float)
        y = np.array([b["fraction_real"] for b in bins], dtype=float)
        ends = np.array([b["fraction_real_ci"] for b in bins], dtype=float).reshape(-1, 2).T
        error = entry["expected_calibration_error"]
        label = f"{name}  {'–' if error is None else f'{error:.4f}'}"
        drawn = axes.errorbar(
            x, y, yerr=np.nan_to_num(np.clip([y - ends[0], ends[1] - y], 0, None)),
            linestyle=look[name].line, marker=look[name].marker, color=look[name].colour,
            markersize=6, elinewidth=1.5, label=plain(label),
        )  # fmt: skip
        for part in drawn.get_children():
            part.set_gid(look[name].key or None)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.04)
    axes.set_xlabel("Mean probability of candidates")
    axes.set_ylabel("Part that stands at a target")
    legend_below(figure, axes, "expected calibration error")
    stamp(axes, sample)
    rows = [(name, b) for name, entry in calibration.items() for b in entry["bins"]]
    return Plot(
        f"calibration_{kind}",
        f"Reliability of the probability: {kind}s",
        f"Candidates made from {kind}s that were kept by their readout: on the diagonal the "
        "probability is what it says. Bars: bootstrap intervals.",
        figure,
        {
            "candidates": [name for name, _ in rows],
            **{
                key: [b[key] for _, b in rows]
                for key in ("low", "high", "num_candidates", "mean_probability", "fraction_real")
            },
            "fraction_real_low": [b["fraction_real_ci"][0] for _, b in rows],
            "fraction_real_high": [b["fraction_real_ci"][1] for _, b in rows],
        },
    )
