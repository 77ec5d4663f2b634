"""The table of a validation: as rows of words, for the terminal, for a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from partflow.report.formatting import NOTHING
from partflow.validate.table.verdicts import Line, Verdict

COLUMNS = ("found", "95 % interval", "target or comparison", "source", "verdict")
COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.UNDECIDED: "yellow"}


class Row(NamedTuple):
    """A line of the table in words."""

    section: str
    what: str
    found: str
    interval: str
    target: str
    source: str
    verdict: str


def row(line: Line) -> Row:
    """The line as it is shown."""
    criterion, found, unit = line.criterion, line.found, line.criterion.unit

    def number(value: float) -> str:
        return f"{value * unit.scale + 0.0:.{unit.digits}f}"

    known = np.isfinite(found.value)
    varies = np.isfinite([found.low, found.high]).all() and found.low != found.high
    return Row(
        section=criterion.section,
        what=criterion.what,
        found=f"{number(found.value)} {unit.name}".rstrip() if known else NOTHING,
        interval=f"{number(found.low)} – {number(found.high)}" if varies else "",
        target=criterion.target,
        source=criterion.source,
        verdict=str(line.verdict),
    )


def by_section(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """The rows of each section, sections in the order of their first row."""
    order = {name: i for i, name in enumerate(dict.fromkeys(r.section for r in rows))}
    together = sorted(rows, key=lambda r: order[r.section])
    for section, members in groupby(together, key=lambda r: r.section):
        yield section, list(members)


def summary_sentence(rows: Sequence[Row]) -> str:
    """How many lines passed, failed, or were not decided."""
    counts = {v: sum(r.verdict == v for r in rows) for v in Verdict}
    judged = counts[Verdict.PASS] + counts[Verdict.FAIL] + counts[Verdict.UNDECIDED]
    said = f"{counts[Verdict.PASS]} of {judged} lines pass, {counts[Verdict.FAIL]} fail"
    if counts[Verdict.UNDECIDED]:
        said += f", {counts[Verdict.UNDECIDED]} are not decided by so few events"
    return said + "."


def markdown(rows: Sequence[Row]) -> str:
    """The table as Markdown, section by section, with the summary before it."""
    parts = [summary_sentence(rows)]
    for section, members in by_section(rows):
        header = f"| {' | '.join(_escaped((section, *COLUMNS)))} |"
        rule = "| --- | ---: | ---: | --- | --- | --- |"
        body = [f"| {' | '.join(_escaped((*r[1:6], _stressed(r.verdict))))} |" for r in members]
        parts.append("\n".join([header, rule, *body]))
    return "\n\n".join(parts) + "\n"


def _escaped(cells: Sequence[str]) -> list[str]:
    return [cell.replace("|", "\\|") for cell in cells]


def _stressed(verdict: str) -> str:
    return f"**{verdict}**" if verdict == Verdict.FAIL else verdict


def terminal(rows: Sequence[Row]) -> Group:
    """What is judged, as tables for the terminal; what is only reported is left to the page."""
    judged = [r for r in rows if r.verdict != Verdict.REPORTED]
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
            table.add_row(r.what, r.found, r.interval, r.target, Text(r.verdict, colour))
        tables.append(table)
    return Group(*tables, Text(summary_sentence(rows), "bold"))
