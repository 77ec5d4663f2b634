"""Labelled events -> a packed data set: flat arrays that grow run by run, renamed when whole."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from partflow.core.detector_file import recorded_detector
from partflow.core.errors import DataError
from partflow.core.face import CalorimeterFace
from partflow.core.features import NUM_FEATURES, feature_matrix
from partflow.core.outputs import growing_folder, write_text
from partflow.core.particles import class_index
from partflow.core.provenance import Provenance
from partflow.core.records import Array, Collection, Events
from partflow.dataset.columns import NUM_TARGET_COLUMNS, MetColumn, TargetColumn
from partflow.dataset.packed import (
    DESCRIPTION_FILE,
    FEATURE_NAMES,
    FORMAT,
    TARGET_NAMES,
    PackedDataset,
)
from partflow.dataset.shares import SHARE_TYPES, checked_shares

__all__ = ["PackedDataset", "pack", "target_matrix"]


def pack(
    runs: Iterable[Events],
    path: Path,
    provenance: Provenance,
    overwrite: bool = False,
    elements: str = "final",
) -> PackedDataset:
    """Write the labelled events of `runs` as a packed data set in the folder `path`.

    `provenance` names the detector that the events are of. Only one run is in memory at a time.
    Needs the collections `elements`, `targets` and
    `gen_met`, and takes `shares` where every run has them; `elements` is the name of their set.
    Raises DataError, naming event and column, for a value that is not finite, for shares that do
    not sum to the energies of the clusters, and where only some runs have shares; SchemaError
    where `provenance` names no detector; OutputError where `path` cannot be written.
    """
    face = CalorimeterFace.of(recorded_detector(provenance, str(path)))
    with growing_folder(path, provenance, overwrite) as folder:
        if folder is not None:
            _write_arrays(runs, folder, elements, face)
    return PackedDataset.open(path)


def target_matrix(targets: Collection) -> Array:
    """Targets [element, NUM_TARGET_COLUMNS], float32, columns as in `TargetColumn`."""
    values = np.empty((len(targets), NUM_TARGET_COLUMNS), dtype=np.float32)
    values[:, TargetColumn.CLASS] = class_index(targets.pdg_id)
    for column in TargetColumn:
        if column is not TargetColumn.CLASS:
            values[:, column] = targets.columns[column.name.lower()]
    return values


def _write_arrays(
    runs: Iterable[Events], folder: Path, elements: str, face: CalorimeterFace
) -> None:
    processes: dict[str, int] = {}
    num_targets = 0
    largest = 0
    with (
        _GrowingShares(folder) as shares,
        _GrowingArray(folder / "features.npy", np.float32, NUM_FEATURES) as features,
        _GrowingArray(folder / "targets.npy", np.float32, NUM_TARGET_COLUMNS) as targets,
        _GrowingArray(folder / "offsets.npy", np.int64) as offsets,
        _GrowingArray(folder / "event_id.npy", np.int64) as event_id,
        _GrowingArray(folder / "process_index.npy", np.int64) as process_index,
        _GrowingArray(folder / "gen_met.npy", np.float32, len(MetColumn)) as gen_met,
    ):
        offsets.append(np.zeros(1, dtype=np.int64))
        for events in runs:
            matrices = _checked_matrices(events)
            offsets.append(features.num_rows + events.elements.offsets[1:])
            features.append(matrices["elements"])
            targets.append(matrices["targets"])
            gen_met.append(matrices["gen_met"])
            shares.append(events, matrices["elements"])
            event_id.append(events.event_id)
            index = [processes.setdefault(name, len(processes)) for name in events.process]
            process_index.append(np.array(index, dtype=np.int64))
            num_targets += int(np.count_nonzero(events.targets.pdg_id))
            largest = max(largest, int(events.elements.counts.max(initial=0)))
        description = {
            "format": FORMAT,
            "features": FEATURE_NAMES,
            "targets": TARGET_NAMES,
            "face": asdict(face),
            "elements": elements,
            "processes": list(processes),
            "num_events": event_id.num_rows,
            "num_elements": features.num_rows,
            "num_targets": num_targets,
            "num_shares": shares.num_rows,
            "largest_event": largest,
        }
    write_text(folder / DESCRIPTION_FILE, json.dumps(description, indent=1))


def _checked_matrices(events: Events) -> dict[str, Array]:
    """Float32 matrices of elements, targets and gen_met; parallel and finite, or DataError."""
    elements, targets, gen_met = events.elements, events.targets, events.gen_met
    _check_counts(events, targets.counts, elements.counts, "targets for elements")
    _check_counts(events, gen_met.counts, np.ones(len(events)), "rows of gen_met for one event")
    met = np.stack([gen_met.px, gen_met.py], axis=1).astype(np.float32)
    matrices = {
        "elements": (feature_matrix(elements), elements.event_index, FEATURE_NAMES),
        "targets": (target_matrix(targets), targets.event_index, TARGET_NAMES),
        "gen_met": (met, gen_met.event_index, tuple(c.name.lower() for c in MetColumn)),
    }
    for name, (values, event_index, columns) in matrices.items():
        is_bad = ~np.isfinite(values)
        if np.any(is_bad):
            row, column = np.argwhere(is_bad)[0]
            raise DataError(
                f"event {events.event_id[event_index[row]]}: {name}.{columns[column]} is "
                f"{values[row, column]} ({is_bad.sum()} such values in this run); "
                "leave the event out or make it again"
            )
    return {name: values for name, (values, _, _) in matrices.items()}


def _check_counts(events: Events, found: Array, expected: Array, what: str) -> None:
    is_wrong = found != expected
    if np.any(is_wrong):
        event = np.flatnonzero(is_wrong)[0]
        raise DataError(
            f"event {events.event_id[event]}: {found[event]:g} {what}, not {expected[event]:g}; "
            "label the events again"
        )


class _GrowingShares:
    """The arrays of the shares, if the runs hold any."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = contextlib.ExitStack()
        self._arrays: dict[str, _GrowingArray] | None = None
        self._is_first = True

    def __enter__(self) -> Self:
        self._files.__enter__()
        return self

    @property
    def num_rows(self) -> int | None:
        """Shares of all events; None where the runs hold none."""
        return None if self._arrays is None else self._arrays["share_energy"].num_rows

    def append(self, events: Events, features: Array) -> None:
        """Write the shares of a run whose elements have `features`."""
        has_shares = "shares" in events.collections
        if self._is_first and has_shares:
            types: dict[str, type[np.generic]] = {"share_offsets": np.int64, **SHARE_TYPES}
            self._arrays = {
                name: self._files.enter_context(_GrowingArray(self._folder / f"{name}.npy", kind))
                for name, kind in types.items()
            }
            self._arrays["share_offsets"].append(np.zeros(1, dtype=np.int64))
        self._is_first = False
        if has_shares != (self._arrays is not None):
            raise DataError("shares: only some of the shards have them; label the events again")
        if self._arrays is not None:
            columns = checked_shares(events, features)
            offsets = self._arrays["share_energy"].num_rows + events.shares.offsets[1:]
            for name, values in {"share_offsets": offsets, **columns}.items():
                self._arrays[name].append(values)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._files.__exit__(kind, error, traceback)


