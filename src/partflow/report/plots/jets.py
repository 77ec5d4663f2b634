"""Plots of jets and missing transverse momentum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from partflow.core.candidate_sets import BASELINE, TARGET
from partflow.evaluate.evaluated_set import EvaluatedSet
from partflow.report.formatting import decimal
from partflow.report.plots.bins import draw_bins, interval_columns, logarithmic_x_axis
from partflow.report.plots.histograms import distribution_plot, fractions
from partflow.report.style import Look, Plot, legend_below, new_figure, stamp

RESPONSE_EDGES = np.linspace(0.7, 1.3, 61)
MET_DIFFERENCE_EDGES = np.linspace(-20.0, 30.0, 51)
MET_RESPONSE_EDGES = np.linspace(0.0, 2.5, 41)
PT_TICKS = (5, 10, 20, 40, 60, 100, 200, 400, 800)


class Binning(NamedTuple):
    """The variable that a metric is drawn against."""

    key: str
    """Entry of the bins in `metrics.json`."""
    suffix: str
    """End of the names of the plots' files."""
    label: str
    title: str


PT = Binning("bins", "pt", r"Generator jet $p_\mathrm{T}$ [GeV]", "transverse momentum")
ETA = Binning("eta_bins", "eta", r"Generator jet $|\eta|$", "pseudorapidity")


class BinnedMetric(NamedTuple):
    """A metric that is drawn in bins."""

    key: str
    """Name in `metrics.json`."""
    name: str
    """Beginning of the names of the plots' files."""
    title: str
    label: str
    line_at: float | None = None
    """Position of a horizontal line."""


RESOLUTION = BinnedMetric(
    "iqr_over_median", "jet_resolution", "Jet resolution", "Jet response IQR / median"
)
SCALE = BinnedMetric("median", "jet_scale", "Jet energy scale", "Jet response median", 1.0)
MATCHED = BinnedMetric(
    "matched_fraction", "jet_matched", "Matched jets", "Matched fraction of jets", 1.0
)


def jet_plots(
    metrics: Mapping[str, Any], sets: Mapping[str, EvaluatedSet], look: Mapping[str, Look],
    sample_label: str,
) -> Iterator[Plot]:  # fmt: skip
    """All plots of jets, then those of missing transverse momentum."""
    jets, met = metrics["jets"], metrics["met"]
    yield resolution_against_pt(jets, look, sample_label)
    yield response_distributions(jets, sets, look, sample_label)
    for metric, binning in (
        (SCALE, PT), (MATCHED, PT), (RESOLUTION, ETA), (SCALE, ETA), (MATCHED, ETA)
    ):  # fmt: skip
        yield binned_metric(jets, look, sample_label, metric, binning)
    yield met_difference(met, sets, look, sample_label)
    yield met_response(met, sets, look, sample_label)


def resolution_against_pt(
    jets: Mapping[str, Any], look: Mapping[str, Look], sample_label: str
) -> Plot:
    """IQR/median in bins of pt, and below it the ratio to the baseline.

    `jets` are the jet metrics of each candidate set, as `metrics.json` holds them.
    """
    figure = new_figure(height=1.4)
    has_ratio = BASELINE in jets and len(jets) > 1
    ratios = [3.0, 1.2] if has_ratio else [1.0]
    panels = figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios, squeeze=False)[:, 0]
    top, bottom = panels[0], panels[-1]
    for name, entry in jets.items():
        draw_bins(top, entry["bins"], "iqr_over_median", look[name], name)
    top.set_ylabel(RESOLUTION.label)
    top.set_ylim(0, _upper_limit(jets, PT, RESOLUTION))
    stamp(top, sample_label)
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
    return Plot(
        "jet_resolution_pt",
        "Jet resolution against transverse momentum",
        "Interquartile range of the jet response over its median, in bins of the generator jet's "
        "transverse momentum; below, relative to the baseline. Bands: bootstrap intervals.",
        figure,
        _columns(jets, PT, RESOLUTION),
    )


def response_distributions(
    jets: Mapping[str, Any], sets: Mapping[str, EvaluatedSet], look: Mapping[str, Look],
    sample_label: str,
) -> Plot:  # fmt: skip
    """Distribution of pt(reco)/pt(gen) of matched jets."""
    return distribution_plot(
        {
            name: fractions(sets[name].jets.response, RESPONSE_EDGES, entry["num_gen"])
            for name, entry in jets.items()
        },
        look, sample_label, line_at=1.0,
        x_label=r"Jet response $p_\mathrm{T}^\mathrm{reco}\,/\,p_\mathrm{T}^\mathrm{gen}$",
        y_label="Fraction of generator jets / 0.01",
        name="jet_response", title="Jet response",
        caption="Reconstructed over generated transverse momentum of matched jets, normalised to "
        "all generator jets. The peaks of sets made from the truth may exceed the axis range.",
        legend={name: _legend_entry(name, entry) for name, entry in jets.items()},
        legend_title="median, IQR/median",
    )  # fmt: skip


