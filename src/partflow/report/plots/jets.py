"""Figures of jets and missing momentum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator, StrMethodFormatter

from partflow.core.candidate_sets import BASELINE, CEILINGS, TARGET
from partflow.core.records import Array
from partflow.evaluate.evaluator import Judged
from partflow.report.style import Look, Plot, legend_below, new_figure, plain, stamp

RESPONSE_EDGES = np.linspace(0.7, 1.3, 61)
PT_TICKS = (5, 10, 20, 40, 60, 100, 200, 400, 800)
PT_LABEL = r"Generator jet $p_\mathrm{T}$ [GeV]"
ETA_LABEL = r"Generator jet $|\eta|$"


def jet_plots(
    metrics: Mapping[str, Any], judged: Mapping[str, Judged], look: Mapping[str, Look], sample: str
) -> Iterator[Plot]:
    """All figures of jets, then those of missing momentum."""
    yield resolution_against_pt(metrics["jets"], look, sample)
    yield response_distributions(metrics["jets"], judged, look, sample)
    for bins, label, versus in (("bins", PT_LABEL, "pt"), ("eta_bins", ETA_LABEL, "eta")):
        words = "transverse momentum" if versus == "pt" else "pseudorapidity"
        if versus == "eta":
            yield binned(
                metrics["jets"], look, sample, bins=bins, x_label=label, quantity="iqr_over_median",
                y_label="Jet response IQR / median", name="jet_resolution_eta",
                title=f"Jet resolution against {words}",
            )  # fmt: skip
        yield binned(
            metrics["jets"], look, sample, bins=bins, x_label=label, quantity="median",
            y_label="Jet response median", name=f"jet_scale_{versus}",
            title=f"Jet energy scale against {words}", line_at=1.0,
        )  # fmt: skip
        yield binned(
            metrics["jets"], look, sample, bins=bins, x_label=label, quantity="matched_fraction",
            y_label="Matched fraction of jets", name=f"jet_matched_{versus}",
            title=f"Matched jets against {words}", line_at=1.0,
        )  # fmt: skip
    yield met_difference(metrics["met"], judged, look, sample)
    yield met_response(metrics["met"], judged, look, sample)


def resolution_against_pt(jets: Mapping[str, Any], look: Mapping[str, Look], sample: str) -> Plot:
    """IQR/median in bins of pt, and its ratio to the baseline's below."""
    figure = new_figure(height=1.4)
    has_ratio = BASELINE in jets and len(jets) > 1
    ratios = [3.0, 1.2] if has_ratio else [1.0]
    panels = figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios, squeeze=False)[:, 0]
    top, bottom = panels[0], panels[-1]
    for name, entry in jets.items():
        draw_bins(top, entry["bins"], "iqr_over_median", look[name], name)
    top.set_ylabel("Jet response IQR / median")
    top.set_ylim(0, _headroom(jets, "bins", "iqr_over_median"))
    stamp(top, sample)
    if has_ratio:
        bottom.axhline(1.0, color=look[BASELINE].colour, linewidth=1.5)
        for name, entry in jets.items():
            if name not in (BASELINE, TARGET):
                relative = [
                    {**b, **b["relative_to_baseline"], "num_gen": b["num_gen"]}
                    for b in entry["bins"]
                ]
                draw_bins(bottom, relative, "iqr_over_median", look[name], name)
        bottom.set_ylabel("/ baseline", loc="center")
    _pt_axis(bottom, jets)
    legend_below(figure, top)
    columns = _bin_columns(jets, "bins", "iqr_over_median")
    return Plot(
        "jet_resolution_pt",
        "Jet resolution against transverse momentum",
        "Interquartile range of the jet response over its median, in bins of the generator jet's "
        "transverse momentum; below, relative to the baseline. Bands: bootstrap intervals.",
        figure,
        columns,
    )


