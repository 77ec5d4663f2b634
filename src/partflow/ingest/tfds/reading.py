"""array_record files of a published data set -> labelled events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from array_record.python import array_record_module

from partflow.core.errors import DataError, InputError
from partflow.core.records import Events
from partflow.ingest.files import file_event_ids
from partflow.ingest.report import BadEvent, brief
from partflow.ingest.tfds.arrays import PublishedEvent, published_event, to_events
from partflow.ingest.tfds.example import parse_example
from partflow.ingest.tfds.folders import SplitFile, process_of_dataset

CHUNK_RECORDS = 500


class LabelledChunk(NamedTuple):
    """Some events of one file."""

    events: Events
    """The good ones."""
    bad_events: tuple[BadEvent, ...]


def read_split_file(file: SplitFile) -> Iterator[LabelledChunk]:
    """The labelled events of a file, chunk by chunk; bad records are skipped and listed.

    Raises InputError where the file is not an array_record file, is damaged, or has another
    number of records than its description says.
    """
    reader = _open_reader(file)
    total = int(reader.num_records())
    if total != file.num_records:
        raise InputError(
            f"{file.path}: {total} records, but its description says {file.num_records}; "
            "is the file complete?"
        )
    process = process_of_dataset(file.dataset)
    for start in range(0, total, CHUNK_RECORDS):
        arrays: list[PublishedEvent] = []
        positions: list[int] = []
        bad_events: list[BadEvent] = []
        for position, record in enumerate(_read_records(reader, file, start, total), start):
            try:
                arrays.append(published_event(parse_example(record)))
                positions.append(position)
            except DataError as error:
                bad_events.append(BadEvent(position, None, str(error)))
        event_id = file_event_ids(file.name, np.array(positions, dtype=np.int64))
        yield LabelledChunk(to_events(arrays, event_id, process), tuple(bad_events))
    if total == 0:
        yield LabelledChunk(to_events([], np.empty(0, dtype=np.int64), process), ())


def _open_reader(file: SplitFile) -> Any:
    """A reader of the file. Raises InputError where it cannot be opened."""
    try:
        reader = array_record_module.ArrayRecordReader(str(file.path))
        reader.num_records()
    except Exception as error:  # the package raises RuntimeError, ValueError and others
        raise InputError(
            f"{file.path}: not an array_record file that can be read ({brief(error)}); "
            "is it complete?"
        ) from error
    return reader


def _read_records(reader: Any, file: SplitFile, start: int, total: int) -> list[bytes]:
    """The records of a chunk that begins at `start`, of a file with `total` records."""
    stop = min(start + CHUNK_RECORDS, total)
    try:
        records = list(reader.read(start, stop))
    except Exception as error:
        raise InputError(
            f"{file.path}: records {start} to {stop} cannot be read ({brief(error)}); "
            "is it complete?"
        ) from error
    if len(records) != stop - start:
        raise InputError(
            f"{file.path}: {len(records)} records in {start} to {stop}; the file is damaged"
        )
    return records
