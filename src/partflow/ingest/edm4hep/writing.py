"""Our events -> EDM4hep ROOT files, with the names of the new layout.

uproot writes a member as a branch of its own (`MCParticles.PDG`, `_MCParticles_daughters.index`),
which uproot, awkward and plain ROOT read by the names they have in any EDM4hep file. It cannot
write the C++ classes that podio's own reader asks for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import awkward as ak
import numpy as np
import uproot

from partflow.core.detector import Detector
from partflow.core.errors import DataError, OutputError
from partflow.core.outputs import output_error
from partflow.core.provenance import Provenance
from partflow.core.records import Collection, Events
from partflow.ingest.edm4hep.columns import Columns
from partflow.ingest.edm4hep.podio import EVENT_TREE, MADE_BY
from partflow.ingest.edm4hep.written import (
    collection_id,
    event_columns,
)


class EdmWriter:
    """Writes one EDM4hep file, run by run; nothing under the final name before the block ends
    without an error.
    """

    def __init__(
        self,
        path: Path,
        detector: Detector,
        provenance: Provenance,
        candidates: Sequence[str] = (),
    ) -> None:
        self.path = Path(path)
        self._detector, self._provenance = detector, provenance
        self._candidates = tuple(candidates)
        self._temporary = self.path.with_name(f".{self.path.name}.partial")
        self._processes: dict[str, int] = {}
        self._root: Any = None
        self._tree: Any = None
        self.num_events = 0

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._root = uproot.recreate(self._temporary)
        except OSError as error:
            raise output_error(self.path, error) from error
        return self

    def write(self, events: Events, candidates: Mapping[str, Collection] | None = None) -> None:
        """Append events, and the candidates of others in them by the names given above."""
        candidates = candidates or {}
        if self._root is None:
            raise DataError(f"{self.path}: write inside the `with` block")
        if set(candidates) != set(self._candidates):
            raise DataError(f"{self.path}: candidates {sorted(candidates)} were not announced")
        run = np.array(
            [self._processes.setdefault(str(p), len(self._processes)) for p in events.process],
            dtype=np.uint32,
        )
        columns = event_columns(events, run, self._detector, candidates)
        arrays = {name: _awkward(table) for name, table in columns.items()}
        try:
            if self._tree is None:
                types = {name: array.type.content for name, array in arrays.items()}
                self._tree = self._root.mktree(
                    EVENT_TREE, types, field_name=_member_name, counter_name=_counter_name
                )
            self._tree.extend(arrays)
        except OSError as error:
            raise output_error(self.path, error) from error
        self._names = list(columns)
        self.num_events += len(events)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self._root is not None:
                if kind is None:
                    self._describe()
                self._root.close()
            if kind is None:
                self._temporary.replace(self.path)
        except OSError as failure:
            if kind is None:
                raise output_error(self.path, failure) from failure
        finally:
            self._temporary.unlink(missing_ok=True)

    def _describe(self) -> None:
        """What podio keeps in trees of its own: collections and their ids; and our provenance."""
        if self._tree is None:
            raise OutputError(f"{self.path}: no events to write; an EDM4hep file needs one")
        names = [n for n in self._names if not n.startswith("_")]
        self._root[MADE_BY] = json.dumps(
            {
                "collections": {name: collection_id(name) for name in names},
                "processes": list(self._processes),
                "detector": self._detector.name,
                "provenance": json.loads(self._provenance.to_json()),
            }
        )


def _awkward(table: Columns) -> ak.Array:
    """A list of records per event, or of numbers where the members have no name."""
    content = {
        name: ak.contents.NumpyArray(np.ascontiguousarray(v)) for name, v in table.values.items()
    }
    item = (
        content[""]
        if "" in content
        else ak.contents.RecordArray(list(content.values()), list(content))
    )
    return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(table.offsets), item))


def _member_name(collection: str, member: str) -> str:
    return f"{collection}.{member}" if member else collection


def _counter_name(collection: str) -> str:
    return f"n{collection}"
