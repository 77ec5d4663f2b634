"""The objects of many events as flat columns and offsets.

A `Collection` holds the objects of one kind (tracks, hits, ...): those of event `i` are the rows
`offsets[i]:offsets[i+1]` of every column. Indices in a column (`hit_index`, `particle_index`, ...)
count from the start of their event, so events can be selected, reordered and joined without
changing them. `Collection.flat_index` turns such indices into rows, `Collection.index_in_event`
rows into indices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from partflow.core.errors import DataError, SchemaError
from partflow.core.schemas import Schema

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Collection:
    """Objects of one kind for many events.

    `offsets` [event + 1] delimit the events, `columns` are the values [object] by name. A column
    is also an attribute. Columns with a default may be left out. Raises SchemaError where a column
    is missing or unknown, DataError where lengths or offsets do not fit.

    >>> from partflow.core.schemas import JETS
    >>> jets = Collection.from_events(
    ...     JETS, [{"pt": [7, 5], "eta": [0, 1], "phi": [0, 2], "energy": [7, 8]}]
    ... )
    >>> jets.num_events, len(jets), jets.pt.tolist(), jets.index_in_event.tolist()
    (1, 2, [7.0, 5.0], [0, 1])
    """

    schema: Schema
    offsets: Array
    columns: Mapping[str, Array] = field(repr=False)

    def __post_init__(self) -> None:
        offsets = np.ascontiguousarray(self.offsets, dtype=np.int64)
        object.__setattr__(self, "offsets", offsets)
        if offsets.ndim != 1 or len(offsets) == 0 or offsets[0] != 0:
            raise DataError(f"{self.schema.name}: offsets must be one row that starts at 0")
        if np.any(np.diff(offsets) < 0):
            raise DataError(
                f"{self.schema.name}: offsets decrease; they must rise from event to event"
            )
        missing = self.schema.needed - set(self.columns)
        if missing:
            raise SchemaError(
                f"{self.schema.name}: no column {', '.join(sorted(missing))}; every column without "
                "a default is needed"
            )
        unknown = set(self.columns) - set(self.schema.names)
        if unknown:
            raise SchemaError(
                f"{self.schema.name}: unknown column {', '.join(sorted(unknown))}; the columns are "
                f"{', '.join(self.schema.names)}"
            )
        columns = {
            f.name: np.ascontiguousarray(self.columns[f.name], dtype=f.dtype)
            if f.name in self.columns
            else np.full(offsets[-1], f.default, dtype=f.dtype)
            for f in self.schema.fields
        }
        for name, values in columns.items():
            if values.shape != (offsets[-1],):
                raise DataError(
                    f"{self.schema.name}.{name}: {values.shape} values for {offsets[-1]} objects"
                )
        object.__setattr__(self, "columns", columns)

    def __getattr__(self, name: str) -> Array:
        """A column by its name."""
        columns = self.__dict__.get("columns", {})
        if name in columns:
            values: Array = columns[name]
            return values
        raise AttributeError(f"no column {name!r}")

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def __getitem__(self, events: slice) -> Collection:
        """The objects of a slice of events; raises DataError for a step other than 1."""
        start, stop, step = events.indices(self.num_events)
        if step != 1:
            raise DataError(
                f"{self.schema.name}: slice events with step 1, not {step}; `take` gives any order"
            )
        stop = max(start, stop)
        rows = slice(self.offsets[start], self.offsets[stop])
        return Collection(
            self.schema,
            self.offsets[start : stop + 1] - self.offsets[start],
            {name: values[rows] for name, values in self.columns.items()},
        )

    @property
    def num_events(self) -> int:
        """Number of events, empty ones included."""
        return len(self.offsets) - 1

    @property
    def counts(self) -> Array:
        """Number of objects in each event, [event]."""
        return np.diff(self.offsets)

    @property
    def event_index(self) -> Array:
        """Index of the event of each object, [object]."""
        return np.repeat(np.arange(self.num_events), self.counts)

    @property
    def index_in_event(self) -> Array:
        """Index of each object within its event, [object]."""
        return np.arange(len(self)) - np.repeat(self.offsets[:-1], self.counts)

    def flat_index(self, event_index: Array, index_in_event: Array) -> Array:
        """Rows of objects given by event and by index within the event; -1 stays -1."""
        rows = self.offsets[:-1][event_index] + index_in_event
        return np.where(np.asarray(index_in_event) < 0, -1, rows)

    def select(self, keep: Array) -> Collection:
        """The objects for which `keep` [object] is true, in the same events."""
        num_kept_before = np.concatenate([[0], np.cumsum(keep)])
        return Collection(
            self.schema,
            num_kept_before[self.offsets],
            {name: values[keep] for name, values in self.columns.items()},
        )

    def take(self, events: Array) -> Collection:
        """The events with these indices, in this order."""
        counts = self.counts[events]
        offsets = offsets_from_counts(counts)
        rows = np.arange(offsets[-1]) + np.repeat(self.offsets[:-1][events] - offsets[:-1], counts)
        return Collection(self.schema, offsets, {n: v[rows] for n, v in self.columns.items()})

    @classmethod
    def empty(cls, schema: Schema, num_events: int = 0) -> Collection:
        """`num_events` events without objects."""
        return cls(
            schema,
            np.zeros(num_events + 1, dtype=np.int64),
            {f.name: np.empty(0, dtype=f.dtype) for f in schema.fields},
        )

    @classmethod
    def from_events(
        cls, schema: Schema, events: Iterable[Mapping[str, npt.ArrayLike]]
    ) -> Collection:
        """A collection from one mapping of columns per event, for tests and small inputs."""
        given = list(events)
        counts = [len(np.atleast_1d(event[schema.names[0]])) for event in given]
        columns = {
            f.name: np.concatenate(
                [np.empty(0, f.dtype), *(np.atleast_1d(event[f.name]) for event in given)]
            )
            for f in schema.fields
            if f.default is None or any(f.name in event for event in given)
        }
        return cls(schema, offsets_from_counts(np.array(counts, dtype=np.int64)), columns)


def offsets_from_counts(counts: Array) -> Array:
    """Offsets [event + 1] of events with `counts` [event] objects."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)


