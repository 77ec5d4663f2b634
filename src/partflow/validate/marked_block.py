"""Blocks of a page that are replaced by a table."""

from __future__ import annotations

from pathlib import Path

from partflow.core.errors import InputError
from partflow.core.outputs import write_text


def replace_block(page: Path, begin: str, end: str, content: str) -> None:
    """Replace the text between the lines `begin` and `end` of `page` by `content`.

    Raises InputError if the page does not have these lines.
    """
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise InputError(f"{page}: no place for the tables; add the lines {begin} and {end}")
    write_text(page, f"{before}{begin}\n\n{content}\n{end}{after}")
