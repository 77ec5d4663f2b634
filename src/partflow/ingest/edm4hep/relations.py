"""Following object ids: from an object to those it lists, and from an id to a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.records import Array
from partflow.ingest.edm4hep.columns import Columns
from partflow.ingest.edm4hep.faults import Faults
from partflow.ingest.edm4hep.podio import PodioFile


class Listed(NamedTuple):
    """Objects and the entries of their lists: one row per pair."""

    owner: Array
    """Row of the object that lists, [pair]."""
    entry: Array
    """Row in the list's own table, [pair]."""


def follow(owners: Columns, member: str, num_entries: Array, faults: Faults, where: str) -> Listed:
    """The entries `member_begin:member_end` of each object's list, of `num_entries` [event].

    An object whose range is no part of its event's entries faults its event.
    """
    begin = owners[f"{member}_begin"].astype(np.int64)
    end = owners[f"{member}_end"].astype(np.int64)
    event = owners.event_index
    is_bad = (begin > end) | (end > num_entries[event])
    faults.add(
        event,
        is_bad,
        lambda row: f"{where}: entries {begin[row]} to {end[row]} of {num_entries[event[row]]}",
    )
    lengths = np.where(is_bad, 0, end - begin)
    owner = np.repeat(np.arange(owners.num_rows), lengths)
    first = np.concatenate([[0], np.cumsum(num_entries)])[:-1][event] + np.where(is_bad, 0, begin)
    before = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    entry = np.arange(len(owner)) + np.repeat(first - before, lengths)
    return Listed(owner, entry)


class Targets(NamedTuple):
    """Collections that ids may point into, joined into one table per event."""

    names: Sequence[str]
    """Collections, in the order in which an event's objects stand in the table."""
    counts: Array
    """Objects of each collection in each event, [collection, event]."""
    ids: Sequence[Sequence[int]]
    """Ids by which each collection is known."""

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
    file: PodioFile, ids: Columns, event: Array, targets: Targets, faults: Faults, where: str
) -> Array:
    """Row in the table of `targets` of each object id, [id]; -1 where it points elsewhere.

    `event` [id] is where the id stands. An id of another collection, -1, or out of range faults
    its event.
    """
    known = [(number, k) for k, numbers in enumerate(targets.ids) for number in numbers]
    numbers, collections = np.array(known, dtype=np.int64).reshape(-1, 2).T
    rows, collection = _rows_of_ids(
        ids["index"],
        ids["collectionID"],
        event,
        np.ascontiguousarray(numbers),
        np.ascontiguousarray(collections),
        targets.counts.astype(np.int64),
        targets.first_row,
    )
    if np.any(rows < 0):
        is_unread = (rows < 0) & (collection < 0)
        is_outside = (rows < 0) & (collection >= 0)
        faults.add(
            event, is_unread, lambda row: _unread(file, where, int(ids["collectionID"][row]))
        )
        faults.add(
            event,
            is_outside,
            lambda row: (
                f"{where}: points to object {ids['index'][row]} of "
                f"{targets.names[collection[row]]}, which has "
                f"{targets.counts[collection[row], event[row]]}"
            ),
        )
    return rows


@njit(cache=True)
def _rows_of_ids(index, collection_id, event, numbers, collections, counts, first_row):
    """Row and collection of each object id; -1 for a row out of range, and for both where the
    collection is not known. A kernel: over millions of links numpy takes ten passes.
    """
    rows = np.full(len(index), -1, dtype=np.int64)
    found = np.full(len(index), -1, dtype=np.int64)
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
        found[i] = collections[last]
        if 0 <= index[i] < counts[found[i], event[i]]:
            rows[i] = first_row[found[i], event[i]] + index[i]
    return rows, found


def _unread(file: PodioFile, where: str, collection_id: int) -> str:
    name = file.name_of(collection_id)
    held = "which is not read" if file.has(name) else "which the file does not hold"
    return f"{where}: points into collection {name}, {held}"