def response_distributions(
    jets: Mapping[str, Any], judged: Mapping[str, Judged], look: Mapping[str, Look], sample: str
) -> Plot:
    """pt(reco)/pt(gen) of matched jets."""
    figure = new_figure(height=1.2)
    axes = figure.subplots()
    columns: dict[str, Any] = {"low": RESPONSE_EDGES[:-1], "high": RESPONSE_EDGES[1:]}
    for name, entry in jets.items():
        response = judged[name].jets.response
        counts = np.histogram(response[np.isfinite(response)], RESPONSE_EDGES)[0]
        columns[name] = counts / max(entry["num_gen"], 1)
        draw_steps(axes, columns[name], RESPONSE_EDGES, look[name], _legend(name, entry))
    axes.axvline(1.0, color="0.8", linewidth=1, zorder=0)
    axes.set_xlim(RESPONSE_EDGES[0], RESPONSE_EDGES[-1])
    axes.set_ylim(0, highest(columns, jets))
    axes.set_xlabel(r"Jet response $p_\mathrm{T}^\mathrm{reco}\,/\,p_\mathrm{T}^\mathrm{gen}$")
    axes.set_ylabel("Fraction of generator jets / 0.01")
    legend_below(figure, axes, "median, IQR/median")
    stamp(axes, sample)
    return Plot(
        "jet_response",
        "Jet response",
        "Reconstructed over generated transverse momentum of matched jets, normalised to all "
        "generator jets. The target's peak may leave the frame.",
        figure,
        columns,
    )


def binned(
    jets: Mapping[str, Any], look: Mapping[str, Look], sample: str, *, bins: str, x_label: str,
    quantity: str, y_label: str, name: str, title: str, line_at: float | None = None,
) -> Plot:  # fmt: skip
    """One quantity of the jets in bins, a line with its band for each candidate set."""
    figure = new_figure(height=1.2)
    axes = figure.subplots()
    if line_at is not None:
        axes.axhline(line_at, color="0.8", linewidth=1, zorder=0)
    for candidates, entry in jets.items():
        draw_bins(axes, entry[bins], quantity, look[candidates], candidates, bins == "bins")
    if quantity == "iqr_over_median":
        axes.set_ylim(0, _headroom(jets, bins, quantity))
    elif quantity == "matched_fraction":
        axes.set_ylim(min(axes.get_ylim()[0], 0.6), 1.04)
    axes.set_ylabel(y_label)
    if bins == "bins":
        _pt_axis(axes, jets)
    else:
        axes.set_xlim(0, max(b["high"] for entry in jets.values() for b in entry[bins]))
        axes.set_xlabel(x_label)
    legend_below(figure, axes)
    stamp(axes, sample)
    caption = f"{y_label} in bins of the generator jet. Bands: bootstrap intervals."
    return Plot(name, title, caption, figure, _bin_columns(jets, bins, quantity))


def met_difference(
    met: Mapping[str, Any], judged: Mapping[str, Judged], look: Mapping[str, Look], sample: str
) -> Plot:
    """MET(reco) - MET(gen) of all events."""
    edges = np.linspace(-20.0, 30.0, 51)
    values = {name: judged[name].met.reco - judged[name].met.gen for name in met}
    return _met_histogram(
        values, edges, met, look, sample, figures=("median_of_difference", "iqr_of_difference"),
        x_label=r"$p_\mathrm{T}^\mathrm{miss}$ reco $-$ gen [GeV]", legend="median, IQR [GeV]",
        name="met_difference", title="Missing transverse momentum: difference",
        caption="Reconstructed minus generated missing transverse momentum, all events.",
    )  # fmt: skip


def met_response(
    met: Mapping[str, Any], judged: Mapping[str, Judged], look: Mapping[str, Look], sample: str
) -> Plot:
    """MET(reco)/MET(gen) where there is generated MET."""
    values = {}
    for name in met:
        one = judged[name].met
        chosen = np.argsort(-one.gen, kind="stable")[: met[name]["num_events"]]
        values[name] = one.reco[chosen] / one.gen[chosen]
    return _met_histogram(
        values, np.linspace(0.0, 2.5, 41), met, look, sample, figures=("median", "iqr_over_median"),
        x_label=r"$p_\mathrm{T}^\mathrm{miss}$ reco / gen", legend="median, IQR/median",
        name="met_response", title="Missing transverse momentum: response",
        caption="Reconstructed over generated missing transverse momentum, in events that have it.",
    )  # fmt: skip


