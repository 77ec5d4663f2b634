"""Plots of a comparison: profiles and spectra of both engines over each other, and their ratio."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from partflow.core.candidate_sets import BASELINE, PERFECT
from partflow.core.detector import Detector
from partflow.core.particles import ELECTRON, PHOTON
from partflow.core.records import Array
from partflow.evaluate.bootstrap import Bootstrap
from partflow.report.style import GREY, VERMILION, Plot, new_figure, stamp
from partflow.validate.comparison.groups import ShowerGroup
from partflow.validate.comparison.lines import ratio_of_sums, weighted_sums
from partflow.validate.comparison.shapes import (
    RADIAL_EDGES,
    SPECTRUM_EDGES,
    group_edges,
    interaction_lengths,
    radiation_lengths,
)
from partflow.validate.comparison.shower_quantities import total_energy
from partflow.validate.comparison.simulation import (
    FAST,
    REFERENCE,
    ComparedSample,
    tables_of,
)
from partflow.validate.measure import estimate
from partflow.validate.measure.collisions import jet_table
from partflow.validate.summaries import ShapeSample, Summary

MAX_COLUMNS = 3
"""Panels next to each other."""
RADIAL_PLOT_EDGES = np.array([0.0, 5, 10, 15, 20, 30, 40, 60, 80, 100, 140, 200, 300, 400, 600])
"""Edges of the bins of lateral profiles [mm], all of them edges of RADIAL_EDGES."""
SPECTRUM_BINS = 4
"""Bins of the stored spectra that are drawn as one."""
RESPONSE_EDGES = np.linspace(0.0, 1.6, 41)
JET_RESPONSE_EDGES = np.linspace(0.7, 1.3, 31)


@dataclass(frozen=True)
class Panel:
    """One distribution in both engines, with the uncertainties of a bootstrap over events."""

    title: str
    low: Array
    """Lower edges of the bins, [bin]."""
    high: Array
    """Upper edges, [bin]."""
    reference: Array
    """[1 + replica, bin]."""
    fast: Array
    """[1 + replica, bin]."""


@dataclass(frozen=True)
class Drawing:
    """How the panels of a plot are drawn."""

    x_label: str
    y_label: str
    is_x_log: bool = False
    is_y_log: bool = False


def shower_plots(
    groups: Sequence[ShowerGroup], label: str, detector: Detector, note: str
) -> Iterator[Plot]:
    """All plots of one section of showers: a panel for each energy.

    `label` names the engine of the reference; `note` stands above the panels.
    """
    first = groups[0]
    is_em = first.particle_class in (PHOTON, ELECTRON)
    name = file_name(first.section)
    edges = group_edges(detector)
    lengths = (radiation_lengths if is_em else interaction_lengths)(edges, detector)
    unit = r"$X_0$" if is_em else r"$\lambda_\mathrm{I}$"
    num_groups = detector.ecal.num_groups if is_em else len(lengths)
    lengths = lengths[:num_groups]

    def longitudinal(sample: ShapeSample) -> Array:
        """Share of the particle's energy per length, [event, group]."""
        widths = np.diff(lengths, axis=1)[:, 0]
        return 100 * sample.longitudinal[:, :num_groups] / widths

    yield overlay(
        f"showers_{name}_longitudinal", f"Longitudinal profile: {first.section}",
        "Mean EM-scale energy of the hits per depth, over the particle's energy, by layer group.",
        _panels(groups, (lengths[:, 0], lengths[:, 1]), longitudinal), label, note,
        Drawing(f"Depth [{unit}]", f"Energy [% / {unit}]"),
    )  # fmt: skip
    if np.isfinite(first.reference.radial).all():
        yield overlay(
            f"showers_{name}_lateral", f"Lateral profile: {first.section}",
            "Mean EM-scale energy of the hits per area around the straight line along the "
            "particle's momentum, over the particle's energy.",
            _panels(groups, (RADIAL_PLOT_EDGES[:-1], RADIAL_PLOT_EDGES[1:]), _energy_density),
            label, note,
            Drawing("Distance from the axis [mm]", r"Energy density [1/cm$^2$]", is_y_log=True),
        )  # fmt: skip
    for part in ("ECAL", "HCAL"):
        panels = _spectra(groups, part)
        if any(panel.reference[0].any() for panel in panels):
            yield overlay(
                f"showers_{name}_hits_{part.lower()}",
                f"Energies of hits in the {part}: {first.section}",
                f"Hits of the {part} per GeV of the particle's energy and per unit of the natural "
                "logarithm of their energy, in energies of a minimum ionising particle in one "
                "layer (MIP).",
                panels, label, note,
                Drawing(f"Energy of a hit in the {part} [MIP]", "Hits / GeV", is_x_log=True,
                        is_y_log=True),
            )  # fmt: skip
    yield overlay(
        f"showers_{name}_response", f"Response: {first.section}",
        "EM-scale energy of all hits over the particle's energy.",
        [_response_panel(group) for group in groups], label, note,
        Drawing("Energy of the hits / true energy", "Fraction of particles / bin"),
    )  # fmt: skip


