"""The page of a comparison: tables, plots and displays in one HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from partflow.evaluate.gate import Verdict
from partflow.report.document import render_page
from partflow.report.fonts import font_faces
from partflow.report.formatting import NOTHING
from partflow.report.page import PagePlot, SavedPlot
from partflow.report.style import GREEN, GREY, VERMILION
from partflow.report.svg import svg_drawing
from partflow.report.tables import Cell, Table, make_table
from partflow.validate.comparison import tables
from partflow.validate.comparison.lines import VERDICT_WORDS, Group, Line

VERDICT_COLOURS = {Verdict.PASS: GREEN, Verdict.FAIL: VERMILION, Verdict.UNDECIDED: GREY}


class SectionPictures(NamedTuple):
    """Plots and display of one section."""

    plots: Sequence[SavedPlot]
    display: str = ""
    """PNG in base64; empty without a display."""
    display_title: str = ""


class PagePart(NamedTuple):
    """One section of the page, as the template takes it."""

    title: str
    plots: Sequence[PagePlot]
    display: str
    display_title: str
    ratios: Table
    groups: Sequence[Table]


def build_comparison_page(
    groups: Sequence[Group],
    pictures: Mapping[str, SectionPictures],
    label: str,
    sample: str,
    remarks: Sequence[str],
    definitions: Mapping[str, str],
    provenance: str,
    plots_folder: str,
) -> str:
    """The whole page as HTML, a file that needs no other.

    Args:
        groups: All groups with their lines.
        pictures: Plots and display of each section by its name.
        label: Name of the engine of the reference.
        sample: What was compared, below the title.
        remarks: Sentences below the summary, such as a warning.
        definitions: Definitions of the quantities by name.
        provenance: Provenance as text, shown at the end.
        plots_folder: Folder of the plots' files, relative to the page.
    """
    parts = []
    number = 0
    for section, members in tables.by_section(groups):
        shown = pictures.get(section, SectionPictures(()))
        plots = []
        for plot in shown.plots:
            svg = svg_drawing(plot.svg, f"f{number}", plot.title)
            plots.append(PagePlot(plot.name, plot.title, plot.caption, plot.key, svg))
            number += 1
        ratios = ratio_table(members, label)
        group_tables = [group_table(group, label) for group in members]
        parts.append(
            PagePart(section, plots, shown.display, shown.display_title, ratios, group_tables)
        )
    return render_page(
        "comparison.html.jinja",
        title=f"Fast simulation compared with {label}",
        kind="comparison",
        sample=sample,
        fonts=font_faces(plot.svg for part in parts for plot in part.plots),
        sentence=tables.summary_sentence(groups),
        remarks=remarks,
        overview=overview_table(groups),
        differing=differing_table(groups, label),
        parts=parts,
        definitions=definitions,
        provenance=provenance,
        plots_folder=plots_folder,
    )


def overview_table(groups: Sequence[Group]) -> Table:
    """Numbers of verdicts of each group."""
    rows: list[list[Cell | str | int]] = []
    for group in groups:
        number = tables.counts([group])
        rows.append([
            f"{group.section}, {group.label}",
            group.num_events,
            *(number[verdict] for verdict in VERDICT_WORDS),
        ])  # fmt: skip
    headings = ["", "events", *VERDICT_WORDS.values()]
    return make_table(headings, rows, "Number of quantities by verdict")


def differing_table(groups: Sequence[Group], label: str) -> Table:
    """All quantities that differ."""
    rows = [
        [f"{group.section}, {group.label}", *_cells(line)]
        for group in groups
        for line in group.lines
        if line.verdict == Verdict.FAIL
    ]
    return make_table(["", *_headings(label)], rows, "With 95 % intervals")


def ratio_table(groups: Sequence[Group], label: str) -> Table:
    """Ratios of all quantities of one section, with a column for each group."""
    rows: dict[str, list[Cell]] = {}
    for column, group in enumerate(groups):
        for line in group.lines:
            row = rows.setdefault(tables.line_label(line), [Cell(NOTHING)] * len(groups))
            text = tables.with_interval(tables.ratio_text(line), tables.ratio_interval_text(line))
            row[column] = _verdict_cell(text, line)
    caption = (
        f"fast / {label} with 95 % intervals; green: agrees, red: differs, grey and dotted: not "
        "decided by so few events"
    )
    headings = ["", *(group.label for group in groups)]
    return make_table(headings, [[name, *row] for name, row in rows.items()], caption)


def group_table(group: Group, label: str) -> Table:
    """All quantities of one group."""
    caption = f"{group.label}: {group.num_events} events, 95 % intervals"
    return make_table(_headings(label), [_cells(line) for line in group.lines], caption)


def _headings(label: str) -> list[Cell | str]:
    """Headings of the cells of a line."""
    return ["quantity", label, "fast", f"fast / {label}", "within", "verdict"]


def _cells(line: Line) -> list[Cell | str | int]:
    """Quantity, both values, ratio, tolerance and verdict."""
    return [
        tables.line_label(line),
        *(
            Cell(tables.value_text(line, e.value), tables.interval_text(line, e))
            for e in (line.reference, line.fast)
        ),
        Cell(tables.ratio_text(line), tables.ratio_interval_text(line)),
        tables.tolerance_text(line),
        _verdict_cell(tables.verdict_text(line), line),
    ]


def _verdict_cell(text: str, line: Line) -> Cell:
    """A text behind a dash in the colour of the line's verdict."""
    if line.verdict is None:
        return Cell(text)
    style = "dotted" if line.verdict == Verdict.UNDECIDED else ""
    return Cell(text, colour=VERDICT_COLOURS[line.verdict], line=style)
