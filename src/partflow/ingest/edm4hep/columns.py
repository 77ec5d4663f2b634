"""Branches of a range of events as flat columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import awkward as ak
import numpy as np

from partflow.core.errors import InputError
from partflow.core.records import Array
from partflow.ingest.edm4hep.podio import PodioFile, as_id
from partflow.ingest.report import brief


class EntryRange(NamedTuple):
    """Events `start` to `stop` of a file."""

    start: int
    stop: int

    @property
    def num_events(self) -> int:
        """Events in the range."""
        return self.stop - self.start


@dataclass(frozen=True)
class MemberColumns:
    """Members of the objects of one EDM4hep collection, as flat columns.

    The objects of event `i` are rows `offsets[i]:offsets[i + 1]`.
    """

    offsets: Array
    """[event + 1]"""
    values: Mapping[str, Array]
    """By the name of the member, [object]."""

    def __getitem__(self, name: str) -> Array:
        """The column of a member, [object]."""
        return self.values[name]

    @cached_property
    def counts(self) -> Array:
        """Objects in each event, [event]."""
        return np.diff(self.offsets)

    @cached_property
    def event_index(self) -> Array:
        """Event of each object, [object]."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.counts)

    @property
    def num_rows(self) -> int:
        """Objects in all events."""
        return int(self.offsets[-1])


def read_members(
    file: PodioFile,
    base: str,
    members: Sequence[str],
    entries: EntryRange,
    optional: Sequence[str] = (),
) -> MemberColumns:
    """Columns `base.member` of a range of events.

    `optional` members are 0 where the file lacks them. Raises SchemaError where a branch is
    missing, InputError where one cannot be read or does not fit the others.
    """
    absent = {m for m in optional if f"{base}.{m}" not in file.branches}
    values: dict[str, Array] = {}
    offsets = np.zeros(entries.num_events + 1, dtype=np.int64)
    for member in [*members, *(m for m in optional if m not in absent)]:
        member_offsets, values[member] = read_jagged(file, f"{base}.{member}", entries)
        if len(values) == 1:
            offsets = member_offsets
        elif not np.array_equal(offsets, member_offsets):
            raise InputError(
                f"{file.path}: branch '{base}.{member}' has other numbers of objects than "
                f"'{base}.{members[0]}'; the file is damaged"
            )
    values |= {member: np.zeros(int(offsets[-1])) for member in absent}
    return MemberColumns(offsets, values)


def read_relation(
    file: PodioFile, collection: str, name: str, entries: EntryRange
) -> MemberColumns:
    """Object ids (`index`, `collectionID`) of a relation, or of one end of a link."""
    base = file.relation(collection, name)
    ids = read_members(file, base, ["index", "collectionID"], entries)
    columns = {"index": ids["index"].astype(np.int64), "collectionID": as_id(ids["collectionID"])}
    return MemberColumns(ids.offsets, columns)


def read_jagged(file: PodioFile, name: str, entries: EntryRange) -> tuple[Array, Array]:
    """Offsets [event + 1] and values of a branch that holds a list of numbers for each event.

    Raises SchemaError where it is missing, InputError where it cannot be read.
    """
    branch = file.branch(name)
    try:
        array = branch.array(entry_start=entries.start, entry_stop=entries.stop, library="ak")
        layout = array.layout.to_ListOffsetArray64(True)
        offsets = np.asarray(layout.offsets.data, dtype=np.int64)
        values = ak.to_numpy(ak.Array(layout.content))
    except Exception as error:  # damaged bytes make uproot raise anything
        raise InputError(
            f"{file.path}: branch '{name}' cannot be read ({brief(error)}); is the file complete?"
        ) from error
    is_list = values.ndim == 1 and values.dtype.kind in "iufb"
    if len(offsets) != entries.num_events + 1 or offsets[-1] > len(values) or not is_list:
        raise InputError(
            f"{file.path}: branch '{name}' does not hold {entries.num_events} lists of numbers; "
            "the file is damaged"
        )
    return offsets, values[: offsets[-1]]


def finite(values: Array) -> Array:
    """The values, with 0 for NaN and infinities."""
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