def jet_plots(
    samples: Sequence[tuple[ComparedSample, Summary]], label: str, note: str
) -> Iterator[Plot]:
    """Response of the jets of the baseline and of perfect particle flow, a panel per sample."""
    for name in (BASELINE, PERFECT):
        panels = []
        for sample, summary in samples:
            bootstrap = estimate.resampling(summary.num_events)
            contents = []
            for engine in (REFERENCE, FAST):
                jets = tables_of(summary, engine)[jet_table(name)]
                counts = _histogram(jets.response, jets.event, JET_RESPONSE_EDGES, summary)
                number = np.bincount(jets.event, minlength=summary.num_events)
                contents.append(_fractions(counts, number, bootstrap))
            edges = JET_RESPONSE_EDGES
            panels.append(Panel(sample.label, edges[:-1], edges[1:], *contents))
        yield overlay(
            f"jets_{name}_response", f"Response of jets: {name}",
            f"pT of the matched jet of the candidate set {name} over that of the generator jet.",
            panels, label, note,
            Drawing(r"Jet response $p_\mathrm{T}^\mathrm{reco} / p_\mathrm{T}^\mathrm{gen}$",
                    "Fraction of jets / bin"),
        )  # fmt: skip


def overlay(
    name: str, title: str, caption: str, panels: Sequence[Panel], label: str, note: str,
    drawing: Drawing,
) -> Plot:  # fmt: skip
    """Both engines over each other in each panel, and their ratio below it."""
    columns = min(len(panels), MAX_COLUMNS)
    rows = -(-len(panels) // columns)
    figure = new_figure(height=0.95 * rows, width=0.35 + 0.65 * columns)
    grid = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[3, 1] * rows)
    numbers: dict[str, list[Any]] = {
        key: []
        for key in ("panel", "low", "high", "reference", "reference_error", "fast", "fast_error")
    }
    for place in range(rows * columns):
        row, column = divmod(place, columns)
        main, below = grid[2 * row, column], grid[2 * row + 1, column]
        if place >= len(panels):
            main.set_axis_off()
            below.set_axis_off()
            continue
        panel = panels[place]
        _draw_panel(main, below, panel, label, drawing)
        if place == 0:
            main.legend(loc="best")
        if column == 0:
            main.set_ylabel(drawing.y_label)
            below.set_ylabel("fast / ref.")
        if place + columns >= len(panels):
            below.set_xlabel(drawing.x_label)
        _add_numbers(numbers, panel)
    stamp(grid[0, 0], "")
    if note:
        figure.suptitle(note, fontsize=13, color=VERMILION)
    caption += f" Bands and bars: statistical uncertainties. Reference: {label}."
    return Plot(name, title, caption, figure, numbers)


def _draw_panel(main: Axes, below: Axes, panel: Panel, label: str, drawing: Drawing) -> None:
    """Draw one panel and its ratio."""
    x = np.ravel(np.column_stack([panel.low, panel.high]))
    for content, colour, line, name in (
        (panel.reference, GREY, "-", label),
        (panel.fast, VERMILION, "--", "fast"),
    ):
        value, error = content[0], content[1:].std(axis=0)
        main.plot(x, np.repeat(value, 2), color=colour, linestyle=line, linewidth=1.8, label=name)
        main.fill_between(
            x, np.repeat(value - error, 2), np.repeat(value + error, 2),
            color=colour, alpha=0.25, linewidth=0,
        )  # fmt: skip
    ratio = np.divide(
        panel.fast, panel.reference, out=np.full(panel.fast.shape, np.nan),
        where=panel.reference > 0,
    )  # fmt: skip
    centre = (panel.low + panel.high) / 2
    if drawing.is_x_log:
        centre = np.sqrt(panel.low * panel.high)
    is_known = np.isfinite(ratio).all(axis=0) & (ratio[0] > 0)
    error = ratio[1:, is_known].std(axis=0)
    below.axhline(1.0, color="0.6", linewidth=1)
    below.errorbar(
        centre[is_known], ratio[0][is_known], error, fmt="o", color=VERMILION, markersize=4,
        linewidth=1.2,
    )  # fmt: skip
    below.set_ylim(0.0, 2.0)
    if drawing.is_x_log:
        main.set_xscale("log")
        below.set_xscale("log")
    if drawing.is_y_log:
        main.set_yscale("log")
        positive = np.concatenate([panel.reference[0], panel.fast[0]])
        positive = positive[positive > 0]
        if len(positive):
            main.set_ylim(max(positive.min() / 2, positive.max() * 1e-6), positive.max() * 3)
    else:
        main.set_ylim(0, None)
    filled = np.flatnonzero((panel.reference[0] > 0) | (panel.fast[0] > 0))
    if len(filled):
        main.set_xlim(panel.low[filled[0]], panel.high[filled[-1]])
    below.set_xlim(main.get_xlim())
    main.tick_params(labelbottom=False)
    for axis in (main.yaxis, below.xaxis, below.yaxis, main.xaxis):
        axis.set_minor_locator(NullLocator())  # thousands of them take most of the time
    main.text(0.97, 0.95, panel.title, transform=main.transAxes, ha="right", va="top", fontsize=13)


