"""The table of a validation as text, for the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from partflow.evaluate.gate import Verdict
from partflow.report.formatting import NOTHING
from partflow.validate.table.lines import Line

COLUMNS = ("found", "95 % interval", "target or comparison", "source", "verdict")
COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.UNDECIDED: "yellow"}


class Row(NamedTuple):
    """A line of the table as text."""

    section: str
    label: str
    measured: str
    interval: str
    target: str
    source: str
    verdict: str
    """Empty without a target."""


def format_line(line: Line) -> Row:
    """A line as text, with its figure in its unit."""
    criterion, measured, unit = line.criterion, line.measured, line.criterion.unit

    def in_unit(value: float) -> str:
        """A number in the unit of the figure."""
        return f"{value * unit.scale + 0.0:.{unit.digits}f}"

    low, high = measured.low, measured.high
    has_interval = np.isfinite([low, high]).all() and low != high
    is_known = np.isfinite(measured.value)
    return Row(
        section=criterion.section,
        label=criterion.label,
        measured=f"{in_unit(measured.value)} {unit.name}".rstrip() if is_known else NOTHING,
        interval=f"{in_unit(low)} – {in_unit(high)}" if has_interval else "",
        target=criterion.target,
        source=criterion.source,
        verdict=str(line.verdict or ""),
    )


def by_section(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Name and rows of each section, in the order of their first rows."""
    order = {name: i for i, name in enumerate(dict.fromkeys(r.section for r in rows))}
    ordered = sorted(rows, key=lambda r: order[r.section])
    for section, members in groupby(ordered, key=lambda r: r.section):
        yield section, list(members)


def summary_sentence(rows: Sequence[Row]) -> str:
    """Numbers of lines that pass, fail, or are not decided."""
    counts = {v: sum(r.verdict == v for r in rows) for v in Verdict}
    sentence = (
        f"{counts[Verdict.PASS]} of {sum(counts.values())} lines pass, {counts[Verdict.FAIL]} fail"
    )
    if counts[Verdict.UNDECIDED]:
        sentence += f", {counts[Verdict.UNDECIDED]} are not decided by so few events"
    return sentence + "."


def markdown(rows: Sequence[Row]) -> str:
    """The summary sentence, then the table of each section, as Markdown."""
    parts = [summary_sentence(rows)]
    for section, members in by_section(rows):
        header = f"| {' | '.join(_escape((section, *COLUMNS)))} |"
        rule = "| --- | ---: | ---: | --- | --- | --- |"
        body = [f"| {' | '.join(_escape((*r[1:6], _emphasize(r.verdict))))} |" for r in members]
        parts.append("\n".join([header, rule, *body]))
    return "\n\n".join(parts) + "\n"


def _escape(cells: Sequence[str]) -> list[str]:
    """Cells of a Markdown table."""
    return [cell.replace("|", "\\|") for cell in cells]


def _emphasize(verdict: str) -> str:
    """A verdict as Markdown, in bold if it is a failure."""
    return f"**{verdict}**" if verdict == Verdict.FAIL else verdict


def terminal(rows: Sequence[Row]) -> Group:
    """Tables of the lines with a target for the terminal, and the summary sentence."""
    judged = [r for r in rows if r.verdict]
    tables = []
    for section, members in by_section(judged):
        table = Table(
            title=section,
            title_justify="left",
            box=SIMPLE_HEAD,
            show_edge=False,
            padding=(0, 1, 0, 0),
        )
        table.add_column("", width=40)
        table.add_column(COLUMNS[0], justify="right", width=13)
        table.add_column(COLUMNS[1], justify="right", width=15)
        table.add_column("target", width=16)
        table.add_column(COLUMNS[4], width=11, no_wrap=True)
        for r in members:
            colour = COLOURS[Verdict(r.verdict)]
            table.add_row(r.label, r.measured, r.interval, r.target, Text(r.verdict, colour))
        tables.append(table)
    return Group(*tables, Text(summary_sentence(rows), "bold"))
