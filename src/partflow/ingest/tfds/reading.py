"""Published array_record files -> labelled events."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from array_record.python import array_record_module

from partflow.core.errors import DataError, InputError
from partflow.core.records import Events
from partflow.ingest.tfds.arrays import PublishedEvent, published_event, to_events
from partflow.ingest.tfds.example import parse_example
from partflow.ingest.tfds.folders import SplitFile, process_of_dataset

RECORDS_AT_ONCE = 500
ENTRY_BITS = 32


class LabelledChunk(NamedTuple):
    """Some events of one file."""

    events: Events
    """The good ones."""
    bad_records: tuple[tuple[int, str], ...]
    """Place in the file and reason of those that are left out."""


def read_split_file(file: SplitFile) -> Iterator[LabelledChunk]:
    """The labelled events of a file, some at a time.

    Raises InputError where the file is no array_record file, is damaged, or is short of the
    records that its description promises.
    """
    reader = open_array_record(file)
    total = int(reader.num_records())
    if total != file.num_records:
        raise InputError(
            f"{file.path}: {total} records, but its description promises {file.num_records}; "
            "is the file complete?"
        )
    digest = hashlib.blake2b(file.name.encode(), digest_size=4).digest()
    file_hash = int.from_bytes(digest, "big") >> 1  # 31 bits: ids stay positive
    process = process_of_dataset(file.dataset)
    for start in range(0, total, RECORDS_AT_ONCE):
        arrays: list[PublishedEvent] = []
        places: list[int] = []
        bad: list[tuple[int, str]] = []
        for place, record in enumerate(_records(reader, file, start, total), start):
            try:
                arrays.append(published_event(parse_example(record)))
                places.append(place)
            except DataError as error:
                bad.append((place, str(error)))
        event_id = (file_hash << ENTRY_BITS) + np.array(places, dtype=np.int64)
        yield LabelledChunk(to_events(arrays, event_id, process), tuple(bad))
    if total == 0:
        yield LabelledChunk(to_events([], np.empty(0, dtype=np.int64), process), ())


def open_array_record(file: SplitFile) -> Any:
    """A reader of the file. Raises InputError where it cannot be opened."""
    try:
        reader = array_record_module.ArrayRecordReader(str(file.path))
        reader.num_records()
    except Exception as error:  # the package raises RuntimeError, ValueError and others
        raise InputError(
            f"{file.path}: not an array_record file that can be read ({_first_line(error)}); "
            "is it complete?"
        ) from error
    return reader


def _records(reader: Any, file: SplitFile, start: int, total: int) -> list[bytes]:
    stop = min(start + RECORDS_AT_ONCE, total)
    try:
        records = list(reader.read(start, stop))
    except Exception as error:
        raise InputError(
            f"{file.path}: records {start} to {stop} cannot be read ({_first_line(error)}); "
            "is it complete?"
        ) from error
    if len(records) != stop - start:
        raise InputError(f"{file.path}: {len(records)} records in {start} to {stop}; damaged")
    return records


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0][:120] if lines else type(error).__name__
