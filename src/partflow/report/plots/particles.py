"""Plots of particles: rates of each class, multiplicity and energy sum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from partflow.core.candidate_sets import TARGET
from partflow.evaluate.evaluated_set import EvaluatedSet
from partflow.report.plots.bins import interval_columns
from partflow.report.plots.classes import SHORT_NAMES, class_plots
from partflow.report.plots.histograms import distribution_plot, fractions
from partflow.report.plots.matrices import confusion_plots
from partflow.report.style import Look, Plot, new_figure, plain_text, stamp

RATE_LABELS = {"efficiency": "Efficiency", "fake_rate": "Fake rate"}
ENERGY_SUM_EDGES = np.linspace(0.7, 1.3, 61)
MAX_MULTIPLICITY_BINS = 40


def particle_plots(
    metrics: Mapping[str, Any], sets: Mapping[str, EvaluatedSet], look: Mapping[str, Look],
    sample_label: str,
) -> Iterator[Plot]:  # fmt: skip
    """All plots of particles."""
    yield rates_by_class(metrics["particles"], look, sample_label)
    yield multiplicity(sets, look, sample_label)
    yield from class_plots(metrics["particles"], look, sample_label)
    yield energy_sum(sets, look, sample_label)
    yield from confusion_plots(metrics["confusion"], look, sample_label)


def rates_by_class(
    particles: Mapping[str, Any], look: Mapping[str, Look], sample_label: str
) -> Plot:
    """Efficiency and fake rate of each class."""
    figure = new_figure(height=1.2)
    panels = figure.subplots(2, 1, sharex=True)
    sets = {name: entry for name, entry in particles.items() if name != TARGET}
    classes = [c for c in SHORT_NAMES if c != "none"]
    for axes, (rate, label) in zip(panels, RATE_LABELS.items(), strict=True):
        for place, (name, entry) in enumerate(sets.items()):
            shift = (place - (len(sets) - 1) / 2) * 0.6 / max(len(sets), 1)
            _draw_classes(axes, [entry[c] for c in classes], rate, shift, look[name], name)
        axes.set_ylabel(label)
        axes.set_ylim(-0.04, 1.04)
        for border in np.arange(len(classes) - 1) + 0.5:
            axes.axvline(border, color="0.85", linewidth=1, zorder=0)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.tick_params(axis="x", top=False, bottom=False)
    panels[-1].set_xticks(range(len(classes)), [SHORT_NAMES[c] for c in classes])
    panels[-1].set_xlim(-0.5, len(classes) - 0.5)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    stamp(panels[0], sample_label)
    return Plot(
        "particle_rates",
        "Efficiency and fake rate",
        "Efficiency: fraction of targets with a candidate of the same class at their element. "
        "Fake rate: fraction of candidates whose element has no target of their class. Bars: "
        "bootstrap intervals.",
        figure,
        _rate_columns(particles),
    )


def multiplicity(
    sets: Mapping[str, EvaluatedSet], look: Mapping[str, Look], sample_label: str
) -> Plot:
    """Distribution of the number of candidates per event."""
    numbers = {
        name: evaluated.particles.num_candidates.sum(axis=1, dtype=np.int64)
        for name, evaluated in sets.items()
    }
    largest = max((int(n.max(initial=0)) for n in numbers.values()), default=0)
    step = max(1, -(-largest // MAX_MULTIPLICITY_BINS))
    edges = np.arange(0, max(largest, 1) + 2 * step, step) - 0.5
    return distribution_plot(
        {name: fractions(values, edges, len(values)) for name, values in numbers.items()},
        look, sample_label, x_label="Particles per event", y_label="Fraction of events / bin",
        name="particle_multiplicity", title="Particles per event",
        caption="Number of candidates per event; for the target, the true number.",
    )  # fmt: skip


def energy_sum(
    sets: Mapping[str, EvaluatedSet], look: Mapping[str, Look], sample_label: str
) -> Plot:
    """Distribution of the energy of all candidates over that of all targets of an event."""
    histograms = {}
    for name, evaluated in sets.items():
        target_energy = evaluated.particles.target_energy.sum(axis=1)
        candidate_energy = evaluated.particles.candidate_energy.sum(axis=1)
        has_targets = target_energy > 0
        ratio = candidate_energy[has_targets] / target_energy[has_targets]
        histograms[name] = fractions(ratio, ENERGY_SUM_EDGES, len(ratio))
    return distribution_plot(
        histograms, look, sample_label, x_label=r"$\sum E$ candidates / $\sum E$ targets",
        y_label="Fraction of events / bin", name="particle_energy_sum", title="Energy sum",
        caption="Sum of the energies of all candidates over that of all targets of an event.",
    )  # fmt: skip


def _draw_classes(
    axes: Axes, entries: Sequence[Mapping[str, Any]], rate: str, shift: float, look: Look, name: str
) -> None:
    """Draw a rate of one candidate set, with a marker for each class."""
    values = np.array([np.nan if e[rate] is None else e[rate] for e in entries])
    bounds = np.array([e[f"{rate}_ci"] for e in entries], dtype=float)
    errors = np.clip([values - bounds[:, 0], bounds[:, 1] - values], 0, None)
    bars = axes.errorbar(
        np.arange(len(entries)) + shift, values, yerr=np.nan_to_num(errors), fmt=look.marker,
        color=look.colour, markersize=9, elinewidth=2, capsize=0, label=plain_text(name),
    )  # fmt: skip
    for part in bars.get_children():
        part.set_gid(look.key or None)


def _rate_columns(particles: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The rates of each candidate set and class, as columns of a table."""
    rows = [
        (name, kind, of_class)
        for name, entry in particles.items()
        for kind, of_class in entry.items()
    ]
    entries = [of_class for _, _, of_class in rows]
    columns = {
        "candidates": [name for name, _, _ in rows],
        "class": [kind for _, kind, _ in rows],
        **{key: [entry[key] for entry in entries] for key in ("num_targets", "num_candidates")},
    }
    for rate in RATE_LABELS:
        columns |= interval_columns(entries, rate)
    return columns
