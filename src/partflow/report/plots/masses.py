"""Figures of boson masses, and of where the energy goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from partflow.evaluate.dijets import BOSON_MASSES, BOSON_NAMES
from partflow.evaluate.energy_flow import DESTINATION_KEYS, ORIGIN_KEYS
from partflow.evaluate.evaluator import Judged
from partflow.report.plots.jets import draw_steps, highest
from partflow.report.style import Look, Plot, legend_below, new_figure, stamp

MASS_WINDOW, MASS_STEP = 40.0, 2.0  # GeV


def mass_plots(
    metrics: Mapping[str, Any], judged: Mapping[str, Judged], look: Mapping[str, Look], sample: str
) -> Iterator[Plot]:
    """The mass peak of each boson that the events have."""
    known = {boson for entry in metrics["dijets"].values() for boson in entry}
    for boson in BOSON_NAMES:
        if boson in known:
            yield mass_peak(boson, metrics["dijets"], judged, look, sample)


def mass_peak(
    boson: str, dijets: Mapping[str, Any], judged: Mapping[str, Judged],
    look: Mapping[str, Look], sample: str,
) -> Plot:  # fmt: skip
    """Dijet masses of one boson, reconstructed and generated."""
    figure = new_figure(height=1.2)
    axes = figure.subplots()
    centre = 2 * round(BOSON_MASSES[boson] / 2)
    edges = np.arange(centre - MASS_WINDOW, centre + MASS_WINDOW + MASS_STEP, MASS_STEP)
    columns: dict[str, Any] = {"low": edges[:-1], "high": edges[1:]}
    for name, entry in dijets.items():
        own = judged[name].dijets
        is_own = own.boson == BOSON_NAMES.index(boson)
        mass, number = own.reco_mass[is_own], max(int(is_own.sum()), 1)
        columns[name] = np.histogram(mass[np.isfinite(mass)], edges)[0] / number
        figures = [entry[boson][key] for key in ("mass_median", "mass_iqr", "iqr_over_median")]
        numbers = ", ".join(
            "–" if value is None else f"{value:.{digits}f}"
            for value, digits in zip(figures, (1, 1, 3), strict=True)
        )
        draw_steps(axes, columns[name], edges, look[name], f"{name}  {numbers}")
        if "generated" not in columns:
            columns["generated"] = np.histogram(own.gen_mass[is_own], edges)[0] / number
    axes.axvline(BOSON_MASSES[boson], color="0.8", linewidth=1, zorder=0)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, highest(columns, dijets))
    axes.set_xlabel(f"Dijet mass of the {boson} [GeV]")
    axes.set_ylabel(f"Fraction of bosons / {MASS_STEP:g} GeV")
    legend_below(figure, axes, "mass: median, IQR [GeV]; response: IQR/median")
    stamp(axes, sample)
    return Plot(
        f"dijet_mass_{boson}",
        f"Dijet mass: {boson}",
        "Invariant mass of the two jets of a boson, in events forced into four jets that are "
        "paired at generator level. The file also holds the generated masses.",
        figure,
        columns,
    )


def flow_plots(flow: Mapping[str, Any], look: Mapping[str, Look], sample: str) -> Iterator[Plot]:
    """Where the energy goes, a matrix for each candidate set that takes clusters."""
    known = {name: entry for name, entry in flow.items() if entry}
    for place, (name, entry) in enumerate(known.items(), start=1):
        yield flow_matrix(name, entry, sample, place, look[name].key)


def flow_matrix(
    name: str, entry: Mapping[str, Any], sample: str, place: int, key: str = ""
) -> Plot:
    """GeV per event by truth (row) and by what they were taken for (column)."""
    figure = new_figure()
    axes = figure.subplots()
    rows = list(ORIGIN_KEYS.values())
    columns = [key for key in DESTINATION_KEYS.values() if key in entry[rows[0]]]
    energy = np.array([[entry[row][column] for column in columns] for row in rows])
    share = energy / np.maximum(energy.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    axes.imshow(share, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    for (row, column), value in np.ndenumerate(energy):
        colour = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, f"{value:.1f}", ha="center", va="center", color=colour)
    axes.set_xticks(range(len(columns)), [c.replace("_", " ") for c in columns])
    axes.set_yticks(range(len(rows)), [r.replace("_", "\n", 1).replace("_", " ") for r in rows])
    axes.minorticks_off()
    axes.tick_params(length=0)
    axes.set_xlabel("taken [GeV per event]")
    axes.set_ylabel("left by")
    stamp(axes, f"{name} · {sample}")
    cells = [(row, column) for row in rows for column in columns]
    return Plot(
        f"flow_{place}",
        f"Where the energy goes: {name}",
        "EM-scale energy in clusters by the generator particle that left it and by what "
        f"{name} took it for; the shade is the part of the row.",
        figure,
        {
            "candidates": [name] * len(cells),
            "truth": [row for row, _ in cells],
            "taken": [column for _, column in cells],
            "energy": [entry[row][column] for row, column in cells],
            "energy_low": [entry[row][f"{column}_ci"][0] for row, column in cells],
            "energy_high": [entry[row][f"{column}_ci"][1] for row, column in cells],
        },
        key,
    )