def _add_numbers(numbers: dict[str, list[Any]], panel: Panel) -> None:
    """Append the numbers drawn in a panel."""
    numbers["panel"] += [panel.title] * len(panel.low)
    numbers["low"] += panel.low.tolist()
    numbers["high"] += panel.high.tolist()
    for name, content in (("reference", panel.reference), ("fast", panel.fast)):
        numbers[name] += content[0].tolist()
        numbers[f"{name}_error"] += content[1:].std(axis=0).tolist()


def _panels(
    groups: Sequence[ShowerGroup], edges: Sequence[Array], content: Callable[[ShapeSample], Array]
) -> list[Panel]:
    """A panel for each group: sums of `content` [event, bin] over those of the true energy."""
    panels = []
    for group in groups:
        bootstrap = estimate.resampling(len(group.reference.event))
        both = [
            weighted_sums(content(sample), bootstrap)
            / np.maximum(weighted_sums(sample.energy, bootstrap), 1e-12)[:, None]
            for sample in (group.reference, group.fast)
        ]
        panels.append(Panel(group.energy_label, edges[0], edges[1], *both))
    return panels


def _spectra(groups: Sequence[ShowerGroup], part: str) -> list[Panel]:
    """Numbers of hits of the ECAL or HCAL by their energy, a panel for each group."""
    edges = SPECTRUM_EDGES[::SPECTRUM_BINS]

    def spectrum(sample: ShapeSample) -> Array:
        """Number of hits per factor e of their energy, [event, bin]."""
        counts = sample.ecal_spectrum if part == "ECAL" else sample.hcal_spectrum
        merged = counts.reshape(len(counts), -1, SPECTRUM_BINS).sum(axis=2)
        return np.asarray(merged / np.diff(np.log(edges)))

    return _panels(groups, (edges[:-1], edges[1:]), spectrum)


def _energy_density(sample: ShapeSample) -> Array:
    """Energy per area around the axis [GeV/cm2], [event, bin]."""
    first = np.searchsorted(RADIAL_EDGES, RADIAL_PLOT_EDGES[:-1])
    last = int(np.searchsorted(RADIAL_EDGES, RADIAL_PLOT_EDGES[-1]))
    energy = np.add.reduceat(sample.radial[:, :last], first, axis=1)
    area = np.pi * np.diff(RADIAL_PLOT_EDGES**2) / 100.0  # cm2
    return np.asarray(energy / area)


def _response_panel(group: ShowerGroup) -> Panel:
    """Response of the showers of one group."""
    num = len(group.reference.event)
    bootstrap = estimate.resampling(num)
    both = []
    for sample in (group.reference, group.fast):
        response = total_energy(sample) / sample.energy
        counts = np.zeros((num, len(RESPONSE_EDGES) - 1))
        bins = np.searchsorted(RESPONSE_EDGES, response, side="right") - 1
        inside = bins < counts.shape[1]
        counts[np.flatnonzero(inside), bins[inside]] = 1.0
        both.append(_fractions(counts, np.ones(num), bootstrap))
    return Panel(group.energy_label, RESPONSE_EDGES[:-1], RESPONSE_EDGES[1:], *both)


def _histogram(values: Array, event: Array, edges: Array, summary: Summary) -> Array:
    """Number of objects by event and value, [event, bin]; NaN and values outside are left out."""
    bins = np.searchsorted(edges, values, side="right") - 1
    inside = np.isfinite(values) & (bins >= 0) & (bins < len(edges) - 1)
    counts = np.zeros((summary.num_events, len(edges) - 1))
    np.add.at(counts, (event[inside], bins[inside]), 1.0)
    return counts


def _fractions(counts: Array, number: Array, bootstrap: Bootstrap) -> Array:
    """Fractions of the objects in each bin [1 + replica, bin], of `number` objects [event]."""
    every = np.asarray(number, dtype=np.float64)
    return np.stack([ratio_of_sums(column, every, bootstrap) for column in counts.T], axis=1)


def file_name(section: str) -> str:
    """Part of a file's name for a section."""
    return "".join(c if c.isalnum() or c in "+-" else "_" for c in section).replace("__", "_")