def concatenate(collections: Sequence[Collection]) -> Collection:
    """The events of several collections of one schema, one after the other."""
    if not collections:
        raise DataError("nothing to concatenate: give at least one collection")
    schema = collections[0].schema
    columns = {n: np.concatenate([c.columns[n] for c in collections]) for n in schema.names}
    counts = np.concatenate([c.counts for c in collections])
    return Collection(schema, offsets_from_counts(counts), columns)


@dataclass(frozen=True)
class Events:
    """Events: identities, processes, and collections by name.

    `event_id` [event] identifies an event and seeds everything random that is done to it after
    generation; `process` [event] is the name of its physics process. A collection is also an
    attribute. Raises DataError where a collection has another number of events.
    """

    event_id: Array
    process: Array
    collections: Mapping[str, Collection] = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "event_id", np.ascontiguousarray(self.event_id, dtype=np.int64))
        object.__setattr__(self, "process", np.asarray(self.process, dtype=object))
        for name, collection in self.collections.items():
            if collection.num_events != len(self.event_id):
                raise DataError(
                    f"{name}: {collection.num_events} events for {len(self.event_id)} event ids; "
                    "all collections need the same events"
                )

    def __getattr__(self, name: str) -> Collection:
        """A collection by its name."""
        collections = self.__dict__.get("collections", {})
        if name in collections:
            collection: Collection = collections[name]
            return collection
        raise AttributeError(f"no collection {name!r}")

    def __len__(self) -> int:
        return len(self.event_id)

    def __getitem__(self, events: slice) -> Events:
        return Events(
            self.event_id[events],
            self.process[events],
            {name: collection[events] for name, collection in self.collections.items()},
        )

    def take(self, events: Array) -> Events:
        """The events with these indices, in this order."""
        return Events(
            self.event_id[events],
            self.process[events],
            {name: collection.take(events) for name, collection in self.collections.items()},
        )

    def with_collections(self, **collections: Collection) -> Events:
        """The same events with further or other collections."""
        return Events(self.event_id, self.process, {**self.collections, **collections})


def concatenate_events(chunks: Sequence[Events]) -> Events:
    """The events of several chunks, one after the other; all chunks hold the same collections."""
    if not chunks:
        raise DataError("nothing to concatenate: give at least one chunk of events")
    return Events(
        np.concatenate([chunk.event_id for chunk in chunks]),
        np.concatenate([chunk.process for chunk in chunks]),
        {
            name: concatenate([chunk.collections[name] for chunk in chunks])
            for name in chunks[0].collections
        },
    )
