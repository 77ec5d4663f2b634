"""A packed data set: a folder of flat memory-mapped arrays with offsets and a description.

    dataset.json      format, names of the columns, numbers of events and elements, detector
    features.npy      [element, feature]    columns as in `core.features`
    targets.npy       [element, target]     columns as in `columns.TargetColumn`
    offsets.npy       [event + 1]           first element of each event, and their number
    event_id.npy      [event]
    process_index.npy [event]               index in the list of processes of dataset.json
    gen_met.npy       [event, 2]            columns as in `columns.MetColumn`

and, if the events were labelled with energy shares (`core.schemas.SHARES`),

    share_offsets.npy [event + 1]           first share of each event, and their number
    share_cluster.npy, share_owner.npy, share_energy.npy [share]
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from partflow.core.errors import ConfigError, InputError, SchemaError
from partflow.core.face import CalorimeterFace
from partflow.core.features import ELEMENTS
from partflow.core.records import Array, offsets_from_counts
from partflow.dataset.columns import MetColumn, TargetColumn, column_names
from partflow.dataset.draws import uniform

PACKED_FORMAT = 3
DESCRIPTION_FILE = "dataset.json"
ARRAYS = ("features", "targets", "offsets", "event_id", "process_index", "gen_met")
"""Each is NAME.npy in the folder."""
SHARE_ARRAYS = ("share_offsets", "share_cluster", "share_owner", "share_energy")
"""Each is NAME.npy in the folder of a data set with energy shares."""
_SPLIT_KEY = 0x5B117  # makes the draw of the split independent of the event's other draws
_AGAIN = "make it again with `partflow label` (published data: `partflow ingest`)"


@dataclass(frozen=True)
class PackedShares:
    """Labelled energy shares of all clusters (`core.schemas.SHARES`).

    The shares of event `i` are rows `offsets[i]:offsets[i + 1]`. Indices of elements count from
    the start of their event.
    """

    offsets: Array
    """[event + 1] int64."""
    cluster: Array = field(repr=False)
    """Index of the cluster among the elements, [share] int32."""
    owner: Array = field(repr=False)
    """Index of the element whose target the energy belongs to, -1 if unassigned, [share] int32."""
    energy_em: Array = field(repr=False)
    """EM-scale energy [GeV], [share] float32."""

    @property
    def counts(self) -> Array:
        """Shares of each event, [event]."""
        return np.diff(self.offsets)

    def rows(self, event_index: Array) -> Array:
        """Rows of the shares of the given events, one event after the other."""
        return _rows_of_events(self.offsets, event_index)


@dataclass(frozen=True)
class PackedDataset:
    """Labelled events as flat arrays, memory-mapped: rows are read when they are used.

    The elements of event `i` are rows `offsets[i]:offsets[i + 1]`.
    """

    folder: Path
    """Folder of the arrays."""
    features: Array = field(repr=False)
    """[element, feature] float32, columns as in `core.features`."""
    targets: Array = field(repr=False)
    """[element, target] float32, columns as in `TargetColumn`."""
    offsets: Array = field(repr=False)
    """[event + 1] int64."""
    event_id: Array = field(repr=False)
    """[event] int64."""
    process_index: Array = field(repr=False)
    """[event] int64, index in `processes`."""
    gen_met: Array = field(repr=False)
    """[event, 2] float32, columns as in `MetColumn` [GeV]."""
    processes: tuple[str, ...]
    """Names of the processes."""
    face: CalorimeterFace
    """Inner face of the calorimeter of the events' detector."""
    element_set: str = "final"
    """Element set (`core.features.ELEMENT_SETS`) with which the events were labelled."""
    shares: PackedShares | None = field(default=None, repr=False)
    """Energy shares of the clusters; None if the events were labelled without."""

    @classmethod
    def open(cls, folder: Path) -> PackedDataset:
        """Open the data set in `folder`.

        Raises InputError where there is none or a file is damaged, SchemaError where its format
        or its columns are not those of this version.
        """
        folder = Path(folder)
        description = _read_description(folder)
        shapes = _expected_shapes(description)
        arrays = {name: _open_array(folder / f"{name}.npy") for name in shapes}
        for name, shape in shapes.items():
            if arrays[name].shape != shape:
                raise InputError(
                    f"{folder}: {name}.npy holds {arrays[name].shape}, "
                    f"{DESCRIPTION_FILE} says {shape}; {_AGAIN}"
                )
        # Small, and needed for every batch: in memory.
        for name in ("offsets", "event_id", "process_index"):
            arrays[name] = np.array(arrays[name])
        return cls(
            folder,
            **{name: arrays[name] for name in ARRAYS},
            processes=tuple(description["processes"]),
            face=CalorimeterFace(**description["face"]),
            element_set=description["elements"],
            shares=_packed_shares(arrays) if "share_offsets" in arrays else None,
        )

    def __len__(self) -> int:
        """Number of events."""
        return len(self.event_id)

    @property
    def counts(self) -> Array:
        """Elements of each event, [event]."""
        return np.diff(self.offsets)

    def rows(self, event_index: Array) -> Array:
        """Rows of the elements of the given events, one event after the other."""
        return _rows_of_events(self.offsets, event_index)

    def split(self, validation_fraction: float = 0.1) -> tuple[Array, Array]:
        """Indices of the events for training and of those for validation.

        The `event_id` alone decides: adding events moves none to the other side, and a larger
        fraction only moves events from training to validation. Raises ConfigError for a fraction
        outside [0, 1].
        """
        if not 0.0 <= validation_fraction <= 1.0:
            raise ConfigError(
                f"validation fraction {validation_fraction}: it must be between 0 and 1"
            )
        is_validation = uniform(self.event_id, _SPLIT_KEY) < validation_fraction
        return np.flatnonzero(~is_validation), np.flatnonzero(is_validation)

    def __reduce__(self) -> tuple[Callable[[Path], PackedDataset], tuple[Path]]:
        """Pickle the folder alone: another process maps the files instead of copying them."""
        return PackedDataset.open, (self.folder,)


