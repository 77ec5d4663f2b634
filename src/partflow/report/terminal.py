"""Tables for the terminal: the jets of all candidate sets, and the comparison of two reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from partflow.evaluate.comparison import Comparison
from partflow.evaluate.corrections import CORRECTED
from partflow.report.formatting import NOTHING, decimal, jet_definition, uncertainties

MAX_LISTED = 40
"""Differences listed in a terminal."""


def jet_table(metrics: Mapping[str, Any]) -> Table:
    """Matched fraction, response and MET of each candidate set, from `Evaluator.metrics`."""
    num_events = metrics["num_events"]
    num_gen = max((entry["num_gen"] for entry in metrics["jets"].values()), default=0)
    percent = round(100 * metrics["config"]["confidence"])
    table = Table(
        title=f"{num_gen} generator jets ({jet_definition(metrics['config'])}) in {num_events} "
        f"events; intervals of {percent} %",
        title_justify="left",
        caption=_background_caption(metrics), caption_justify="left",
    )  # fmt: skip
    table.add_column("candidates", no_wrap=True)
    for heading in ("matched", "median", "IQR/median", "MET median", "MET IQR/median"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, jets in metrics["jets"].items():
        met = metrics["met"][name]
        table.add_row(
            name,
            decimal(jets["matched_fraction"]),
            decimal(jets["median"]),
            _with_uncertainties(jets, "iqr_over_median", 4),
            decimal(met["median"]),
            _with_uncertainties(met, "iqr_over_median"),
        )
        if CORRECTED in jets:
            corrected = jets[CORRECTED]
            table.add_row(
                f"{name}, {CORRECTED}",
                decimal(corrected["matched_fraction"]),
                decimal(corrected["median"]),
                _with_uncertainties(corrected, "iqr_over_median", 4),
            )
    return table


def comparison_table(comparison: Comparison) -> Table:
    """The differences of two reports: first the significant ones, then jets and MET."""
    listed, omitted = comparison.listed[:MAX_LISTED], len(comparison.listed[MAX_LISTED:])
    caption = f"and {omitted} more; --output writes all of them" if omitted else None
    table = Table(
        title="second report compared with the first", title_justify="left",
        caption=caption, caption_justify="left",
    )  # fmt: skip
    table.add_column("metric", overflow="fold")
    for heading in ("first", "second", "change", "deviations", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    for difference in listed:
        change = difference.relative_change
        significance = difference.significance
        table.add_row(
            difference.name,
            f"{difference.first:.4g}",
            f"{difference.second:.4g}",
            NOTHING if change is None else f"{100 * change:+.1f} %",
            NOTHING if significance is None else f"{significance:.1f}",
            difference.judgement,
        )
    return table


def _background_caption(metrics: Mapping[str, Any]) -> str | None:
    """What each candidate set keeps and leaves out of events with overlaid background."""
    lines = [
        f"{name}: keeps {decimal(rates['signal_efficiency'])} of the signal's particles, leaves "
        f"out {decimal(rates['background_rejection'])} of the background's"
        for name, rates in metrics.get("background", {}).items()
        if rates
    ]
    return "\n".join(lines) or None


def _with_uncertainties(entry: Mapping[str, Any], name: str, digits: int = 3) -> str:
    """A metric followed by its uncertainties."""
    value, interval = entry[name], entry[f"{name}_ci"]
    return f"{decimal(value, digits)} {uncertainties(value, interval, digits)}".rstrip()
