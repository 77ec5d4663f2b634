"""What became of every file and event that was to be ingested."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from partflow.core.errors import InputError

REPORT_FILE = "ingest-report.json"
MAX_NAMED = 5
"""Bad events that the closing lines name for each file; the report file names all."""


@dataclass(frozen=True)
class LeftOut:
    """An event that was left out."""

    entry: int
    """Its place in the file."""
    event_number: int | None
    """Its number by the file's own account, if it has one."""
    reason: str


@dataclass(frozen=True)
class Lack:
    """Something that a file does not hold, and what cannot be done without it."""

    what: str
    cost: str


@dataclass(frozen=True)
class FileReport:
    """What became of one file."""

    file: str
    num_events: int = 0
    """Events in the file."""
    num_ingested: int = 0
    """Events that are in the output."""
    left_out: tuple[LeftOut, ...] = ()
    missing: tuple[Lack, ...] = ()
    num_orphan_links: int = 0
    """Links between hits and particles that descend from no stable one; left out."""
    error: str = ""
    """Why nothing of the file is in the output; empty where something is."""

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FileReport:
        """The report that `asdict` took apart."""
        left_out = tuple(LeftOut(**event) for event in values.pop("left_out"))
        missing = tuple(Lack(**lack) for lack in values.pop("missing"))
        return cls(**values, left_out=left_out, missing=missing)


@dataclass(frozen=True)
class IngestReport:
    """What became of all files."""

    files: tuple[FileReport, ...] = field(default=())

    @property
    def num_ingested(self) -> int:
        """Events in the output."""
        return sum(file.num_ingested for file in self.files)

    @property
    def failed(self) -> tuple[FileReport, ...]:
        """Files of which nothing is in the output."""
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
    def from_json(cls, text: str) -> IngestReport:
        """The report written by `to_json`."""
        return cls(tuple(FileReport.from_dict(file) for file in json.loads(text)["files"]))

    def lines(self) -> Iterator[str]:
        """The closing lines: totals, what is missing, which events were left out and why."""
        num_events = sum(file.num_events for file in self.files)
        yield f"{self.num_ingested:,} of {num_events:,} events from {len(self.files)} file(s)"
        for lack in dict.fromkeys(lack for file in self.files for lack in file.missing):
            names = [file.file for file in self.files if lack in file.missing]
            where = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
            yield f"{where}: no {lack.what}: {lack.cost}"
        for file in self.files:
            for event in file.left_out[:MAX_NAMED]:
                number = "" if event.event_number is None else f" (number {event.event_number})"
                yield f"{file.file}: event {event.entry}{number} left out: {event.reason}"
            if len(file.left_out) > MAX_NAMED:
                more = len(file.left_out) - MAX_NAMED
                yield f"{file.file}: {more} more events left out; see {REPORT_FILE}"

    def raise_if_failed(self, output: str) -> None:
        """Raise InputError, naming the first file that failed, if any did."""
        if not self.failed:
            return
        rest = f"the other {len(self.files) - len(self.failed)} are in {output}"
        if len(self.failed) == len(self.files):
            rest = "nothing was written"
        raise InputError(
            f"{len(self.failed)} of {len(self.files)} files could not be ingested, {rest}: "
            + "; ".join(file.error for file in self.failed[:MAX_NAMED])
        )
