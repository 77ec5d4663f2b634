"""The files of a packed data set: names, types and shapes, and the checks when they are opened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from partflow.core.errors import InputError, SchemaError
from partflow.core.face import CalorimeterFace
from partflow.core.features import ELEMENTS
from partflow.core.records import Array
from partflow.dataset.columns import MetColumn, TargetColumn, column_names

PACKED = "packed"
"""Folder of the packed arrays in a folder of labelled events."""
PACKED_FORMAT = 3
DESCRIPTION_FILE = "dataset.json"
RowFormat = tuple[type[np.generic], tuple[int, ...]]
"""Type of the values of an array, and shape of one row."""
ELEMENT_ARRAYS: dict[str, RowFormat] = {
    "features": (np.float32, (len(ELEMENTS.names),)),
    "targets": (np.float32, (len(TargetColumn),)),
}
"""Arrays with a row for each element. Each array is NAME.npy in the folder."""
BACKGROUND_ARRAYS: dict[str, RowFormat] = {"is_pu": (np.bool_, ())}
"""Arrays with a row for each element that a data set may lack: those of earlier versions do."""
EVENT_ARRAYS: dict[str, RowFormat] = {
    "gen_met": (np.float32, (len(MetColumn),)),
    "event_id": (np.int64, ()),
    "process_index": (np.int64, ()),
}
"""Arrays with a row for each event."""
SHARE_ARRAYS: dict[str, RowFormat] = {
    "share_cluster": (np.int32, ()),
    "share_owner": (np.int32, ()),
    "share_energy": (np.float32, ()),
}
"""Arrays with a row for each energy share, if the events were labelled with them."""
EVENT_WEIGHT = "event_weight"
"""Name of the array with the weight of each event, which a data set may lack."""
NUMBERS = ("num_events", "num_elements", "num_targets", "largest_event")
_NEEDED = ("features", "targets", "face", "elements", "processes", "num_shares", *NUMBERS)
_AGAIN = "make it again with `partflow label` (published data: `partflow ingest`)"


def read_description(folder: Path) -> dict[str, Any]:
    """The description of the data set in `folder`.

    Raises InputError where there is none or it is damaged, SchemaError where its format or its
    columns are not those of this version.
    """
    path = folder / DESCRIPTION_FILE
    try:
        description: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{folder}: no packed data set ({DESCRIPTION_FILE} is missing); "
            "make one with `partflow label`"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {_AGAIN}") from error
    if not isinstance(description, dict):
        raise InputError(f"{path}: is no description of a data set; {_AGAIN}")
    if description.get("format") != PACKED_FORMAT:
        raise SchemaError(
            f"{path}: written in format {description.get('format')}, this version reads "
            f"{PACKED_FORMAT}; {_AGAIN}"
        )
    missing = [name for name in _NEEDED if name not in description]
    if missing:
        raise SchemaError(f"{path}: {', '.join(missing)} missing; {_AGAIN}")
    for kind, names in (("features", ELEMENTS.names), ("targets", column_names(TargetColumn))):
        if tuple(description[kind]) != names:
            other = sorted(set(description[kind]) ^ set(names)) or ["their order"]
            raise SchemaError(
                f"{path}: packed with other {kind} ({', '.join(other)} differ); {_AGAIN}"
            )
    return description


def read_face(folder: Path, description: Mapping[str, Any]) -> CalorimeterFace:
    """The inner face of the calorimeter in a description."""
    try:
        return CalorimeterFace(**description["face"])
    except TypeError as error:
        raise SchemaError(f"{folder / DESCRIPTION_FILE}: face ({error}); {_AGAIN}") from error


def open_arrays(folder: Path, description: Mapping[str, Any]) -> dict[str, Array]:
    """All arrays of the data set in `folder`, memory-mapped, by name.

    Raises InputError, naming file and reason, where an array cannot be read, is not of the size in
    the description, or where its offsets or indices are impossible.
    """
    num_events = description["num_events"]
    num_rows = {"offsets": description["num_elements"], "share_offsets": description["num_shares"]}
    has_background = all((folder / f"{name}.npy").exists() for name in BACKGROUND_ARRAYS)
    element_arrays = ELEMENT_ARRAYS | (BACKGROUND_ARRAYS if has_background else {})
    lengths = dict.fromkeys(element_arrays, num_rows["offsets"]) | dict.fromkeys(
        EVENT_ARRAYS, num_events
    )
    formats = element_arrays | EVENT_ARRAYS
    if num_rows["share_offsets"] is None:
        del num_rows["share_offsets"]
    else:
        lengths |= dict.fromkeys(SHARE_ARRAYS, num_rows["share_offsets"])
        formats = formats | SHARE_ARRAYS
    arrays = {
        name: _open_array(folder, name, row_format, lengths[name])
        for name, row_format in formats.items()
    }
    for name, number in num_rows.items():
        arrays[name] = _open_array(folder, name, (np.int64, ()), num_events + 1)
        _check_offsets(folder / f"{name}.npy", arrays[name], number)
    is_known = (arrays["process_index"] >= 0) & (
        arrays["process_index"] < len(description["processes"])
    )
    if not np.all(is_known):
        event = int(np.flatnonzero(~is_known)[0])
        raise InputError(
            f"{folder / 'process_index.npy'}: event {event} is of process "
            f"{arrays['process_index'][event]} of {len(description['processes'])}; {_AGAIN}"
        )
    return arrays


def open_event_weight(folder: Path, num_events: int) -> Array | None:
    """Weight of each event, float32, in memory; None if the data set has no weights.

    Raises InputError where the array is not of that size, or where a weight is not finite.
    """
    path = folder / f"{EVENT_WEIGHT}.npy"
    if not path.exists():
        return None
    weight = np.array(_open_array(folder, EVENT_WEIGHT, (np.floating, ()), num_events), np.float32)
    if not np.all(np.isfinite(weight)):
        event = int(np.flatnonzero(~np.isfinite(weight))[0])
        raise InputError(
            f"{path}: the weight of event {event} is {weight[event]}; write finite weights, or "
            "delete the file for weights of 1"
        )
    return weight


def _open_array(folder: Path, name: str, row_format: RowFormat, length: int) -> Array:
    """Memory-map an array; raises InputError unless it has this format and length."""
    path = folder / f"{name}.npy"
    try:
        array: Array = np.asarray(np.load(path, mmap_mode="r"))
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {_AGAIN}") from error
    dtype, row_shape = row_format
    if array.shape != (length, *row_shape):
        raise InputError(
            f"{folder}: {name}.npy holds {array.shape}, "
            f"{DESCRIPTION_FILE} says {(length, *row_shape)}; {_AGAIN}"
        )
    is_native = np.issubdtype(array.dtype, dtype) and array.dtype.isnative
    if not is_native or not array.flags.c_contiguous:
        raise InputError(
            f"{path}: holds {array.dtype.str} values, {dtype.__name__} row by row are needed; "
            f"{_AGAIN}"
        )
    return array


def _check_offsets(path: Path, offsets: Array, num_rows: int) -> None:
    """Raise InputError unless `offsets` rise from 0 to `num_rows`."""
    if offsets[0] != 0 or offsets[-1] != num_rows:
        raise InputError(
            f"{path}: runs from {offsets[0]} to {offsets[-1]}, {DESCRIPTION_FILE} says from 0 to "
            f"{num_rows}; the file is damaged, {_AGAIN}"
        )
    is_falling = offsets[1:] < offsets[:-1]
    if np.any(is_falling):
        event = int(np.flatnonzero(is_falling)[0])
        raise InputError(
            f"{path}: falls from {offsets[event]} to {offsets[event + 1]} at event {event}; "
            f"the file is damaged, {_AGAIN}"
        )
