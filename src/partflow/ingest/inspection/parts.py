"""The outputs that a folder holds: folders and files that a command of partflow can read."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from partflow.core.errors import InputError
from partflow.core.provenance import PROVENANCE_FILE
from partflow.core.store import METADATA_KEY, STAGES
from partflow.ingest.tfds.folders import INFO_FILE

MODEL_CONFIG_FILE = "config.json"
"""A model folder keeps its provenance in this file."""
EDM4HEP, TFDS = "edm4hep", "tfds"
"""Kinds of files of other programs; they are also the stages of what partflow exports."""
UNFINISHED, UNREADABLE = "unfinished", "unreadable"
MAX_DEPTH = 5
"""Levels of folders that are searched for outputs."""
TITLES = {
    "generated": "generator particles",
    "events": "events",
    "labelled": "labelled events",
    "candidates": "candidates",
    "model": "trained network",
    "report": "report of an evaluation",
    "validation": "validation of the simulation",
    EDM4HEP: "EDM4hep files",
    TFDS: "published data set",
    UNFINISHED: "unfinished; run its command again",
    UNREADABLE: "cannot be read",
}
"""What each kind of output is."""
COMMANDS = {
    "generated": ("partflow simulate {}",),
    "events": (
        "partflow label {}",
        "partflow reconstruct {} --model MODEL",
        "partflow evaluate {}",
    ),
    "labelled": ("partflow train {}",),
    "candidates": ("partflow evaluate EVENTS --candidates NAME={}",),
    "model": ("partflow reconstruct EVENTS --model {}",),
    "report": ("partflow compare {} OTHER_REPORT",),
    EDM4HEP: ("partflow ingest {}",),
    TFDS: ("partflow ingest {} --format tfds",),
}
"""Commands that read each kind of output; `{}` stands for its path."""


class Part(NamedTuple):
    """One output in a folder."""

    path: Path
    kind: str
    """A key of TITLES, or the stage of an output that is not listed there."""
    num_events: int | None = None
    error: str = ""
    """Why the part cannot be read, if so."""

    @property
    def title(self) -> str:
        """What it is."""
        return TITLES.get(self.kind, self.kind)

    @property
    def commands(self) -> tuple[str, ...]:
        """Commands that read it."""
        return tuple(command.format(self.path) for command in COMMANDS.get(self.kind, ()))

    @property
    def verbs(self) -> tuple[str, ...]:
        """Verbs of these commands."""
        return tuple(command.split()[1] for command in self.commands)


def find_parts(folder: Path, depth: int = MAX_DEPTH) -> list[Part]:
    """The outputs in a folder and `depth` levels of folders below, sorted by path.

    If the folder itself is one output, the result is a single part with the path of the folder.
    """
    try:
        provenance = provenance_of_folder(folder)
    except InputError as error:
        return [Part(folder, UNREADABLE, error=str(error))]
    if provenance is not None:
        stage = str(provenance.get("stage", "output"))
        return [Part(folder, stage, _num_events(folder, stage))]
    if (folder / INFO_FILE).is_file():
        return [Part(folder, TFDS)]
    parts = list(_parts_inside(folder, depth))
    if not _are_one_output(folder, parts):
        return parts
    numbers = [part.num_events for part in parts if part.num_events is not None]
    return [Part(folder, parts[0].kind, sum(numbers) if numbers else None)]


def provenance_of_folder(folder: Path) -> dict[str, Any] | None:
    """The provenance of an output folder; None for a folder without one.

    Raises InputError where it cannot be read.
    """
    path, config = folder / PROVENANCE_FILE, folder / MODEL_CONFIG_FILE
    if path.is_file():
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{path}: cannot be read ({error}); make the output again") from error
    if config.is_file():
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            return dict(json.loads(config.read_text(encoding="utf-8"))["provenance"])
    return None  # other programs have files named like MODEL_CONFIG_FILE, too


def read_header(file: Path) -> dict[str, Any] | None:
    """Stage, format and provenance of a Parquet file; None in the files of other programs.

    Raises InputError where the file cannot be read.
    """
    try:
        metadata = pq.read_schema(file).metadata or {}
        return dict(json.loads(metadata[METADATA_KEY])) if METADATA_KEY in metadata else None
    except Exception as error:  # damaged bytes make Arrow raise anything
        raise InputError(f"{file}: not a Parquet file that can be read ({error})") from error


def num_rows(file: Path) -> int:
    """Events of a Parquet file, from its footer; raises InputError where it cannot be read."""
    try:
        return int(pq.read_metadata(file).num_rows)
    except Exception as error:  # damaged bytes make Arrow raise anything
        raise InputError(f"{file}: not a Parquet file that can be read ({error})") from error


def _parts_inside(folder: Path, depth: int) -> Iterator[Part]:
    """The parts in a folder that is not itself one output."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.name.endswith(".partial"):
            yield Part(path, UNFINISHED)
        elif path.is_dir():
            if depth > 0:
                yield from find_parts(path, depth - 1)
        elif path.suffix == ".parquet":
            yield from _parquet_part(path)
        elif path.suffix == ".root":
            yield Part(path, EDM4HEP)


def _parquet_part(file: Path) -> Iterator[Part]:
    """A Parquet file as a part, whether it can be read or not; none if it is not of partflow."""
    try:
        header = read_header(file)
        if header is not None:
            yield Part(file, str(header["stage"]), num_rows(file))
    except InputError as error:
        yield Part(file, UNREADABLE, error=str(error))


def _num_events(folder: Path, stage: str) -> int | None:
    """Events of an output folder, from the footers of its Parquet files; None for other kinds."""
    if stage not in STAGES:
        return None
    parts = [part for file in folder.glob("*.parquet") for part in _parquet_part(file)]
    return sum(part.num_events or 0 for part in parts)


def _are_one_output(folder: Path, parts: list[Part]) -> bool:
    """Whether parts are the shards of one stage, or all EDM4hep files or all data sets."""
    kinds = {part.kind for part in parts}
    are_shards = all(part.path.is_file() and part.path.parent == folder for part in parts)
    is_stage = kinds <= STAGES.keys() and are_shards
    return len(kinds) == 1 and (is_stage or kinds <= {EDM4HEP, TFDS})
