"""The tables of the page: a number, and below it the distances to the ends of its interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from partflow.core.candidate_sets import REFERENCES, TARGET
from partflow.report.formatting import NOTHING, decimal, distances, jet_definition
from partflow.report.html import Markup, element, join, table
from partflow.report.style import Look

Looks = Mapping[str, Look]
Figures = Mapping[str, Any]


def jet_figures(figures: Figures, config: Figures, look: Looks) -> Markup:
    """Response of the jets of each candidate set, inclusive."""
    rows = [
        [
            named(name, look),
            cell(entry, "iqr_over_median", 4),
            cell(entry, "matched_fraction"),
            cell(entry, "median"),
            cell(entry.get("relative_to_baseline", {}), "iqr_over_median", 2),
        ]
        for name, entry in figures["jets"].items()
    ]
    number = max((entry["num_gen"] for entry in figures["jets"].values()), default=0)
    headings = ["", "IQR / median", "matched", "median", "/ baseline"]
    percent = f"{100 * config['confidence']:g} %"
    caption = f"{number} generator jets, {jet_definition(config)}; {percent} intervals"
    return table(headings, rows, caption)


def jet_bins(figures: Figures, look: Looks, key: str, unit: str) -> Markup:
    """The same in bins, a table for each candidate set."""
    headings = [unit, "gen jets", "IQR / median", "matched", "median"]
    tables = []
    for name, entry in figures["jets"].items():
        rows = [
            [
                f"{b['low']:g} – {b['high']:g}",
                b["num_gen"],
                cell(b, "iqr_over_median", 4),
                cell(b, "matched_fraction"),
                cell(b, "median"),
            ]
            for b in entry[key]
        ]
        tables.append(table(headings, rows, named(name, look)))
    return side_by_side(tables)


def met_figures(figures: Figures, config: Figures, look: Looks) -> Markup:
    """Missing momentum of each candidate set."""
    rows = [
        [
            named(name, look),
            cell(entry, "iqr_over_median"),
            cell(entry, "median"),
            cell(entry, "iqr_of_difference", 2),
        ]
        for name, entry in figures["met"].items()
    ]
    number = max((entry["num_events"] for entry in figures["met"].values()), default=0)
    caption = (
        f"Response in {number} events with generated MET above {config['min_gen_met']:g} GeV; "
        "difference in all"
    )
    return table(["", "IQR / median", "median", "IQR of reco − gen [GeV]"], rows, caption)


def dijet_figures(figures: Figures, look: Looks) -> Markup:
    """Mass response and peak, a table for each boson; empty where no process has any."""
    bosons = dict.fromkeys(boson for entry in figures["dijets"].values() for boson in entry)
    headings = ["", "response IQR / median", "median", "mass [GeV]", "mass IQR [GeV]", "seen"]
    tables = []
    for boson in bosons:
        entries = {name: e[boson] for name, e in figures["dijets"].items()}
        rows = [
            [
                named(name, look),
                cell(entry, "iqr_over_median", 4),
                cell(entry, "median"),
                cell(entry, "mass_median", 2),
                cell(entry, "mass_iqr", 2),
                cell(entry, "reconstructed_fraction"),
            ]
            for name, entry in entries.items()
        ]
        generated = next(iter(entries.values()))
        caption = (
            f"{boson}: {generated['num_gen']} bosons, generated mass "
            f"{decimal(generated['gen_mass_median'], 2)} GeV with IQR "
            f"{decimal(generated['gen_mass_iqr'], 2)} GeV"
        )
        tables.append(table(headings, rows, caption))
    return side_by_side(tables)


def particle_comparison(figures: Figures, look: Looks) -> Markup:
    """Efficiency, fake rate and width of the pt response: classes down, candidate sets across."""
    shown = {name: entry for name, entry in figures["particles"].items() if name != TARGET}
    columns: dict[str, Callable[[Figures], Markup]] = {
        "Efficiency": lambda entry: cell(entry, "efficiency"),
        "Fake rate": lambda entry: cell(entry, "fake_rate"),
        "IQR / median of pT(candidate) / pT(target), where found": lambda entry: cell(
            entry["pt_response"], "iqr_over_median", 4
        ),
    }
    kinds = list(next(iter(shown.values()), {}))
    return side_by_side(
        table(
            ["", *(named(name, look) for name in shown)],
            [[words(kind), *(show(shown[name][kind]) for name in shown)] for kind in kinds],
            caption,
        )
        for caption, show in columns.items()
    )


def particle_details(figures: Figures, look: Looks) -> Markup:
    """Numbers and energies of each class, a table for each candidate set."""
    headings = ["", "targets", "candidates", "targets [GeV/event]", "candidates [GeV/event]",
                "pT median"]  # fmt: skip
    return side_by_side(
        table(
            headings,
            [
                [
                    words(kind),
                    entry["num_targets"],
                    entry["num_candidates"],
                    decimal(entry["target_energy_per_event"], 1),
                    decimal(entry["candidate_energy_per_event"], 1),
                    cell(entry["pt_response"], "median"),
                ]
                for kind, entry in classes.items()
            ],
            named(name, look),
        )
        for name, classes in figures["particles"].items()
    )


def unknown_flow(metrics: Figures) -> Markup:
    """Which candidate sets have no matrix of where the energy goes; empty where all have one."""
    unknown = [n for n, flow in metrics["energy_flow"].items() if not flow and n not in REFERENCES]
    if not unknown or not metrics["num_events"]:
        return Markup()
    remark = (
        f"Not available for {', '.join(unknown)}: these candidates do not say from which clusters "
        "their energy is. Run partflow reconstruct again: it writes this beside them."
    )
    return element("p", remark, class_="note")


ORIGINS = {
    "validation": "chosen on the validation events",
    "given": "given to partflow reconstruct",
    "default": "the default",
}
"""Who chose a threshold."""


def readout_figures(metrics: Figures, look: Looks) -> Markup:
    """The threshold of each network beside its jets; empty where none is known."""
    known = {n: r for n, r in metrics.get("readouts", {}).items() if "threshold" in r}
    if not known:
        return Markup()
    headings = ["", "readout", "threshold", "which was", "IQR / median", "matched", "median"]
    rows = [
        [
            named(name, look),
            readout["kind"],
            decimal(readout["threshold"], 2),
            ORIGINS.get(readout.get("origin", ""), NOTHING),
            cell(metrics["jets"][name], "iqr_over_median", 4),
            cell(metrics["jets"][name], "matched_fraction"),
            cell(metrics["jets"][name], "median"),
        ]
        for name, readout in known.items()
    ]
    return table(headings, rows, "Probability from which on an element is a particle, and the jets")


def process_figures(metrics: Figures, look: Looks) -> Markup:
    """The jets of each process; empty where there is only one."""
    parts = {name: p for name, p in metrics["processes"].items() if "jets" in p}
    return side_by_side(
        join(
            [
                element("h3", f"{name}: {figures['num_events']} events"),
                jet_figures(figures, metrics["config"], look),
            ]
        )
        for name, figures in parts.items()
    )


def side_by_side(tables: Any) -> Markup:
    """Tables beside one another where the page is wide enough."""
    parts = [element("div", part) for part in tables]
    return element("div", *parts, class_="tables") if parts else Markup()


def named(name: str, look: Looks) -> Markup:
    """The name of a candidate set with its line as in the figures."""
    dashes = {"--": " dashed", ":": " dotted"}.get(look[name].line, "")
    style = f"border-top-color: {look[name].colour}"
    return join([element("span", class_=f"swatch{dashes}", style=style), name])


def words(name: str) -> str:
    """A name from `metrics.json` as a reader sees it."""
    return name.replace("_", " ")


def cell(entry: Figures, name: str, digits: int = 3) -> Markup:
    """A number and, below it, the distances to the ends of its interval."""
    value = entry.get(name)
    if value is None:
        return Markup(NOTHING)
    interval = element("span", distances(value, entry[f"{name}_ci"], digits), class_="interval")
    return join([element("span", decimal(value, digits), class_="number"), interval])
