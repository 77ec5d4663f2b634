"""Plots of the masses of bosons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from partflow.evaluate.dijets import BOSON_MASSES, BOSON_NAMES
from partflow.evaluate.evaluated_set import EvaluatedSet
from partflow.report.formatting import decimal
from partflow.report.plots.histograms import distribution_plot, fractions
from partflow.report.style import Look, Plot

MASS_WINDOW, MASS_STEP = 40.0, 2.0  # GeV
LEGEND_DIGITS = {"mass_median": 1, "mass_iqr": 1, "iqr_over_median": 3}
"""Metrics in the legend, with their number of decimals."""


def mass_plots(
    metrics: Mapping[str, Any], sets: Mapping[str, EvaluatedSet], look: Mapping[str, Look],
    sample_label: str,
) -> Iterator[Plot]:  # fmt: skip
    """The mass peak of each boson that occurs in the events."""
    present = {boson for entry in metrics["dijets"].values() for boson in entry}
    for boson in BOSON_NAMES:
        if boson in present:
            yield mass_peak(boson, metrics["dijets"], sets, look, sample_label)


def mass_peak(
    boson: str, dijets: Mapping[str, Any], sets: Mapping[str, EvaluatedSet],
    look: Mapping[str, Look], sample_label: str,
) -> Plot:  # fmt: skip
    """Distribution of the dijet mass of one boson."""
    centre = 2 * round(BOSON_MASSES[boson] / 2)
    edges = np.arange(centre - MASS_WINDOW, centre + MASS_WINDOW + MASS_STEP, MASS_STEP)
    histograms, legend, generated = {}, {}, {}
    for name, entry in dijets.items():
        sample = sets[name].dijets
        is_boson = sample.boson == BOSON_NAMES.index(boson)
        number = int(is_boson.sum())
        histograms[name] = fractions(sample.reco_mass[is_boson], edges, number)
        generated = {"generated": fractions(sample.gen_mass[is_boson], edges, number)}
        values = (decimal(entry[boson][key], digits) for key, digits in LEGEND_DIGITS.items())
        legend[name] = f"{name}  {', '.join(values)}"
    return distribution_plot(
        histograms, look, sample_label, line_at=BOSON_MASSES[boson], more=generated,
        x_label=f"Dijet mass of the {boson} [GeV]",
        y_label=f"Fraction of bosons / {MASS_STEP:g} GeV",
        name=f"dijet_mass_{boson}", title=f"Dijet mass: {boson}",
        caption="Invariant mass of the two jets of a boson, in events clustered into four jets "
        "that are paired at generator level. The CSV file also holds the generated masses.",
        legend=legend, legend_title="mass: median, IQR [GeV]; response: IQR/median",
    )  # fmt: skip
