"""Plots of the jet-energy corrections and of their closure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from partflow.evaluate.corrections import CORRECTED, MIN_JETS
from partflow.report.plots.bins import logarithmic_x_axis
from partflow.report.plots.jets import PT_TICKS
from partflow.report.style import Look, Plot, legend_below, new_figure, stamp

GOAL = 0.01
"""Largest deviation of the closure from 1 that is drawn as acceptable."""
CLOSURE_RANGE = (0.95, 1.05)


def correction_plots(
    jets: Mapping[str, Any], look: Mapping[str, Look], sample_label: str
) -> Iterator[Plot]:
    """The correction of each candidate set that has one.

    `jets` are the jet metrics of each candidate set, as `metrics.json` holds them.
    """
    known = {name: entry[CORRECTED] for name, entry in jets.items() if CORRECTED in entry}
    for place, (name, corrected) in enumerate(known.items(), start=1):
        if any(corrected["correction"].values()):
            yield correction_plot(name, corrected, sample_label, place, look[name].key)


def correction_plot(
    name: str, corrected: Mapping[str, Any], sample_label: str, place: int, key: str = ""
) -> Plot:
    """Correction against reconstructed pt in bins of abs(eta), and below it the closure.

    Args:
        name: Name of the candidate set.
        corrected: Its corrected jet metrics, with `correction` and `closure`.
        sample_label: Text above the axes on the right.
        place: Number of the plot, part of the names of its files.
        key: `Look.key` of the candidate set.
    """
    figure = new_figure(height=1.4)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[2.0, 1.2])
    max_eta = corrected["closure"][-1]["high"]
    for line, curves in zip("-:", corrected["correction"].values(), strict=True):
        for curve in curves:
            _draw_curve(top, curve, line, max_eta)
    bottom.axhspan(1 - GOAL, 1 + GOAL, color="0.9", zorder=0)
    for eta_bin in corrected["closure"]:
        _draw_closure(bottom, eta_bin, max_eta)
    top.set_ylabel("Correction")
    bottom.set_ylabel("Closure", loc="center")
    bottom.set_ylim(*CLOSURE_RANGE)
    logarithmic_x_axis(bottom, PT_TICKS)
    bottom.set_xlabel(r"Jet $p_\mathrm{T}$ [GeV]")
    legend_below(figure, top, r"$|\eta|$")
    stamp(top, f"{name} · {sample_label}")
    num_jets, num_bins = _totals(corrected["correction"])
    return Plot(
        f"jet_correction_{place}",
        f"Jet-energy correction: {name}",
        "Correction against reconstructed transverse momentum, for events of one half (solid) and "
        "of the other (dotted), each derived on the half that it is not applied to "
        f"({' and '.join(map(str, num_jets))} jets in {' and '.join(map(str, num_bins))} bins; "
        f"bins with fewer than {MIN_JETS} jets are merged). Below: median corrected response "
        f"against generated transverse momentum, in bins with at least {MIN_JETS} jets; grey: 1 %. "
        "Intervals are at a fixed correction.",
        figure,
        _columns(name, corrected),
        key,
    )  # fmt: skip


def _draw_curve(axes: Axes, curve: Mapping[str, Any], line: str, max_eta: float) -> None:
    """Draw the correction in one bin of abs(eta); each bin has one entry in the legend."""
    label = f"{curve['low']:g} – {curve['high']:g}"
    is_new = label not in axes.get_legend_handles_labels()[1]
    axes.plot(
        [b["reco_pt"] for b in curve["bins"]], [b["factor"] for b in curve["bins"]], line,
        color=_colour(curve, max_eta), marker="o", markersize=4, label=label if is_new else None,
    )  # fmt: skip


def _draw_closure(axes: Axes, eta_bin: Mapping[str, Any], max_eta: float) -> None:
    """Draw the median corrected response in one bin of abs(eta), with its intervals."""
    bins = [b for b in eta_bin["bins"] if b["num_jets"] >= MIN_JETS]
    pt = np.array([np.sqrt(b["low"] * b["high"]) for b in bins])
    median = np.array([b["median"] for b in bins])
    ends = np.array([b["median_ci"] for b in bins], dtype=float).reshape(-1, 2).T
    errors = np.nan_to_num(np.clip([median - ends[0], ends[1] - median], 0, None))
    axes.errorbar(
        pt, median, yerr=errors, fmt="o-", color=_colour(eta_bin, max_eta), markersize=4,
        linewidth=1, elinewidth=1.5,
    )  # fmt: skip


def _colour(eta_bin: Mapping[str, Any], max_eta: float) -> Any:
    """Colour of a bin of abs(eta), by its centre."""
    centre = (eta_bin["low"] + eta_bin["high"]) / 2
    return mpl.colormaps["viridis"](0.95 * centre / max_eta)


def _totals(correction: Mapping[str, Sequence[Any]]) -> tuple[list[int], list[int]]:
    """Number of jets and of bins that the correction of each half was derived from."""
    bins = [[b for curve in curves for b in curve["bins"]] for curves in correction.values()]
    return [sum(b["num_jets"] for b in of_half) for of_half in bins], list(map(len, bins))


def _columns(name: str, corrected: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Corrections and closure in all bins, as columns of a table."""
    parts = [*corrected["correction"].items(), ("closure", corrected["closure"])]
    rows = [
        (part, eta_bin, b) for part, eta_bins in parts for eta_bin in eta_bins
        for b in eta_bin["bins"]
    ]  # fmt: skip
    return {
        "candidates": [name] * len(rows),
        "part": [part for part, _, _ in rows],
        "abs_eta_low": [eta_bin["low"] for _, eta_bin, _ in rows],
        "abs_eta_high": [eta_bin["high"] for _, eta_bin, _ in rows],
        "gen_pt_low": [b["low"] for _, _, b in rows],
        "gen_pt_high": [b["high"] for _, _, b in rows],
        **{
            column: [b.get(column) for _, _, b in rows]
            for column in ("num_jets", "reco_pt", "factor", "median")
        },
    }
