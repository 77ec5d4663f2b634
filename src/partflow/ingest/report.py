"""The report of an ingestion: what happened to each file and to each bad event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from partflow.core.errors import InputError
from partflow.core.outputs import write_text

REPORT_FILE = "ingest-report.json"
REPORTS_FOLDER = ".reports"
"""Reports on finished files while the output grows: a restart needs them."""
MAX_NAMED = 5
"""Bad events of a file that are printed; the report file lists all."""


@dataclass(frozen=True)
class BadEvent:
    """An event that is skipped."""

    entry: int
    """Its position in the file, from 0."""
    event_number: int | None
    """The number that the file gives it, if any."""
    reason: str


@dataclass(frozen=True)
class MissingPart:
    """A part of an event that a file does not hold."""

    what: str
    cost: str
    """What is impossible without it."""


@dataclass(frozen=True)
class FileReport:
    """What happened to one file."""

    file: str
    num_events: int = 0
    """Events in the file."""
    num_ingested: int = 0
    """Events in the output."""
    left_out: tuple[BadEvent, ...] = ()
    missing: tuple[MissingPart, ...] = ()
    num_orphan_links: int = 0
    """Links left out because their particle descends from no stable one."""
    error: str = ""
    """Why no event of the file is in the output; empty where the file could be read."""

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The report that `dataclasses.asdict` turned into `values`."""
        nested = {
            "left_out": tuple(BadEvent(**event) for event in values["left_out"]),
            "missing": tuple(MissingPart(**part) for part in values["missing"]),
        }
        return cls(**{**values, **nested})


@dataclass(frozen=True)
class IngestReport:
    """What happened to all files."""

    files: tuple[FileReport, ...] = field(default=())

    @property
    def num_ingested(self) -> int:
        """Events in the output."""
        return sum(file.num_ingested for file in self.files)

    @property
    def failed(self) -> tuple[FileReport, ...]:
        """Files that could not be read."""
        return tuple(file for file in self.files if file.error)

    def to_json(self) -> str:
        """The whole report, with totals first."""
        totals = {
            "num_files": len(self.files),
            "num_failed_files": len(self.failed),
            "num_events": sum(file.num_events for file in self.files),
            "num_ingested": self.num_ingested,
            "num_left_out": sum(len(file.left_out) for file in self.files),
        }
        return json.dumps(totals | {"files": [asdict(file) for file in self.files]}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The report that `to_json` wrote."""
        return cls(tuple(FileReport.from_dict(file) for file in json.loads(text)["files"]))

    def lines(self) -> Iterator[str]:
        """Lines to print: totals, parts that files lack, and bad events with their reasons."""
        num_events = sum(file.num_events for file in self.files)
        yield f"{self.num_ingested:,} of {num_events:,} events from {len(self.files)} file(s)"
        for part in dict.fromkeys(part for file in self.files for part in file.missing):
            names = [file.file for file in self.files if part in file.missing]
            where = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
            yield f"{where}: no {part.what}: {part.cost}"
        for file in self.files:
            for event in file.left_out[:MAX_NAMED]:
                number = "" if event.event_number is None else f" (number {event.event_number})"
                yield f"{file.file}: event {event.entry}{number} left out: {event.reason}"
            if len(file.left_out) > MAX_NAMED:
                more = len(file.left_out) - MAX_NAMED
                yield f"{file.file}: {more} more events left out; see {REPORT_FILE}"

    def raise_if_failed(self, output: str) -> None:
        """Raise InputError with the errors of the files that could not be read, if any."""
        if not self.failed:
            return
        rest = f"the other {len(self.files) - len(self.failed)} are in {output}"
        if len(self.failed) == len(self.files):
            rest = "nothing was written"
        raise InputError(
            f"{len(self.failed)} of {len(self.files)} files could not be ingested, {rest}: "
            + "; ".join(file.error for file in self.failed[:MAX_NAMED])
        )


def store_report(folder: Path, number: int, report: FileReport) -> None:
    """Keep the report on the file `number`, whose shard in `folder` is finished."""
    write_text(_report_file(folder, number), json.dumps(asdict(report)))


def stored_report(folder: Path, number: int) -> FileReport | None:
    """The report on the file `number` by an interrupted ingestion; None where there is none."""
    file = _report_file(folder, number)
    if not file.exists():
        return None
    return FileReport.from_dict(json.loads(file.read_text(encoding="utf-8")))


def _report_file(folder: Path, number: int) -> Path:
    return folder / REPORTS_FOLDER / f"{number:05d}.json"


def brief(error: BaseException) -> str:
    """The kind of an error and the first line of its message, at most 120 characters of it.

    >>> brief(ValueError("no such branch"))
    'ValueError: no such branch'
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (
        f"{type(error).__name__}: {lines[0][:120].rstrip(',:')}" if lines else type(error).__name__
    )
