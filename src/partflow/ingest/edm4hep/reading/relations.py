"""Relations between objects: the lists of an object, and object ids as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.records import Array
from partflow.ingest.edm4hep.columns import MemberColumns
from partflow.ingest.edm4hep.podio import PodioFile
from partflow.ingest.edm4hep.reading.faults import Faults


class ListEntries(NamedTuple):
    """Pairs of an object and an entry of its list."""

    object_row: Array
    """Row of the object, [pair]."""
    entry_row: Array
    """Row of the entry in the table of all lists, [pair]."""


def list_entries(
    objects: MemberColumns, member: str, num_entries: Array, faults: Faults, where: str
) -> ListEntries:
    """The entries `member_begin:member_end` of the list of each object.

    `num_entries` [event] are the entries of all lists of an event. An object whose range exceeds
    them is a fault of its event.
    """
    begin = objects[f"{member}_begin"].astype(np.int64)
    end = objects[f"{member}_end"].astype(np.int64)
    event = objects.event_index
    is_bad = (begin > end) | (end > num_entries[event])
    faults.add(
        event,
        is_bad,
        lambda row: f"{where}: entries {begin[row]} to {end[row]} of {num_entries[event[row]]}",
    )
    lengths = np.where(is_bad, 0, end - begin)
    object_row = np.repeat(np.arange(objects.num_rows), lengths)
    first = np.concatenate([[0], np.cumsum(num_entries)])[:-1][event] + np.where(is_bad, 0, begin)
    before = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    entry_row = np.arange(len(object_row)) + np.repeat(first - before, lengths)
    return ListEntries(object_row, entry_row)


class IdTable(NamedTuple):
    """Collections that object ids may point into, joined into one table for each event."""

    names: Sequence[str]
    """Collections, in the order in which their objects stand in the table of an event."""
    counts: Array
    """Objects of each collection in each event, [collection, event]."""
    ids: Sequence[Sequence[int]]
    """Ids of each collection."""

    @property
    def first_row(self) -> Array:
        """Row of the first object of each collection in each event, [collection, event]."""
        by_event = self.counts.T.ravel()
        before = np.concatenate([[0], np.cumsum(by_event)])[:-1]
        return before.reshape(self.counts.T.shape).T

    @property
    def offsets(self) -> Array:
        """Rows at which the events begin, [event + 1]."""
        return np.concatenate([[0], np.cumsum(self.counts.sum(axis=0))])


def resolve(
    file: PodioFile, ids: MemberColumns, event: Array, table: IdTable, faults: Faults, where: str
) -> Array:
    """Row in `table` of each object id, or -1, [id].

    `event` [id] is the event of the id. An id that is -1, out of range, or of a collection that
    `table` does not hold is a fault of its event.
    """
    known = [(number, k) for k, numbers in enumerate(table.ids) for number in numbers]
    numbers, collections = np.array(known, dtype=np.int64).reshape(-1, 2).T
    rows, collection = _rows_of_ids(
        ids["index"],
        ids["collectionID"],
        event,
        np.ascontiguousarray(numbers),
        np.ascontiguousarray(collections),
        table.counts.astype(np.int64),
        table.first_row,
    )
    if np.any(rows < 0):
        is_unread = (rows < 0) & (collection < 0)
        is_outside = (rows < 0) & (collection >= 0)
        faults.add(
            event,
            is_unread,
            lambda row: _unread_collection(file, where, int(ids["collectionID"][row])),
        )
        faults.add(
            event,
            is_outside,
            lambda row: (
                f"{where}: points to object {ids['index'][row]} of "
                f"{table.names[collection[row]]}, which has "
                f"{table.counts[collection[row], event[row]]}"
            ),
        )
    return rows


@njit(cache=True)
def _rows_of_ids(index, collection_id, event, numbers, collections, counts, first_row):
    """Row and collection of each object id; -1 for a row out of range, and for both where the
    collection is not known. A kernel, because numpy needs ten passes over millions of links.
    """
    rows = np.full(len(index), -1, dtype=np.int64)
    collection = np.full(len(index), -1, dtype=np.int64)
    last = 0
    for i in range(len(index)):
        if len(numbers) == 0:
            break
        if numbers[last] != collection_id[i]:  # neighbours mostly share their collection
            for k in range(len(numbers)):
                if numbers[k] == collection_id[i]:
                    last = k
                    break
            if numbers[last] != collection_id[i]:
                continue
        collection[i] = collections[last]
        if 0 <= index[i] < counts[collection[i], event[i]]:
            rows[i] = first_row[collection[i], event[i]] + index[i]
    return rows, collection


def _unread_collection(file: PodioFile, where: str, collection_id: int) -> str:
    """The reason for an id of a collection that is not in the table."""
    name = file.name_of(collection_id)
    why = "which is not read" if file.has(name) else "which the file does not hold"
    return f"{where}: points into collection {name}, {why}"