def _met_histogram(
    values: Mapping[str, Array], edges: Array, met: Mapping[str, Any], look: Mapping[str, Look],
    sample: str, *, figures: tuple[str, str], x_label: str, legend: str, name: str, title: str,
    caption: str,
) -> Plot:  # fmt: skip
    figure = new_figure(height=1.2)
    axes = figure.subplots()
    columns: dict[str, Any] = {"low": edges[:-1], "high": edges[1:]}
    for candidates, numbers in values.items():
        columns[candidates] = np.histogram(numbers, edges)[0] / max(len(numbers), 1)
        label = _legend(candidates, met[candidates], figures)
        draw_steps(axes, columns[candidates], edges, look[candidates], label)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, highest(columns, values))
    axes.set_xlabel(x_label)
    axes.set_ylabel("Fraction of events / bin")
    legend_below(figure, axes, legend)
    stamp(axes, sample)
    return Plot(name, title, caption, figure, columns)


def draw_steps(axes: Axes, heights: Array, edges: Array, look: Look, label: str) -> None:
    """A histogram as a line of steps."""
    mplhep.histplot(
        heights, edges, ax=axes, color=look.colour, linestyle=look.line, linewidth=1.8,
        label=plain(label), flow=None, gid=look.key or None,
    )  # fmt: skip


def draw_bins(
    axes: Axes, bins: Sequence[Mapping[str, Any]], quantity: str, look: Look, label: str,
    is_geometric: bool = True,
) -> None:  # fmt: skip
    """A marker at each bin's centre (the geometric one, for pt), and the interval as a band."""
    known = [b for b in bins if b[quantity] is not None]
    low, high = (np.array([b[edge] for b in known], dtype=float) for edge in ("low", "high"))
    centre = np.sqrt(low * high) if is_geometric else (low + high) / 2
    values = np.array([b[quantity] for b in known], dtype=float)
    bounds = np.array([b[f"{quantity}_ci"] for b in known], dtype=float).reshape(-1, 2)
    axes.plot(
        centre, values, look.line, marker=look.marker, color=look.colour, markersize=6,
        label=plain(label), gid=look.key or None,
    )  # fmt: skip
    axes.fill_between(
        centre, *bounds.T, color=look.colour, alpha=look.band, linewidth=0, gid=look.key or None
    )


def _pt_axis(axes: Axes, jets: Mapping[str, Any]) -> None:
    """A logarithmic pt axis that spans the bins with jets."""
    bins = [b for entry in jets.values() for b in entry["bins"] if b["num_gen"]]
    axes.set_xscale("log")
    if bins:
        axes.set_xlim(min(b["low"] for b in bins), max(b["high"] for b in bins))
    axes.xaxis.set_major_locator(FixedLocator(PT_TICKS))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(PT_LABEL)


def _legend(
    name: str, entry: Mapping[str, Any], figures: tuple[str, str] = ("median", "iqr_over_median")
) -> str:
    numbers = ", ".join("–" if entry[f] is None else f"{entry[f]:.3f}" for f in figures)
    return f"{name}  {numbers}"


def highest(columns: Mapping[str, Any], names: Mapping[str, Any]) -> float:
    """Above the highest bin of the sets that have a width: the ceilings' would dwarf them."""
    real = [name for name in names if name not in CEILINGS] or list(names)
    return max((float(np.max(columns[name])) for name in real), default=0.0) * 1.12 or 1.0


def _headroom(jets: Mapping[str, Any], bins: str, quantity: str) -> float:
    values = [b[quantity] or 0.0 for entry in jets.values() for b in entry[bins]]
    return 1.25 * max(values, default=0.0) or 1.0


def _bin_columns(jets: Mapping[str, Any], bins: str, quantity: str) -> dict[str, list[Any]]:
    rows = [(name, b) for name, entry in jets.items() for b in entry[bins]]
    return {
        "candidates": [name for name, _ in rows],
        "low": [b["low"] for _, b in rows],
        "high": [b["high"] for _, b in rows],
        "num_gen": [b["num_gen"] for _, b in rows],
        quantity: [b[quantity] for _, b in rows],
        f"{quantity}_low": [b[f"{quantity}_ci"][0] for _, b in rows],
        f"{quantity}_high": [b[f"{quantity}_ci"][1] for _, b in rows],
    }
