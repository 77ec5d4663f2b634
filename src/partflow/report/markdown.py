r"""Markdown from data: whatever is not `Markdown` already is escaped.

Names come from files and from other people. In a table or a sentence they must stay text: no HTML,
no link, no picture, no new cell, line or heading.

>>> print(escape("<b>|*x*[a](b)\n# y"))
&lt;b&gt;\|\*x\*\[a\](b) # y
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from partflow.report.tables import Cell, Table

UNKNOWN = "unknown"
"""Stands for what is not known."""
_INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Categories of characters that end a line, change the direction of writing, or cannot be seen."""
_SPECIAL = re.compile(r"[\\`*\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_BLOCK = re.compile(r"(?:[-+]|#{1,6})(?:\s|$)|=+$|-[-\s]*$")
"""Beginning of a line that would be a list, a heading or a rule."""
_ORDERED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")
_ADDRESS = re.compile(r"(?i)(?<=\b)(https?|ftp)(:)(?=//)|\b(www)(\.)")
_ENTITIES = {":": "&#58;", ".": "&#46;"}
_NUMBER = re.compile(r"[-+−]?\d|–$")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


class Markdown(str):
    """Text that is Markdown, not to be escaped."""

    __slots__ = ()


def escape(value: Any) -> Markdown:
    """`value` as one line of text without any markup; None is unknown."""
    if isinstance(value, Markdown):
        return value
    text = one_line(UNKNOWN if value is None else str(value))
    text = "".join(_HTML.get(character, character) for character in text)
    text = _SPECIAL.sub(lambda found: "\\" + found[0], text)
    text = _ADDRESS.sub(_without_link, text)
    if _BLOCK.match(text):
        text = "\\" + text
    return Markdown(_ORDERED.sub(r"\1\\\2", text))


def code(value: Any) -> Markdown:
    r"""`value` as a code span, for names of files, hashes and settings.

    >>> print(code("gen.parquet"), code("a`b|c"), code(None))
    `gen.parquet` a\`b\|c unknown
    """
    text = one_line("" if value is None else str(value))
    if not text:
        return escape(None)
    return escape(text) if set(text) & set("`|") else Markdown(f"`{text}`")


def fenced(text: str, language: str = "") -> Markdown:
    """Lines of code as a block, which nothing in `text` can end."""
    lines = ["".join(map(_visible_or_tab, line)).rstrip() for line in text.split("\n")]
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markdown("\n".join([fence + language, *lines, fence]))


def one_line(text: str) -> str:
    r"""`text` without line breaks, invisible characters and repeated spaces.

    >>> one_line(" a\n\u202e b ")
    'a b'
    """
    visible = (" " if unicodedata.category(c) in _INVISIBLE else c for c in text)
    return " ".join("".join(visible).split())


def table(content: Table) -> Markdown:
    """A table with its caption as a paragraph above; columns of numbers are aligned right."""
    headings = [_cell(heading) for heading in content.headings]
    rows = [[_cell(cell) for cell in row] for row in content.rows]
    columns = zip(*rows, strict=True) if rows else [()] * len(headings)
    rule = ["---:" if _are_numbers(cells) else "---" for cells in columns]
    lines = [_row(headings), _row(rule), *map(_row, rows)]
    caption = _cell(content.caption)
    return Markdown("\n".join([*([caption, ""] if caption else []), *lines]))


def render(template: str, **data: object) -> str:
    """Fill a template of this package, which is Markdown; values are escaped."""
    return _environment().get_template(template).render(**data)


@cache
def _environment() -> Environment:
    """The templates of this package, in which every value is escaped as Markdown."""
    environment = Environment(
        loader=PackageLoader("partflow.report", "template"),
        autoescape=False,  # for HTML; `finalize` escapes
        finalize=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["code"] = code
    return environment


def _cell(cell: Cell | str) -> Markdown:
    """A cell with its second line behind the first."""
    if isinstance(cell, str):
        return escape(cell)
    parts = [escape(part) for part in (cell.text, cell.below) if part]
    return Markdown(" ".join(parts))


def _are_numbers(cells: Iterable[str]) -> bool:
    """Whether all cells with text begin as numbers do, and any has text."""
    texts = [cell for cell in cells if cell]
    return bool(texts) and all(_NUMBER.match(text) for text in texts)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _without_link(found: re.Match[str]) -> str:
    """The beginning of an address, with an entity so that it does not become a link."""
    scheme, sign = (found[1], found[2]) if found[1] else (found[3], found[4])
    return scheme + _ENTITIES[sign]


def _visible_or_tab(character: str) -> str:
    is_invisible = unicodedata.category(character) in _INVISIBLE and character != "\t"
    return " " if is_invisible else character
