"""Tables of a page as plain data; the templates turn them into HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from partflow.report.formatting import NOTHING, decimal, uncertainties
from partflow.report.style import Look

LINE_CLASSES = {"--": "dashed", "-.": "dashed", ":": "dotted"}
"""Class of the style sheet for a matplotlib line style; solid lines need none."""


class Cell(NamedTuple):
    """A cell of a table, or a heading or caption."""

    text: str
    below: str | None = None
    """Second line in small type, e.g. uncertainties."""
    colour: str = ""
    """Colour of the line in front of the text, which is that of a candidate set in the plots."""
    line: str = ""
    """Its class in the style sheet: empty (solid), `dashed` or `dotted`."""


class Table(NamedTuple):
    """A table; the first cell of each row is its heading."""

    caption: Cell
    headings: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]


def make_table(
    headings: Sequence[Cell | str],
    rows: Sequence[Sequence[Cell | str | int]],
    caption: Cell | str,
) -> Table:
    """A table of cells, strings and integers."""
    return Table(_cell(caption), _cells(headings), [_cells(row) for row in rows])


def metric_cell(entry: Mapping[str, Any], name: str, digits: int = 3) -> Cell:
    """The metric `name` of an entry of `metrics.json`, with its uncertainties below."""
    value = entry.get(name)
    if value is None:
        return Cell(NOTHING)
    return Cell(decimal(value, digits), uncertainties(value, entry[f"{name}_ci"], digits))


def set_cell(name: str, look: Look) -> Cell:
    """The name of a candidate set with its line as in the plots."""
    return Cell(name, colour=look.colour, line=LINE_CLASSES.get(look.line, ""))


def _cells(contents: Sequence[Cell | str | int]) -> list[Cell]:
    return [_cell(content) for content in contents]


def _cell(content: Cell | str | int) -> Cell:
    return content if isinstance(content, Cell) else Cell(str(content))
