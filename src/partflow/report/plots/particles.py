"""Figures of particles: how many, how much energy, found and faked, class by class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from partflow.core.candidate_sets import SHARING, SHARING_FINE, TARGET
from partflow.core.records import Array
from partflow.evaluate.evaluator import Judged
from partflow.report.plots.classes import SHORT_NAMES, class_plots
from partflow.report.plots.jets import draw_steps, highest
from partflow.report.style import Look, Plot, legend_below, new_figure, plain, stamp

RATE_WORDS = {"efficiency": "Efficiency", "fake_rate": "Fake rate"}


def particle_plots(
    metrics: Mapping[str, Any], judged: Mapping[str, Judged], look: Mapping[str, Look], sample: str
) -> Iterator[Plot]:
    """All figures of particles."""
    yield rates_by_class(metrics["particles"], look, sample)
    yield multiplicity(judged, look, sample)
    yield from class_plots(metrics["particles"], look, sample)
    yield energy_sum(judged, look, sample)
    classes = metrics["confusion"]["classes"]
    for place, (name, counts) in enumerate(metrics["confusion"]["counts"].items(), start=1):
        if name not in (TARGET, SHARING, SHARING_FINE):  # which are right by construction
            yield confusion(name, np.asarray(counts), classes, sample, place, look[name].key)


def rates_by_class(particles: Mapping[str, Any], look: Mapping[str, Look], sample: str) -> Plot:
    """Efficiency above, fake rate below; the classes side by side."""
    figure = new_figure(height=1.2)
    panels = figure.subplots(2, 1, sharex=True)
    shown = {name: entry for name, entry in particles.items() if name != TARGET}
    classes = [c for c in SHORT_NAMES if c != "none"]
    for axes, (rate, words) in zip(panels, RATE_WORDS.items(), strict=True):
        for place, (name, entry) in enumerate(shown.items()):
            shift = (place - (len(shown) - 1) / 2) * 0.6 / max(len(shown), 1)
            _draw_classes(axes, [entry[c] for c in classes], rate, shift, look[name], name)
        axes.set_ylabel(words)
        axes.set_ylim(-0.04, 1.04)
        for border in np.arange(len(classes) - 1) + 0.5:
            axes.axvline(border, color="0.85", linewidth=1, zorder=0)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.tick_params(axis="x", top=False, bottom=False)
    panels[-1].set_xticks(range(len(classes)), [SHORT_NAMES[c] for c in classes])
    panels[-1].set_xlim(-0.5, len(classes) - 0.5)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    stamp(panels[0], sample)
    return Plot(
        "particle_rates",
        "Efficiency and fake rate",
        "Element by element: targets found with the right class, and candidates whose element "
        "should have become something else. Bars: bootstrap intervals.",
        figure,
        _rate_columns(particles),
    )


def multiplicity(judged: Mapping[str, Judged], look: Mapping[str, Look], sample: str) -> Plot:
    """Number of candidates per event."""
    numbers = {
        name: one.particles.num_candidates.sum(axis=1, dtype=np.int64)
        for name, one in judged.items()
    }
    largest = max((int(n.max(initial=0)) for n in numbers.values()), default=0)
    step = max(1, -(-largest // 40))
    edges = np.arange(0, max(largest, 1) + 2 * step, step) - 0.5
    return _histogram(
        numbers, edges, look, sample, x_label="Particles per event",
        name="particle_multiplicity", title="Particles per event",
        caption="Number of candidates per event; target: the number there should be.",
    )  # fmt: skip


def energy_sum(judged: Mapping[str, Judged], look: Mapping[str, Look], sample: str) -> Plot:
    """Energy of all candidates over that of all targets, event by event."""
    ratios = {}
    for name, one in judged.items():
        wanted = one.particles.target_energy.sum(axis=1)
        given = one.particles.candidate_energy.sum(axis=1)
        ratios[name] = given[wanted > 0] / wanted[wanted > 0]
    return _histogram(
        ratios, np.linspace(0.7, 1.3, 61), look, sample,
        x_label=r"$\sum E$ candidates / $\sum E$ targets",
        name="particle_energy_sum", title="Energy sum",
        caption="Sum of all candidates' energies over that of all targets', event by event.",
    )  # fmt: skip


def confusion(
    name: str, counts: Array, classes: Sequence[str], sample: str, place: int, key: str = ""
) -> Plot:
    """Which class each element became, in percent of those that should have one class."""
    figure = new_figure(height=1.1)
    axes = figure.subplots()
    _draw_confusion(axes, counts.astype(float), [SHORT_NAMES[c] for c in classes])
    stamp(axes, f"{name} · {sample}")
    cells = [(int(n), classes[row], classes[column]) for (row, column), n in np.ndenumerate(counts)]
    return Plot(
        f"particle_confusion_{place}",
        f"Confusion of classes: {name}",
        f"Class of the most energetic candidate of {name} at each element, in percent of the "
        "elements with that target.",
        figure,
        {
            "candidates": [name] * len(cells),
            "target": [target for _, target, _ in cells],
            "became": [became for _, _, became in cells],
            "elements": [number for number, _, _ in cells],
        },
        key,
    )


def _draw_classes(
    axes: Axes, entries: Sequence[Mapping[str, Any]], rate: str, shift: float, look: Look, name: str
) -> None:
    values = np.array([np.nan if e[rate] is None else e[rate] for e in entries])
    bounds = np.array([e[f"{rate}_ci"] for e in entries], dtype=float)
    errors = np.clip([values - bounds[:, 0], bounds[:, 1] - values], 0, None)
    drawn = axes.errorbar(
        np.arange(len(entries)) + shift, values, yerr=np.nan_to_num(errors), fmt=look.marker,
        color=look.colour, markersize=9, elinewidth=2, capsize=0, label=plain(name),
    )  # fmt: skip
    for part in drawn.get_children():
        part.set_gid(look.key or None)


def _draw_confusion(axes: Axes, table: Array, labels: Sequence[str]) -> None:
    total = table.sum(axis=1, keepdims=True)
    share = np.divide(table, total, out=np.full(table.shape, np.nan), where=total > 0)
    axes.imshow(share, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    for (row, column), value in np.ndenumerate(share):
        if np.isfinite(value):
            text = "" if value == 0 else "<0.1" if value < 0.001 else f"{100 * value:.1f}"
            colour = "white" if value > 0.5 else "black"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=15)
    axes.set_xticks(range(len(labels)), labels, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("became [%]")
    axes.set_ylabel("target")
    axes.minorticks_off()
    axes.tick_params(length=0)


def _histogram(
    values: Mapping[str, Array], edges: Array, look: Mapping[str, Look], sample: str, *,
    x_label: str, name: str, title: str, caption: str,
) -> Plot:  # fmt: skip
    figure = new_figure(height=1.2)
    axes = figure.subplots()
    columns: dict[str, Any] = {"low": edges[:-1], "high": edges[1:]}
    for candidates, numbers in values.items():
        columns[candidates] = np.histogram(numbers, edges)[0] / max(len(numbers), 1)
        draw_steps(axes, columns[candidates], edges, look[candidates], candidates)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, highest(columns, values))
    axes.set_xlabel(x_label)
    axes.set_ylabel("Fraction of events / bin")
    legend_below(figure, axes)
    stamp(axes, sample)
    return Plot(name, title, caption, figure, columns)


def _rate_columns(particles: Mapping[str, Any]) -> dict[str, list[Any]]:
    rows = [
        (name, kind, of_class)
        for name, entry in particles.items()
        for kind, of_class in entry.items()
    ]
    columns = {
        "candidates": [name for name, _, _ in rows],
        "class": [kind for _, kind, _ in rows],
        **{key: [part[key] for _, _, part in rows] for key in ("num_targets", "num_candidates")},
    }
    for rate in RATE_WORDS:
        columns[rate] = [part[rate] for _, _, part in rows]
        columns[f"{rate}_low"] = [part[f"{rate}_ci"][0] for _, _, part in rows]
        columns[f"{rate}_high"] = [part[f"{rate}_ci"][1] for _, _, part in rows]
    return columns