def _rows_of_events(offsets: Array, event_index: Array) -> Array:
    """Rows of the given events, one after the other, in arrays with `offsets` [all events + 1]."""
    counts = np.diff(offsets)[event_index]
    return np.arange(counts.sum()) + np.repeat(
        offsets[:-1][event_index] - offsets_from_counts(counts)[:-1], counts
    )


def _read_description(folder: Path) -> dict[str, Any]:
    """Read and check the description of the data set in `folder`."""
    path = folder / DESCRIPTION_FILE
    try:
        description: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{folder}: no packed data set ({DESCRIPTION_FILE} is missing); "
            "make one with `partflow label`"
        ) from None
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {_AGAIN}") from error
    if description.get("format") != PACKED_FORMAT:
        raise SchemaError(
            f"{path}: written in format {description.get('format')}, this version reads "
            f"{PACKED_FORMAT}; {_AGAIN}"
        )
    for kind, names in (("features", ELEMENTS.names), ("targets", column_names(TargetColumn))):
        if tuple(description[kind]) != names:
            other = sorted(set(description[kind]) ^ set(names)) or ["their order"]
            raise SchemaError(
                f"{path}: packed with other {kind} ({', '.join(other)} differ); {_AGAIN}"
            )
    return description


def _expected_shapes(description: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Shape of every array of the data set, by name."""
    num_events, num_elements = description["num_events"], description["num_elements"]
    shapes: dict[str, tuple[int, ...]] = {
        "features": (num_elements, len(ELEMENTS.names)),
        "targets": (num_elements, len(TargetColumn)),
        "offsets": (num_events + 1,),
        "event_id": (num_events,),
        "process_index": (num_events,),
        "gen_met": (num_events, len(MetColumn)),
    }
    num_shares = description["num_shares"]
    if num_shares is not None:
        shapes |= dict.fromkeys(SHARE_ARRAYS, (num_shares,))
        shapes["share_offsets"] = (num_events + 1,)
    return shapes


def _packed_shares(arrays: Mapping[str, Array]) -> PackedShares:
    offsets, *columns = (arrays[name] for name in SHARE_ARRAYS)
    return PackedShares(np.array(offsets), *columns)


def _open_array(path: Path) -> Array:
    """Memory-map the array at `path`."""
    try:
        return np.asarray(np.load(path, mmap_mode="r"))
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {_AGAIN}") from error