def binned_metric(
    jets: Mapping[str, Any], look: Mapping[str, Look], sample_label: str, metric: BinnedMetric,
    binning: Binning,
) -> Plot:  # fmt: skip
    """One metric of the jets in bins, a line with its band for each candidate set."""
    figure = new_figure(height=1.2)
    axes = figure.subplots()
    if metric.line_at is not None:
        axes.axhline(metric.line_at, color="0.8", linewidth=1, zorder=0)
    for name, entry in jets.items():
        draw_bins(axes, entry[binning.key], metric.key, look[name], name, binning is PT)
    if metric is RESOLUTION:
        axes.set_ylim(0, _upper_limit(jets, binning, metric))
    elif metric is MATCHED:
        axes.set_ylim(min(axes.get_ylim()[0], 0.6), 1.04)
    axes.set_ylabel(metric.label)
    if binning is PT:
        _pt_axis(axes, jets)
    else:
        axes.set_xlim(0, max(b["high"] for entry in jets.values() for b in entry[binning.key]))
        axes.set_xlabel(binning.label)
    legend_below(figure, axes)
    stamp(axes, sample_label)
    return Plot(
        f"{metric.name}_{binning.suffix}",
        f"{metric.title} against {binning.title}",
        f"{metric.label} in bins of the generator jet's {binning.title}. Bands: bootstrap "
        "intervals.",
        figure,
        _columns(jets, binning, metric),
    )


def met_difference(
    met: Mapping[str, Any], sets: Mapping[str, EvaluatedSet], look: Mapping[str, Look],
    sample_label: str,
) -> Plot:  # fmt: skip
    """Distribution of MET(reco) - MET(gen) of all events."""
    histograms = {}
    for name in met:
        difference = sets[name].met.reco - sets[name].met.gen
        histograms[name] = fractions(difference, MET_DIFFERENCE_EDGES, len(difference))
    keys = ("median_of_difference", "iqr_of_difference")
    return distribution_plot(
        histograms, look, sample_label,
        x_label=r"$p_\mathrm{T}^\mathrm{miss}$ reco $-$ gen [GeV]",
        y_label="Fraction of events / bin", name="met_difference",
        title="Missing transverse momentum: difference",
        caption="Reconstructed minus generated missing transverse momentum, all events.",
        legend={name: _legend_entry(name, entry, keys) for name, entry in met.items()},
        legend_title="median, IQR [GeV]",
    )  # fmt: skip


def met_response(
    met: Mapping[str, Any], sets: Mapping[str, EvaluatedSet], look: Mapping[str, Look],
    sample_label: str,
) -> Plot:  # fmt: skip
    """Distribution of MET(reco)/MET(gen) in events with generated MET."""
    histograms = {}
    for name, entry in met.items():
        sample = sets[name].met
        with_met = np.argsort(-sample.gen, kind="stable")[: entry["num_events"]]
        response = sample.reco[with_met] / sample.gen[with_met]
        histograms[name] = fractions(response, MET_RESPONSE_EDGES, len(response))
    return distribution_plot(
        histograms, look, sample_label, x_label=r"$p_\mathrm{T}^\mathrm{miss}$ reco / gen",
        y_label="Fraction of events / bin", name="met_response",
        title="Missing transverse momentum: response",
        caption="Reconstructed over generated missing transverse momentum, in events with "
        "generated missing transverse momentum.",
        legend={name: _legend_entry(name, entry) for name, entry in met.items()},
        legend_title="median, IQR/median",
    )  # fmt: skip


def _pt_axis(axes: Axes, jets: Mapping[str, Any]) -> None:
    """A logarithmic pt axis that spans the bins with jets."""
    bins = [b for entry in jets.values() for b in entry["bins"] if b["num_gen"]]
    logarithmic_x_axis(axes, PT_TICKS)
    if bins:
        axes.set_xlim(min(b["low"] for b in bins), max(b["high"] for b in bins))
    axes.set_xlabel(PT.label)


def _legend_entry(
    name: str, entry: Mapping[str, Any], keys: tuple[str, str] = ("median", "iqr_over_median")
) -> str:
    """The name of a candidate set with two of its metrics."""
    return f"{name}  {', '.join(decimal(entry[key]) for key in keys)}"


def _upper_limit(jets: Mapping[str, Any], binning: Binning, metric: BinnedMetric) -> float:
    """A y limit above all values in bins."""
    values = [b[metric.key] or 0.0 for entry in jets.values() for b in entry[binning.key]]
    return 1.25 * max(values, default=0.0) or 1.0


def _columns(jets: Mapping[str, Any], binning: Binning, metric: BinnedMetric) -> dict[str, Any]:
    """The metric of each candidate set and bin, as columns of a table."""
    rows = [(name, b) for name, entry in jets.items() for b in entry[binning.key]]
    bins = [b for _, b in rows]
    return {
        "candidates": [name for name, _ in rows],
        **{key: [b[key] for b in bins] for key in ("low", "high", "num_gen")},
        **interval_columns(bins, metric.key),
    }
