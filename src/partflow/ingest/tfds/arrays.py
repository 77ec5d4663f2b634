"""The six arrays of a published event, to labelled events and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from partflow.core.errors import DataError
from partflow.core.features import (
    CLUSTER,
    ELEMENTS,
    NUM_FEATURES,
    NUM_PUBLISHED_FEATURES,
    TRACK,
    ClusterFeature,
    ExtraFeature,
)
from partflow.core.particles import CLASSES, class_index
from partflow.core.records import (
    Array,
    Collection,
    Events,
    offsets_from_counts,
)
from partflow.core.schemas import GEN_MET, JETS, TARGETS

NUM_PUBLISHED_TARGETS = 13
PUBLISHED_TARGETS = TARGETS.names[:NUM_PUBLISHED_TARGETS]
"""Columns of `ytarget` and `ycand`; in place of `pdg_id` these have the index in CLASSES."""
CLASS_COLUMN = PUBLISHED_TARGETS.index("pdg_id")
NUM_ARRAY_COLUMNS = {
    "X": NUM_PUBLISHED_FEATURES,
    "ytarget": NUM_PUBLISHED_TARGETS,
    "ycand": NUM_PUBLISHED_TARGETS,
    "genmet": 1,
    "genjets": len(JETS.names),
    "targetjets": len(JETS.names),
}
"""Number of columns of each array of an event. `genmet` is a single number."""

PublishedEvent = Mapping[str, Array]
"""The arrays of an event by name, [row, column], float32."""


def published_event(lists: Mapping[str, Array]) -> PublishedEvent:
    """The arrays of an event, from the flat lists of its record.

    Raises DataError where an array is missing, or where the arrays cannot be an event: elements
    and targets in different numbers, values that are not finite, clusters before tracks, unknown
    classes.
    """
    arrays = {}
    for name, num_columns in NUM_ARRAY_COLUMNS.items():
        if name not in lists:
            raise DataError(f"no array '{name}' in the record")
        if len(lists[name]) % num_columns:
            raise DataError(f"{len(lists[name])} numbers in '{name}' of {num_columns} columns")
        arrays[name] = lists[name].reshape(-1, num_columns)
        if not np.all(np.isfinite(arrays[name])):
            raise DataError(f"a value in '{name}' that is not finite")
    num_elements = len(arrays["X"])
    for name in ("ytarget", "ycand"):
        if len(arrays[name]) != num_elements:
            raise DataError(f"{len(arrays[name])} rows in '{name}' for {num_elements} elements")
        if not np.all(np.isin(arrays[name][:, CLASS_COLUMN], range(len(CLASSES)))):
            raise DataError(f"a class in '{name}' that is not one of 0 to {len(CLASSES) - 1}")
        if np.any(np.abs(arrays[name]) > np.iinfo(np.int32).max + 1.0):
            raise DataError(f"a value in '{name}' that is too large for a particle")
    if len(arrays["genmet"]) != 1:
        raise DataError(f"{len(arrays['genmet'])} values of 'genmet'")
    kind = arrays["X"][:, ClusterFeature.TYPE]
    if not np.all(np.isin(kind, (TRACK, CLUSTER))) or np.any(np.diff(kind) < 0):
        raise DataError("elements that are not tracks, then clusters")
    return arrays


def to_events(arrays: Sequence[PublishedEvent], event_id: Array, process: str) -> Events:
    """Labelled events (stage `labelled`, with `baseline_targets`).

    The data set holds only the size of the missing momentum: all of it is put into px. It does not
    say where tracks meet the calorimeter: their face columns are 0. Clusters keep their energy
    scale, and `energy_hadronic` is the same energy.
    """
    counts = np.array([len(event["X"]) for event in arrays], dtype=np.int64)
    offsets = offsets_from_counts(counts)
    joined = {
        name: np.concatenate([np.empty((0, n), np.float32), *(event[name] for event in arrays)])
        for name, n in NUM_ARRAY_COLUMNS.items()
    }
    met = {"px": joined["genmet"][:, 0], "py": np.zeros(len(arrays))}
    collections = {
        "elements": Collection(ELEMENTS, offsets, _element_columns(joined["X"])),
        "targets": _targets(offsets, joined["ytarget"]),
        "baseline_targets": _targets(offsets, joined["ycand"]),
        "gen_met": Collection(GEN_MET, np.arange(len(arrays) + 1), met),
    }
    for array, name in (("genjets", "gen_jets"), ("targetjets", "target_jets")):
        num_jets = np.array([len(event[array]) for event in arrays], dtype=np.int64)
        columns = {column: joined[array][:, i] for i, column in enumerate(JETS.names)}
        collections[name] = Collection(JETS, offsets_from_counts(num_jets), columns)
    return Events(event_id, np.full(len(arrays), process, dtype=object), collections)


def from_events(events: Events) -> Iterator[PublishedEvent]:
    """The arrays of each labelled event, in order."""
    met = np.hypot(events.gen_met.px, events.gen_met.py)
    matrices = {
        "X": (events.elements, _matrix(events.elements, ELEMENTS.names[:NUM_PUBLISHED_FEATURES])),
        "ytarget": (events.targets, _target_matrix(events.targets)),
        "ycand": (events.baseline_targets, _target_matrix(events.baseline_targets)),
        "genmet": (events.gen_met, met[:, None]),
        "genjets": (events.gen_jets, _matrix(events.gen_jets, JETS.names)),
        "targetjets": (events.target_jets, _matrix(events.target_jets, JETS.names)),
    }
    for i in range(len(events)):
        yield {
            name: matrix[collection.offsets[i] : collection.offsets[i + 1]].astype(np.float32)
            for name, (collection, matrix) in matrices.items()
        }


def _element_columns(features: Array) -> dict[str, Array]:
    """Columns of ELEMENTS: the published features, and those that follow from them."""
    values = np.zeros((len(features), NUM_FEATURES), dtype=np.float32)
    values[:, :NUM_PUBLISHED_FEATURES] = features
    is_cluster = features[:, ClusterFeature.TYPE] == CLUSTER
    position = features[is_cluster][:, ClusterFeature.X : ClusterFeature.Z + 1]
    distance = np.maximum(np.linalg.norm(position, axis=1, keepdims=True), 1e-9)
    values[is_cluster, ExtraFeature.FACE_X : ExtraFeature.FACE_Z + 1] = position
    values[is_cluster, ExtraFeature.FACE_DX : ExtraFeature.FACE_DZ + 1] = position / distance
    values[is_cluster, ExtraFeature.ENERGY_HADRONIC] = features[is_cluster, ClusterFeature.ENERGY]
    return {name: values[:, i] for i, name in enumerate(ELEMENTS.names)}


def _targets(offsets: Array, matrix: Array) -> Collection:
    """TARGETS from `ytarget` or `ycand`."""
    columns = {name: matrix[:, i] for i, name in enumerate(PUBLISHED_TARGETS)}
    columns["pdg_id"] = np.array(CLASSES)[matrix[:, CLASS_COLUMN].astype(np.int64)]
    columns["particle_index"] = np.full(len(matrix), -1)
    integers = {f.name: np.iinfo(f.dtype) for f in TARGETS.fields if f.dtype.startswith("i")}
    for name, limits in integers.items():  # a float32 may round to one above the largest integer
        columns[name] = np.clip(columns[name].astype(np.float64), limits.min, limits.max)
    return Collection(TARGETS, offsets, columns)


def _target_matrix(targets: Collection) -> Array:
    """`ytarget` or `ycand` of all events, [element, column]."""
    columns = [targets.columns[name].astype(np.float32) for name in PUBLISHED_TARGETS]
    columns[CLASS_COLUMN] = class_index(targets.pdg_id).astype(np.float32)
    return np.stack(columns, axis=1)


def _matrix(collection: Collection, names: Sequence[str]) -> Array:
    return np.stack([collection.columns[name] for name in names], axis=1)
