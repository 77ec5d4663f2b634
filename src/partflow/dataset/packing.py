"""Labelled events -> a packed data set, written chunk by chunk and complete or not there."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from partflow.core.detector_file import recorded_detector
from partflow.core.errors import DataError
from partflow.core.face import CalorimeterFace
from partflow.core.features import CLUSTER, ELEMENTS, ClusterFeature, feature_matrix
from partflow.core.outputs import growing_folder, write_text
from partflow.core.particles import class_index
from partflow.core.provenance import Provenance
from partflow.core.records import Array, Collection, Events, offsets_from_counts
from partflow.dataset.columns import MetColumn, TargetColumn, column_names
from partflow.dataset.packed import PackedDataset
from partflow.dataset.packed_files import (
    BACKGROUND_ARRAYS,
    DESCRIPTION_FILE,
    ELEMENT_ARRAYS,
    EVENT_ARRAYS,
    EVENT_WEIGHT,
    PACKED_FORMAT,
    SHARE_ARRAYS,
)

SHARE_TOLERANCE = 1e-5
"""Allowed relative difference between a cluster's energy and the sum of its shares; both are
single precision."""


def pack(
    chunks: Iterable[Events],
    path: Path,
    provenance: Provenance,
    overwrite: bool = False,
    element_set: str = "final",
) -> PackedDataset:
    """Write labelled events as a packed data set.

    Args:
        chunks: Labelled events with the collections `elements`, `targets` and `gen_met`, perhaps
            with `event_weight`, and with `shares` in all of them or in none. One chunk is in
            memory at a time.
        path: Folder to write.
        provenance: Provenance of the labelled events; it names their detector.
        overwrite: Whether to replace a folder of other provenance.
        element_set: Name of the element set that the events were labelled with.

    Returns:
        The data set, opened.

    Raises:
        DataError: A value is not finite, the shares of a cluster do not sum to its energy, or
            only some chunks have shares. The message names event and column.
        SchemaError: `provenance` names no detector.
        OutputError: `path` cannot be written.
    """
    face = CalorimeterFace.of(recorded_detector(provenance, str(path)))
    with growing_folder(path, provenance, overwrite) as folder:
        if folder is not None:
            description = {
                "format": PACKED_FORMAT,
                "features": ELEMENTS.names,
                "targets": column_names(TargetColumn),
                "face": asdict(face),
                "elements": element_set,
                **_write_arrays(chunks, folder),
            }
            write_text(folder / DESCRIPTION_FILE, json.dumps(description, indent=1))
    return PackedDataset.open(path)


def target_matrix(targets: Collection) -> Array:
    """Targets [element, target], float32, columns as in `TargetColumn`."""
    values = np.empty((len(targets), len(TargetColumn)), dtype=np.float32)
    values[:, TargetColumn.CLASS] = class_index(targets.pdg_id)
    for column in TargetColumn:
        if column is not TargetColumn.CLASS:
            values[:, column] = targets.columns[column.name.lower()]
    return values


def _write_arrays(chunks: Iterable[Events], folder: Path) -> dict[str, Any]:
    """Write all arrays into `folder`; returns their part of the description."""
    chunks = iter(chunks)
    first = list(islice(chunks, 1))
    has_shares = any("shares" in events.collections for events in first)
    formats = ELEMENT_ARRAYS | BACKGROUND_ARRAYS | EVENT_ARRAYS
    formats |= SHARE_ARRAYS if has_shares else {}
    processes: dict[str, int] = {}
    num_targets = 0
    element_counts, share_counts, weights = [], [], []  # of the events of each chunk
    with contextlib.ExitStack() as files:
        append = {
            name: files.enter_context(_appended_array(folder / f"{name}.npy", *row_format))
            for name, row_format in formats.items()
        }
        for events in chain(first, chunks):
            if has_shares != ("shares" in events.collections):
                raise DataError("shares: only some of the shards have them; label the events again")
            rows = _checked_matrices(events)
            rows["is_pu"] = events.targets.is_pu != 0
            rows["event_id"] = events.event_id
            index = [processes.setdefault(name, len(processes)) for name in events.process]
            rows["process_index"] = np.array(index, dtype=np.int64)
            if has_shares:
                rows |= _checked_shares(events, rows["features"])
                share_counts.append(events.shares.counts)
            for name in formats:
                append[name](rows[name])
            element_counts.append(events.elements.counts)
            weights.append(_event_weight(events))
            num_targets += int(np.count_nonzero(events.targets.pdg_id))
    num_elements = _write_offsets(folder / "offsets.npy", element_counts)
    num_shares = _write_offsets(folder / "share_offsets.npy", share_counts) if has_shares else None
    if any(np.any(weight != 1) for weight in weights):
        np.save(folder / f"{EVENT_WEIGHT}.npy", np.concatenate(weights))
    return {
        "processes": list(processes),
        "num_events": sum(map(len, element_counts)),
        "num_elements": num_elements,
        "num_targets": num_targets,
        "num_shares": num_shares,
        "largest_event": max((int(c.max(initial=0)) for c in element_counts), default=0),
    }


def _event_weight(events: Events) -> Array:
    """Weight of each event, [event] float32; 1 where the events have none."""
    if EVENT_WEIGHT not in events.collections:
        return np.ones(len(events), dtype=np.float32)
    collection = events.collections[EVENT_WEIGHT]
    _check_counts(events, collection.counts, np.ones(len(events)), "weights for one event")
    is_bad = ~np.isfinite(collection.weight)
    if np.any(is_bad):
        event = np.flatnonzero(is_bad)[0]
        raise DataError(
            f"event {events.event_id[event]}: its weight is {collection.weight[event]}; "
            "leave the event out or make it again"
        )
    return collection.weight.astype(np.float32)


def _write_offsets(path: Path, counts: list[Array]) -> int:
    """Write the offsets of events with `counts` rows; returns the number of rows."""
    offsets = offsets_from_counts(np.concatenate([np.zeros(0, np.int64), *counts]))
    np.save(path, offsets)
    return int(offsets[-1])


@contextlib.contextmanager
def _appended_array(
    path: Path, dtype: type[np.generic], row_shape: tuple[int, ...]
) -> Iterator[Callable[[Array], None]]:
    """Write an `.npy` file whose rows come in parts; yields the function that appends a part.

    The header comes before the rows and holds their number. NumPy pads it so that the number can
    be filled in at the end (`numpy.lib.format.GROWTH_AXIS_MAX_DIGITS`).
    """
    num_rows = 0

    def append(rows: Array) -> None:
        nonlocal num_rows
        stream.write(np.ascontiguousarray(rows, dtype=dtype).data)
        num_rows += len(rows)

    with path.open("wb") as stream:
        _write_header(stream, dtype, (0, *row_shape))
        yield append
        stream.seek(0)
        _write_header(stream, dtype, (num_rows, *row_shape))


def _write_header(stream: BinaryIO, dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    """Write the header of an `.npy` file with an array of `shape`."""
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)


def _checked_matrices(events: Events) -> dict[str, Array]:
    """Float32 matrices `features`, `targets` and `gen_met` of labelled events.

    Raises DataError unless they are parallel and finite.
    """
    elements, targets, gen_met = events.elements, events.targets, events.gen_met
    _check_counts(events, targets.counts, elements.counts, "targets for elements")
    _check_counts(events, gen_met.counts, np.ones(len(events)), "rows of gen_met for one event")
    matrices = {
        "features": feature_matrix(elements),
        "targets": target_matrix(targets),
        "gen_met": np.stack([gen_met.px, gen_met.py], axis=1).astype(np.float32),
    }
    for name, collection, columns in (
        ("features", "elements", ELEMENTS.names),
        ("targets", "targets", column_names(TargetColumn)),
        ("gen_met", "gen_met", column_names(MetColumn)),
    ):
        values = matrices[name]
        is_bad = ~np.isfinite(values)
        if np.any(is_bad):
            row, column = np.argwhere(is_bad)[0]
            event_id = events.event_id[events.collections[collection].event_index[row]]
            raise DataError(
                f"event {event_id}: {collection}.{columns[column]} is {values[row, column]} "
                f"({is_bad.sum()} such values in its row group); "
                "leave the event out or make it again"
            )
    return matrices


def _check_counts(events: Events, counts: Array, expected: Array, what: str) -> None:
    """Raise DataError, naming the event, unless `counts` [event] are as `expected` [event]."""
    is_wrong = counts != expected
    if np.any(is_wrong):
        event = np.flatnonzero(is_wrong)[0]
        raise DataError(
            f"event {events.event_id[event]}: {counts[event]:g} {what}, not {expected[event]:g}; "
            "label the events again"
        )


def _checked_shares(events: Events, features: Array) -> dict[str, Array]:
    """Energy shares of labelled events as arrays; `features` are those of their elements.

    Raises DataError, naming the event, where a share refers to an element that the event does
    not have, or where the shares of an element do not sum to its energy.
    """
    shares, elements = events.shares, events.elements
    event_index = shares.event_index
    num_elements = elements.counts[event_index]
    for name, lowest in (("cluster_element", 0), ("owner_element", -1)):
        index = shares.columns[name]
        is_outside = (index < lowest) | (index >= num_elements)
        if np.any(is_outside):
            row = np.flatnonzero(is_outside)[0]
            raise DataError(
                f"event {events.event_id[event_index[row]]}: shares.{name} is {index[row]} of "
                f"{num_elements[row]} elements; label the events again"
            )
    rows = elements.flat_index(event_index, shares.cluster_element)
    shared_energy = np.bincount(rows, shares.energy_em, len(elements))
    is_cluster = features[:, ClusterFeature.TYPE] == CLUSTER
    energy = np.where(is_cluster, features[:, ClusterFeature.ENERGY], 0.0)
    is_equal = np.abs(shared_energy - energy) <= SHARE_TOLERANCE * np.abs(energy)
    if not np.all(is_equal):  # a NaN is not equal
        row = np.flatnonzero(~is_equal)[0]
        raise DataError(
            f"event {events.event_id[elements.event_index[row]]}: shares of an element sum to "
            f"{shared_energy[row]:.6g} GeV of {energy[row]:.6g} GeV; label the events again"
        )
    return {
        "share_cluster": shares.cluster_element,
        "share_owner": shares.owner_element,
        "share_energy": shares.energy_em,
    }
