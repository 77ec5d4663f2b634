"""Events to EDM4hep ROOT files, with the names of the new podio layout.

uproot writes each member as a branch (`MCParticles.PDG`, `_MCParticles_daughters.index`). uproot,
awkward and plain ROOT read these by the same names as in any EDM4hep file. uproot cannot write the
C++ classes that podio's own reader needs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot

from partflow.core.detector import Detector
from partflow.core.errors import DataError, OutputError
from partflow.core.outputs import FileWriter, output_error
from partflow.core.provenance import Provenance
from partflow.core.records import Collection, Events
from partflow.ingest.edm4hep.columns import MemberColumns
from partflow.ingest.edm4hep.names import EVENT_TREE, PARTFLOW_OBJECT
from partflow.ingest.edm4hep.writing.events import event_columns
from partflow.ingest.edm4hep.writing.relations import collection_id


class EdmWriter(FileWriter):
    """Writes one EDM4hep file, chunk by chunk, in a `with` block.

    The file gets its name when the block ends without an error. `candidates` names the candidate
    sets that every chunk comes with, besides the baseline. Raises OutputError where the file cannot
    be written, and where no event was written.
    """

    def __init__(
        self,
        path: Path,
        detector: Detector,
        provenance: Provenance,
        candidates: Sequence[str] = (),
    ) -> None:
        super().__init__(path)
        self._detector, self._provenance = detector, provenance
        self._candidates = tuple(candidates)
        self._processes: dict[str, int] = {}
        self._branches: list[str] = []
        self._root: Any = None
        self._tree: Any = None
        self.num_events = 0

    def write(self, events: Events, candidates: Mapping[str, Collection] | None = None) -> None:
        """Append a chunk of events, and the candidate sets named above.

        Raises DataError for other candidate sets, OutputError where the file cannot be written.
        """
        candidates = candidates or {}
        if self._root is None:
            raise DataError(f"{self.path}: write inside the `with` block")
        if set(candidates) != set(self._candidates):
            raise DataError(
                f"{self.path}: candidates {sorted(candidates)}, but the file was opened for "
                f"{sorted(self._candidates)}"
            )
        run_number = np.array(
            [self._processes.setdefault(str(p), len(self._processes)) for p in events.process],
            dtype=np.uint32,
        )
        columns = event_columns(events, run_number, self._detector, candidates)
        arrays = {name: _awkward(members) for name, members in columns.items()}
        try:
            if self._tree is None:
                types = {name: array.type.content for name, array in arrays.items()}
                self._tree = self._root.mktree(
                    EVENT_TREE, types, field_name=_member_name, counter_name=_counter_name
                )
            self._tree.extend(arrays)
        except OSError as error:
            raise output_error(self.path, error) from error
        self._branches = list(columns)
        self.num_events += len(events)

    def _open(self, temporary: Path) -> None:
        self._root = uproot.recreate(temporary)

    def _close(self, is_complete: bool) -> None:
        if self._root is not None:
            if is_complete:
                self._describe()
            self._root.close()

    def _describe(self) -> None:
        """Store collections with their ids, which podio keeps in a tree, and the provenance."""
        if self._tree is None:
            raise OutputError(f"{self.path}: no events to write; an EDM4hep file needs one")
        names = [n for n in self._branches if not n.startswith("_")]
        self._root[PARTFLOW_OBJECT] = json.dumps(
            {
                "collections": {name: collection_id(name) for name in names},
                "processes": list(self._processes),
                "detector": self._detector.name,
                "provenance": json.loads(self._provenance.to_json()),
            }
        )


def _awkward(columns: MemberColumns) -> ak.Array:
    """A list of records for each event, or of numbers where the only member has no name."""
    content = {
        name: ak.contents.NumpyArray(np.ascontiguousarray(v)) for name, v in columns.values.items()
    }
    item = (
        content[""]
        if "" in content
        else ak.contents.RecordArray(list(content.values()), list(content))
    )
    return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(columns.offsets), item))


def _member_name(collection: str, member: str) -> str:
    return f"{collection}.{member}" if member else collection


def _counter_name(collection: str) -> str:
    return f"n{collection}"
