"""The last result of a validation, in the page that describes the simulation."""

from __future__ import annotations

from pathlib import Path

from partflow.core.errors import InputError
from partflow.core.outputs import write_text
from partflow.validate.table import Row, markdown
from partflow.validate.validation import read_result

BEGIN, END = "<!-- validation table: begin -->", "<!-- validation table: end -->"
"""What stands between these lines of a page is written by `write_page`."""


def write_page(validation: Path, page: Path) -> None:
    """Put the table of the finished validation in folder `validation` into `page`.

    Raises InputError where the folder holds no result, or the page no place for it.
    """
    result = read_result(validation)
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    before, found_begin, rest = text.partition(BEGIN)
    _, found_end, after = rest.partition(END)
    if not (found_begin and found_end):
        raise InputError(f"{page}: no place for the table; it needs the lines {BEGIN} and {END}")
    record = result["provenance"]
    size = "reduced" if result["reduced"] else "full"
    made = f"A {size} validation, seed {record['seed']}, version {record['version']}"
    made += f", commit {record['commit'][:8]}." if record["commit"] else "."
    table = markdown([Row(*line["row"]) for line in result["lines"]])
    write_text(page, f"{before}{BEGIN}\n\n{made} {table}\n{END}{after}")
