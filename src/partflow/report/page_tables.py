"""The tables of an evaluation's page: each number with its uncertainties below."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from partflow.core.candidate_sets import TARGET
from partflow.evaluate.corrections import CORRECTED
from partflow.report.formatting import NOTHING, decimal, jet_definition, spaced
from partflow.report.style import Look
from partflow.report.tables import Cell, Table, make_table, metric_cell, set_cell

Looks = Mapping[str, Look]
Metrics = Mapping[str, Any]

ORIGINS = {
    "validation": "chosen on the validation events",
    "given": "given to partflow reconstruct",
    "default": "default value",
}
"""Where a threshold comes from, by its name in `metrics.json`."""


def jet_summary(metrics: Metrics, config: Metrics, look: Looks) -> Table:
    """Inclusive jet response of each candidate set; `metrics` may be those of one process."""
    rows = [
        [
            set_cell(name, look[name]),
            metric_cell(entry, "iqr_over_median", 4),
            metric_cell(entry, "matched_fraction"),
            metric_cell(entry, "median"),
            metric_cell(entry.get("relative_to_baseline", {}), "iqr_over_median", 2),
            *_corrected_cells(entry),
        ]
        for name, entry in metrics["jets"].items()
    ]
    num_gen = max((entry["num_gen"] for entry in metrics["jets"].values()), default=0)
    headings = ["", "IQR / median", "matched", "median", "/ baseline"]
    headings += _corrected_headings(metrics["jets"])
    percent = f"{100 * config['confidence']:g} %"
    caption = f"{num_gen} generator jets, {jet_definition(config)}; {percent} intervals"
    return make_table(headings, rows, caption)


def jet_bins(metrics: Metrics, look: Looks, key: str, unit: str) -> list[Table]:
    """Jet response in the bins of `key`, a table for each candidate set."""
    headings = [unit, "gen jets", "IQR / median", "matched", "median"]
    headings += _corrected_headings(metrics["jets"])
    return [
        make_table(
            headings,
            [
                [
                    f"{b['low']:g} – {b['high']:g}",
                    b["num_gen"],
                    metric_cell(b, "iqr_over_median", 4),
                    metric_cell(b, "matched_fraction"),
                    metric_cell(b, "median"),
                    *_corrected_cells(b),
                ]
                for b in _with_corrected(entry, key)
            ],
            set_cell(name, look[name]),
        )
        for name, entry in metrics["jets"].items()
    ]


def met_summary(metrics: Metrics, config: Metrics, look: Looks) -> Table:
    """Missing transverse momentum of each candidate set."""
    rows = [
        [
            set_cell(name, look[name]),
            metric_cell(entry, "iqr_over_median"),
            metric_cell(entry, "median"),
            metric_cell(entry, "iqr_of_difference", 2),
        ]
        for name, entry in metrics["met"].items()
    ]
    num_events = max((entry["num_events"] for entry in metrics["met"].values()), default=0)
    caption = (
        f"Response in {num_events} events with generated MET above {config['min_gen_met']:g} GeV; "
        "reco − gen in all events"
    )
    return make_table(["", "IQR / median", "median", "IQR of reco − gen [GeV]"], rows, caption)


def dijet_tables(metrics: Metrics, look: Looks) -> list[Table]:
    """Mass response and peak, a table for each boson; empty if no process has bosons."""
    bosons = dict.fromkeys(boson for entry in metrics["dijets"].values() for boson in entry)
    headings = ["", "response IQR / median", "median", "mass [GeV]", "mass IQR [GeV]",
                "reconstructed"]  # fmt: skip
    if any(CORRECTED in of for entry in metrics["dijets"].values() for of in entry.values()):
        headings += [f"{CORRECTED} {heading}" for heading in headings[1:5]]
    tables = []
    for boson in bosons:
        entries = {name: entry[boson] for name, entry in metrics["dijets"].items()}
        rows = [
            [
                set_cell(name, look[name]),
                metric_cell(entry, "iqr_over_median", 4),
                metric_cell(entry, "median"),
                metric_cell(entry, "mass_median", 2),
                metric_cell(entry, "mass_iqr", 2),
                metric_cell(entry, "reconstructed_fraction"),
                *_corrected_cells(entry),
                *(
                    metric_cell(entry[CORRECTED], key, 2)
                    for key in ("mass_median", "mass_iqr")
                    if CORRECTED in entry
                ),
            ]
            for name, entry in entries.items()
        ]
        generated = next(iter(entries.values()))
        caption = (
            f"{boson}: {generated['num_gen']} bosons, generated mass "
            f"{decimal(generated['gen_mass_median'], 2)} GeV with IQR "
            f"{decimal(generated['gen_mass_iqr'], 2)} GeV"
        )
        tables.append(make_table(headings, rows, caption))
    return tables


def particle_rates(metrics: Metrics, look: Looks) -> list[Table]:
    """Efficiency, fake rate and pt resolution: a row for each class, a column for each set."""
    sets = {name: entry for name, entry in metrics["particles"].items() if name != TARGET}
    columns: dict[str, Callable[[Metrics], Cell]] = {
        "Efficiency": lambda entry: metric_cell(entry, "efficiency"),
        "Fake rate": lambda entry: metric_cell(entry, "fake_rate"),
        "IQR / median of pT(candidate) / pT(target) of reconstructed targets": lambda entry: (
            metric_cell(entry["pt_response"], "iqr_over_median", 4)
        ),
    }
    classes = list(next(iter(sets.values()), {}))
    headings: list[Cell | str] = ["", *(set_cell(name, look[name]) for name in sets)]
    return [
        make_table(
            headings,
            [[spaced(kind), *(cell_of(sets[name][kind]) for name in sets)] for kind in classes],
            caption,
        )
        for caption, cell_of in columns.items()
    ]


def particle_energies(metrics: Metrics, look: Looks) -> list[Table]:
    """Numbers and energies of each class, a table for each candidate set."""
    headings = ["", "targets", "candidates", "targets [GeV/event]", "candidates [GeV/event]",
                "pT median"]  # fmt: skip
    return [
        make_table(
            headings,
            [
                [
                    spaced(kind),
                    entry["num_targets"],
                    entry["num_candidates"],
                    decimal(entry["target_energy_per_event"], 1),
                    decimal(entry["candidate_energy_per_event"], 1),
                    metric_cell(entry["pt_response"], "median"),
                ]
                for kind, entry in classes.items()
            ],
            set_cell(name, look[name]),
        )
        for name, classes in metrics["particles"].items()
    ]


def readout_table(metrics: Metrics, look: Looks) -> Table | None:
    """The threshold of each network, with its jets; None if no threshold is known."""
    readouts = {n: r for n, r in metrics.get("readouts", {}).items() if "threshold" in r}
    if not readouts:
        return None
    headings = ["", "readout", "threshold", "origin", "IQR / median", "matched", "median"]
    rows = [
        [
            set_cell(name, look[name]),
            readout["kind"],
            decimal(readout["threshold"], 2),
            ORIGINS.get(readout.get("origin", ""), NOTHING),
            metric_cell(metrics["jets"][name], "iqr_over_median", 4),
            metric_cell(metrics["jets"][name], "matched_fraction"),
            metric_cell(metrics["jets"][name], "median"),
        ]
        for name, readout in readouts.items()
    ]
    caption = "Lowest probability of an element that becomes a candidate, and the jets"
    return make_table(headings, rows, caption)


def _corrected_headings(jets: Metrics) -> list[str]:
    """Headings of the corrected metrics; none if no candidate set of `jets` has them."""
    has_corrected = any(CORRECTED in entry for entry in jets.values())
    return [f"{CORRECTED} IQR / median", f"{CORRECTED} median"] if has_corrected else []


def _corrected_cells(entry: Metrics) -> list[Cell]:
    """Cells of the corrected response; none if it is not in the entry."""
    if CORRECTED not in entry:
        return []
    corrected = entry[CORRECTED]
    return [metric_cell(corrected, "iqr_over_median", 4), metric_cell(corrected, "median")]


def _with_corrected(entry: Metrics, key: str) -> list[Metrics]:
    """The bins of `key`, each with its corrected metrics if there are any."""
    if CORRECTED not in entry:
        return list(entry[key])
    pairs = zip(entry[key], entry[CORRECTED][key], strict=True)
    return [{**b, CORRECTED: corrected} for b, corrected in pairs]
