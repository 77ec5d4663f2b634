"""A comparison as text: Markdown with all intervals, a short form for the docs, the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group as Renderables
from rich.table import Table
from rich.text import Text

from partflow.core.engines import STAND_IN_WARNING
from partflow.evaluate.gate import Verdict
from partflow.report.formatting import NOTHING
from partflow.validate.comparison.lines import VERDICT_WORDS, Group, Line
from partflow.validate.measure.estimate import Estimate


def by_section(groups: Sequence[Group]) -> Iterator[tuple[str, list[Group]]]:
    """Name and groups of each section, in the order of their first groups."""
    order = {name: i for i, name in enumerate(dict.fromkeys(g.section for g in groups))}
    ordered = sorted(groups, key=lambda group: order[group.section])
    for section, members in groupby(ordered, key=lambda group: group.section):
        yield section, list(members)


def counts(groups: Sequence[Group]) -> dict[Verdict, int]:
    """Number of lines with each verdict."""
    return {v: sum(line.verdict == v for g in groups for line in g.lines) for v in Verdict}


def summary_sentence(groups: Sequence[Group]) -> str:
    """Numbers of quantities that agree, differ, or are not decided."""
    number = counts(groups)
    sentence = (
        f"{number[Verdict.PASS]} of {sum(number.values())} quantities agree, "
        f"{number[Verdict.FAIL]} differ"
    )
    if number[Verdict.UNDECIDED]:
        sentence += f", {number[Verdict.UNDECIDED]} are not decided by so few events"
    return sentence + "."


def line_label(line: Line) -> str:
    """Name of the quantity with its unit."""
    return f"{line.label} [{line.unit.name}]" if line.unit.name else line.label


def value_text(line: Line, value: float) -> str:
    """A value of a line in its unit, without the unit's name."""
    if not np.isfinite(value):
        return NOTHING
    return f"{value * line.unit.scale + 0.0:.{line.unit.digits}f}"


def interval_text(line: Line, estimate: Estimate) -> str:
    """The interval of a value in the line's unit; empty without one."""
    if not np.isfinite(estimate[1:]).all() or estimate.low == estimate.high:
        return ""
    return f"{value_text(line, estimate.low)} – {value_text(line, estimate.high)}"


def ratio_text(line: Line) -> str:
    """The ratio of the engines."""
    return f"{line.ratio.value:.2f}" if np.isfinite(line.ratio.value) else NOTHING


def ratio_interval_text(line: Line) -> str:
    """The interval of the ratio; empty without one."""
    if not np.isfinite(line.ratio[1:]).all() or line.ratio.low == line.ratio.high:
        return ""
    return f"{line.ratio.low:.2f} – {line.ratio.high:.2f}"


def tolerance_text(line: Line) -> str:
    """The relative difference that agrees."""
    return f"{100 * line.tolerance:g} %"


def verdict_text(line: Line) -> str:
    """The verdict in words; empty without one."""
    return VERDICT_WORDS[line.verdict] if line.verdict is not None else ""


def markdown(groups: Sequence[Group], label: str, is_stand_in: bool) -> str:
    """All quantities with their intervals; `label` names the engine of the reference."""
    parts = [f"**{STAND_IN_WARNING}**"] if is_stand_in else []
    parts.append(summary_sentence(groups))
    for section, members in by_section(groups):
        parts.append(f"## {section}")
        for group in members:
            heading = f"{group.label}, {group.num_events} events"
            head = [heading, label, "fast", f"fast / {label}", "within", "verdict"]
            rows = [
                [
                    line_label(line),
                    with_interval(value_text(line, line.reference.value),
                                   interval_text(line, line.reference)),
                    with_interval(value_text(line, line.fast.value),
                                   interval_text(line, line.fast)),
                    with_interval(ratio_text(line), ratio_interval_text(line)),
                    tolerance_text(line),
                    _emphasised(verdict_text(line), line.verdict),
                ]
                for line in group.lines
            ]  # fmt: skip
            parts.append(_markdown_table(head, rows, "| --- | ---: | ---: | ---: | ---: | --- |"))
    return "\n\n".join(parts) + "\n"


def short_markdown(groups: Sequence[Group], label: str) -> str:
    """One table for each section with a column for each group: both values, and their ratio.

    Ratios of quantities that differ are bold, those that are not decided in brackets.
    """
    parts = []
    for section, members in by_section(groups):
        rows: dict[str, dict[int, str]] = {}
        for column, group in enumerate(members):
            for line in group.lines:
                rows.setdefault(line_label(line), {})[column] = _short_cell(line)
        head = [f"{section}: {label}, fast, ratio", *(group.label for group in members)]
        cells = [
            [name, *(row.get(column, "") for column in range(len(members)))]
            for name, row in rows.items()
        ]
        parts.append(_markdown_table(head, cells, "| --- |" + " ---: |" * len(members)))
    return "\n\n".join(parts)


def terminal(groups: Sequence[Group]) -> Renderables:
    """Numbers of verdicts and the quantities that differ, of each group, for the terminal."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), expand=True)
    table.add_column("", ratio=2)
    for word in VERDICT_WORDS.values():
        table.add_column(word, justify="right", width=max(len(part) for part in word.split()))
    table.add_column("differing: fast / reference", ratio=3)
    for group in groups:
        number = counts([group])
        differing = [
            f"{line.label} {ratio_text(line)}"
            for line in group.lines
            if line.verdict == Verdict.FAIL
        ]
        table.add_row(
            f"{group.section}, {group.label}",
            *(str(number[verdict]) for verdict in VERDICT_WORDS),
            ", ".join(differing),
        )
    return Renderables(table, Text(summary_sentence(groups), "bold"))


def _short_cell(line: Line) -> str:
    """Both values of a line and their ratio."""
    ratio = ratio_text(line)
    if line.verdict == Verdict.FAIL:
        ratio = f"**{ratio}**"
    elif line.verdict == Verdict.UNDECIDED:
        ratio = f"({ratio})"
    reference, fast = (value_text(line, e.value) for e in (line.reference, line.fast))
    return f"{reference}, {fast}, {ratio}"


def with_interval(value: str, interval: str) -> str:
    """A value with its interval in brackets."""
    return f"{value} ({interval})" if interval else value


def _emphasised(text: str, verdict: Verdict | None) -> str:
    """A verdict as Markdown, in bold where the engines differ."""
    return f"**{text}**" if verdict == Verdict.FAIL else text


def _markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]], rule: str) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", rule, *lines])
