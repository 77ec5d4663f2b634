"""Plots of collisions: jet energy, jets, energy flow, multiplicities and quality of clusters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import mplhep
import numpy as np

from partflow.core.candidate_sets import BASELINE
from partflow.evaluate.sample import select
from partflow.report.plots.jets import resolution_against_pt
from partflow.report.plots.matrices import flow_matrix
from partflow.report.style import (
    BLUE,
    GREY,
    VERMILION,
    Look,
    Plot,
    looks,
    new_figure,
    stamp,
)
from partflow.validate.measure.collisions import SETS
from partflow.validate.measure.contents import energy_flow
from partflow.validate.measure.jets import ENERGY_SETS, MAX_COS_THETA
from partflow.validate.plots.shower_plots import Figures, read
from partflow.validate.samples import COLLISIONS
from partflow.validate.summaries import ClusterSample, EventSample, SplitSample, Summary
from partflow.validate.table.criterion import Criterion

UDS = tuple(name for name, (process, _) in COLLISIONS.items() if process == "uds")
SHOWN = ("ttbar", "uds-380")
"""Samples whose energy flow, clusters and jets are drawn."""
LOOKS: Mapping[str, Look] = looks(SETS)


def event_plots(
    figures: Figures,
    summaries: Mapping[str, Summary],
    jets: Mapping[str, Mapping[str, Any]],
    targets: list[Criterion],
) -> Iterator[Plot]:
    """All plots of collisions.

    `figures` come from `measure_figures`, `jets` from `evaluate_jets` by sample; `targets` are the
    criteria whose bounds are drawn.
    """
    bounds = {
        target.figure: (target.low, target.high)
        for target in targets
        if target.low is not None and target.high is not None
    }
    yield rms90_against_energy(figures, bounds)
    yield energy_distribution(summaries["uds-380"]["events"], "uds, 380 GeV")
    for name in SHOWN:
        plot = resolution_against_pt(jets[name], LOOKS, name)
        yield replace(plot, name=f"jet_resolution_{name}")
        yield energy_flow_matrix(summaries[name], name)
    yield multiplicities(summaries, bounds)
    yield cluster_quality(summaries)


def rms90_against_energy(figures: Figures, bounds: Mapping[str, tuple[float, float]]) -> Plot:
    """RMS90/mean90 of one jet against its energy, with the bounds of the baseline."""
    figure = new_figure()
    axes = figure.subplots()
    energies = np.array([COLLISIONS[name][1] / 2 for name in UDS])
    columns: dict[str, list[Any]] = {"set": [], "energy": [], "percent": []}
    for name in ENERGY_SETS:
        value, error = read(figures, [f"{sample}: rms90 {name}" for sample in UDS])
        look = LOOKS[name]
        axes.errorbar(
            energies, 100 * value, 100 * error, fmt=look.line, marker=look.marker,
            color=look.colour, label=name, capsize=3,
        )  # fmt: skip
        columns["set"] += [name] * len(energies)
        columns["energy"] += energies.tolist()
        columns["percent"] += (100 * value).tolist()
    for sample, energy in zip(UDS, energies, strict=True):
        low, high = bounds[f"{sample}: rms90 {BASELINE}"]
        axes.fill_between(
            [energy - 5, energy + 5], 100 * low, 100 * high, color=GREY, alpha=0.2,
            linewidth=0, label="baseline allowed" if sample == UDS[0] else None,
        )  # fmt: skip
    axes.set_xlim(25, 210)
    axes.set_ylim(0, 7)
    axes.set_xlabel("Jet energy [GeV]")
    axes.set_ylabel(r"$\mathrm{RMS}_{90}(E_j)\,/\,\mathrm{mean}_{90}(E_j)$ [%]")
    axes.legend(ncols=2)
    stamp(axes, f"uds, |cos θ| < {MAX_COS_THETA}")
    return Plot(
        "jet_energy_resolution", "Jet energy resolution",
        "Resolution of one jet: sqrt(2) times RMS90/mean90 of the energy of two-jet events. "
        "Calorimeter: all clusters at their calibrated energy, without tracks. "
        "Bars: 95 % intervals; grey: bounds of the baseline.",
        figure, columns,
    )  # fmt: skip


def energy_distribution(events: EventSample, sample: str) -> Plot:
    """Reconstructed over generated energy of the accepted two-jet events."""
    figure = new_figure()
    axes = figure.subplots()
    edges = np.linspace(0.8, 1.2, 61)
    selected = select(events, events.abs_cos_theta < MAX_COS_THETA)
    columns: dict[str, Any] = {"low": edges[:-1], "high": edges[1:]}
    for name in ENERGY_SETS:
        ratio = getattr(selected, name) / selected.gen_energy
        columns[name] = np.histogram(ratio, edges)[0] / max(len(ratio), 1)
        mplhep.histplot(
            columns[name], edges, ax=axes, color=LOOKS[name].colour, linestyle=LOOKS[name].line,
            label=name, flow=None,
        )  # fmt: skip
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel("Reconstructed / generated energy of the event")
    axes.set_ylabel("Fraction of events / bin")
    axes.legend()
    stamp(axes, sample)
    return Plot(
        "event_energy", "Energy of two-jet events",
        "Sum of the candidates' energies over the energy of all generator particles but "
        "neutrinos, leading jet in the barrel.",
        figure, columns,
    )  # fmt: skip


def energy_flow_matrix(summary: Summary, sample: str) -> Plot:
    """EM-scale energy per event by its origin and by what the baseline assigned it to."""
    plot = flow_matrix(BASELINE, energy_flow(summary), sample, place=1)
    return replace(plot, name=f"energy_flow_{sample}", title=f"{plot.title}, {sample}")


def multiplicities(
    summaries: Mapping[str, Summary], bounds: Mapping[str, tuple[float, float]]
) -> Plot:
    """Hits, tracks and clusters per event, with the bounds of their means."""
    figure = new_figure(width=1.9, height=0.85)
    columns: dict[str, list[Any]] = {
        "quantity": [], "sample": [], "low": [], "high": [], "fraction": []
    }  # fmt: skip
    colours = (GREY, BLUE, VERMILION)
    for axes, (quantity, end) in zip(
        figure.subplots(1, 3), (("hits", 9000), ("tracks", 120), ("clusters", 300)), strict=True
    ):
        edges = np.linspace(0, end, 41)
        for sample, colour in zip(("uds-91", "uds-380", "ttbar"), colours, strict=True):
            values = getattr(summaries[sample]["events"], f"num_{quantity}")
            heights = np.histogram(values, edges)[0] / max(len(values), 1)
            mplhep.histplot(heights, edges, ax=axes, color=colour, label=sample, flow=None)
            columns["quantity"] += [quantity] * len(heights)
            columns["sample"] += [sample] * len(heights)
            columns["low"] += edges[:-1].tolist()
            columns["high"] += edges[1:].tolist()
            columns["fraction"] += heights.tolist()
        low, high = bounds[f"ttbar: {quantity}"]
        axes.axvspan(low, high, color=VERMILION, alpha=0.15, linewidth=0)
        axes.set_xlim(0, end)
        axes.set_xlabel(f"{quantity.capitalize()} per event")
        axes.set_ylabel("Fraction of events / bin")
    figure.axes[-1].legend()
    stamp(figure.axes[0], "")
    return Plot(
        "multiplicities", "Contents of an event",
        "Hits, tracks and clusters per event. Band: bounds of the mean of ttbar.",
        figure, columns,
    )  # fmt: skip


def cluster_quality(summaries: Mapping[str, Summary]) -> Plot:
    """Purity of clusters and completeness of particles."""
    figure = new_figure(width=1.5, height=0.85)
    edges = np.linspace(0, 1, 26)
    columns: dict[str, list[Any]] = {
        "quantity": [], "sample": [], "low": [], "high": [], "fraction": []
    }  # fmt: skip
    for axes, quantity in zip(figure.subplots(1, 2), ("purity", "completeness"), strict=True):
        for sample, colour in zip(SHOWN, (VERMILION, BLUE), strict=True):
            values = _quality(summaries[sample], quantity)
            heights = np.histogram(values, edges)[0] / max(len(values), 1)
            mplhep.histplot(
                heights, edges, ax=axes, color=colour, flow=None,
                label=f"{sample}: {np.mean(values):.3f}",
            )  # fmt: skip
            columns["quantity"] += [quantity] * len(heights)
            columns["sample"] += [sample] * len(heights)
            columns["low"] += edges[:-1].tolist()
            columns["high"] += edges[1:].tolist()
            columns["fraction"] += heights.tolist()
        axes.set_yscale("log")
        axes.set_xlim(0, 1)
        axes.set_xlabel("Purity of clusters" if quantity == "purity" else "Completeness")
        axes.set_ylabel("Fraction / bin")
        axes.legend(title="mean", loc="upper left")
    stamp(figure.axes[0], "")
    return Plot(
        "cluster_quality", "Purity and completeness of clusters",
        "Largest fraction of a cluster's energy that comes from one particle, and largest fraction "
        "of a particle's clustered energy in one cluster; above 0.5 GeV on the EM scale.",
        figure, columns,
    )  # fmt: skip


def _quality(summary: Summary, quantity: str) -> np.ndarray:
    """Purity of each cluster, or completeness of each particle."""
    clusters: ClusterSample = summary["clusters"]
    split: SplitSample = summary["split"]
    return clusters.purity if quantity == "purity" else split.completeness