class _GrowingArray:
    """An `.npy` file to which rows are appended; its header is completed at the end."""

    def __init__(self, path: Path, dtype: type[np.generic], num_columns: int | None = None) -> None:
        self._path = path
        self._dtype = np.dtype(dtype)
        self._row_shape = () if num_columns is None else (num_columns,)
        self.num_rows = 0

    def __enter__(self) -> Self:
        self._stream: BinaryIO = self._path.open("wb")
        self._write_header()
        self._start = self._stream.tell()
        return self

    def append(self, rows: Array) -> None:
        """Write rows [row] or [row, column] behind the last ones."""
        rows = np.ascontiguousarray(rows, dtype=self._dtype)
        if rows.shape[1:] != self._row_shape:
            raise DataError(f"{self._path.name}: rows of {rows.shape[1:]}, not {self._row_shape}")
        self._stream.write(rows.tobytes())
        self.num_rows += len(rows)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._stream:
            if kind is None:
                self._stream.seek(0)
                self._write_header()
                if self._stream.tell() != self._start:  # numpy pads the header for this purpose
                    raise DataError(f"{self._path}: {self.num_rows} rows do not fit its header")

    def _write_header(self) -> None:
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self.num_rows, *self._row_shape),
        }
        np.lib.format.write_array_header_1_0(self._stream, header)
