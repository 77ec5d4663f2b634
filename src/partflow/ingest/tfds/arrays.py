"""The six arrays of a published event, and the labelled events they stand for."""

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

NUM_TARGET_COLUMNS = 13
TARGET_NAMES = TARGETS.names[:NUM_TARGET_COLUMNS]
CLASS = 0
JET_COLUMNS = len(JETS.names)
COLUMNS = {
    "X": NUM_PUBLISHED_FEATURES,
    "ytarget": NUM_TARGET_COLUMNS,
    "ycand": NUM_TARGET_COLUMNS,
    "genmet": 1,
    "genjets": JET_COLUMNS,
    "targetjets": JET_COLUMNS,
}
"""Keys of a record and the columns of each array; genmet is one number."""

PublishedEvent = Mapping[str, Array]
"""Arrays [row, column] by key, float32."""


def published_event(lists: Mapping[str, Array]) -> PublishedEvent:
    """The arrays of one record.

    Raises DataError where a key is missing, or where the arrays are not what an event can be:
    parallel, finite, tracks before clusters, classes that there are.
    """
    arrays = {}
    for key, num_columns in COLUMNS.items():
        if key not in lists:
            raise DataError(f"no array '{key}' in the record")
        if len(lists[key]) % num_columns:
            raise DataError(f"{len(lists[key])} numbers in '{key}' of {num_columns} columns")
        arrays[key] = lists[key].reshape(-1, num_columns)
        if not np.all(np.isfinite(arrays[key])):
            raise DataError(f"a value in '{key}' that is no number")
    num_elements = len(arrays["X"])
    for key in ("ytarget", "ycand"):
        if len(arrays[key]) != num_elements:
            raise DataError(f"{len(arrays[key])} rows in '{key}' for {num_elements} elements")
        if not np.all(np.isin(arrays[key][:, CLASS], range(len(CLASSES)))):
            raise DataError(f"a class in '{key}' that is none of 0 to {len(CLASSES) - 1}")
        if np.any(np.abs(arrays[key]) > np.iinfo(np.int32).max + 1.0):
            raise DataError(f"a value in '{key}' beyond any that a particle can have")
    if len(arrays["genmet"]) != 1:
        raise DataError(f"{len(arrays['genmet'])} values of 'genmet'")
    kind = arrays["X"][:, ClusterFeature.TYPE]
    if not np.all(np.isin(kind, (TRACK, CLUSTER))) or np.any(np.diff(kind) < 0):
        raise DataError("elements that are not tracks, then clusters")
    return arrays


def to_events(arrays: Sequence[PublishedEvent], event_id: Array, process: str) -> Events:
    """Labelled events (stage `labelled`, with `baseline_targets`).

    Missing momentum has no direction in a record: all of it is put into px. Where tracks meet
    the calorimeter is not known: their region is 0, none, so that nobody takes the origin for it.
    Clusters have the energy scale that they come with.
    """
    counts = np.array([len(event["X"]) for event in arrays], dtype=np.int64)
    offsets = offsets_from_counts(counts)
    joined = {
        key: np.concatenate([np.empty((0, n), np.float32), *(event[key] for event in arrays)])
        for key, n in COLUMNS.items()
    }
    met = {"px": joined["genmet"][:, 0], "py": np.zeros(len(arrays))}
    collections = {
        "elements": Collection(ELEMENTS, offsets, _element_columns(joined["X"])),
        "targets": _targets(offsets, joined["ytarget"]),
        "baseline_targets": _targets(offsets, joined["ycand"]),
        "gen_met": Collection(GEN_MET, np.arange(len(arrays) + 1), met),
    }
    for key, name in (("genjets", "gen_jets"), ("targetjets", "target_jets")):
        num_jets = np.array([len(event[key]) for event in arrays], dtype=np.int64)
        columns = {n: joined[key][:, i] for i, n in enumerate(JETS.names)}
        collections[name] = Collection(JETS, offsets_from_counts(num_jets), columns)
    return Events(event_id, np.full(len(arrays), process, dtype=object), collections)


def from_events(events: Events) -> Iterator[PublishedEvent]:
    """The arrays of each labelled event, in order."""
    features = np.stack(
        [events.elements.columns[n] for n in ELEMENTS.names[:NUM_PUBLISHED_FEATURES]], axis=1
    )
    matrices = {
        "X": (events.elements.offsets, features),
        "ytarget": (events.targets.offsets, _target_matrix(events.targets)),
        "ycand": (events.baseline_targets.offsets, _target_matrix(events.baseline_targets)),
        "genmet": (
            events.gen_met.offsets,
            np.hypot(events.gen_met.px, events.gen_met.py)[:, None],
        ),
        "genjets": (events.gen_jets.offsets, _jet_matrix(events.gen_jets)),
        "targetjets": (events.target_jets.offsets, _jet_matrix(events.target_jets)),
    }
    for i in range(len(events)):
        yield {
            key: values[offsets[i] : offsets[i + 1]].astype(np.float32)
            for key, (offsets, values) in matrices.items()
        }


def _element_columns(features: Array) -> dict[str, Array]:
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
    columns = {name: matrix[:, i] for i, name in enumerate(TARGET_NAMES)}
    columns["pdg_id"] = np.array(CLASSES)[matrix[:, CLASS].astype(np.int64)]
    columns["particle_index"] = np.full(len(matrix), -1)
    whole = {f.name: np.iinfo(f.dtype) for f in TARGETS.fields if f.dtype.startswith("i")}
    for name, limits in whole.items():  # a float32 may round to one beyond the largest integer
        columns[name] = np.clip(columns[name].astype(np.float64), limits.min, limits.max)
    return Collection(TARGETS, offsets, columns)


def _target_matrix(targets: Collection) -> Array:
    columns = [targets.columns[name].astype(np.float32) for name in TARGET_NAMES]
    columns[CLASS] = class_index(targets.pdg_id).astype(np.float32)
    return np.stack(columns, axis=1)


def _jet_matrix(jets: Collection) -> Array:
    return np.stack([jets.columns[name] for name in JETS.names], axis=1)
