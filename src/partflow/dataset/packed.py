"""A packed data set on disk: flat memory-mapped arrays, offsets, and what the columns mean."""

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
from partflow.core.records import Array
from partflow.dataset.columns import TargetColumn
from partflow.dataset.draws import uniform
from partflow.dataset.shares import SHARE_ARRAYS, PackedShares, rows_of_events

FORMAT = 3
DESCRIPTION_FILE = "dataset.json"
FEATURE_NAMES = ELEMENTS.names
TARGET_NAMES = tuple(column.name.lower() for column in TargetColumn)
ARRAYS = ("features", "targets", "offsets", "event_id", "process_index", "gen_met")
"""Each is NAME.npy in the folder."""
_SPLIT_KEY = 0x5B117  # sets the draw of the split apart from every other draw of an event
_AGAIN = "make it again with `partflow label` (published data: `partflow ingest`)"


@dataclass(frozen=True)
class PackedDataset:
    """Labelled events as flat arrays; the elements of event `i` are rows
    `offsets[i]:offsets[i + 1]`. Nothing is read before it is used.
    """

    folder: Path
    """Where it lies."""
    features: Array = field(repr=False)
    """[element, NUM_FEATURES] float32, columns as in `core.features`."""
    targets: Array = field(repr=False)
    """[element, NUM_TARGET_COLUMNS] float32, columns as in `TargetColumn`."""
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
    """Inner face of the calorimeter of the detector that the events are of."""
    elements: str = "final"
    """Set of elements (`core.features.ELEMENT_SETS`) that the events were labelled with."""
    shares: PackedShares | None = field(default=None, repr=False)
    """Where the energy of each cluster should go, if the labels say so."""

    @classmethod
    def open(cls, folder: Path) -> PackedDataset:
        """The data set in `folder`.

        Raises InputError where there is none or a file is damaged, SchemaError where it was
        packed with other columns than this version's.
        """
        folder = Path(folder)
        description = _read_description(folder)
        arrays = {name: _open_array(folder / f"{name}.npy") for name in ARRAYS}
        num_events, num_elements = description["num_events"], description["num_elements"]
        num_shares = description["num_shares"]
        if num_shares is not None:
            arrays |= {name: _open_array(folder / f"{name}.npy") for name in SHARE_ARRAYS}
        expected = {
            "features": (num_elements, len(FEATURE_NAMES)),
            "targets": (num_elements, len(TARGET_NAMES)),
            "offsets": (num_events + 1,),
            "event_id": (num_events,),
            "process_index": (num_events,),
            "gen_met": (num_events, 2),
        }
        shares = dict.fromkeys(SHARE_ARRAYS, (num_shares,)) | {"share_offsets": (num_events + 1,)}
        for name, shape in (expected if num_shares is None else expected | shares).items():
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
            elements=description["elements"],
            shares=None if num_shares is None else _shares(arrays),
        )

    def __len__(self) -> int:
        """Number of events."""
        return len(self.event_id)

    @property
    def counts(self) -> Array:
        """Elements of each event, [event]."""
        return np.diff(self.offsets)

    def rows(self, events: Array) -> Array:
        """Rows of the elements of `events` (numbers of events), one event after the other."""
        return rows_of_events(self.offsets, events)

    def split(self, validation_fraction: float = 0.1) -> tuple[Array, Array]:
        """Numbers of the events for training and of those for validation.

        An event's side depends on its `event_id` alone: adding events moves none, and a larger
        fraction takes events out of the training only. Raises ConfigError for a fraction
        outside [0, 1].
        """
        if not 0.0 <= validation_fraction <= 1.0:
            raise ConfigError(
                f"validation fraction {validation_fraction}: it must be between 0 and 1"
            )
        is_validation = uniform(self.event_id, _SPLIT_KEY) < validation_fraction
        return np.flatnonzero(~is_validation), np.flatnonzero(is_validation)

    def __reduce__(self) -> tuple[Callable[[Path], PackedDataset], tuple[Path]]:
        """A copy in another process maps the files itself instead of receiving the arrays."""
        return PackedDataset.open, (self.folder,)


def _read_description(folder: Path) -> dict[str, Any]:
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
    if description.get("format") != FORMAT:
        raise SchemaError(
            f"{path}: written in format {description.get('format')}, this version reads "
            f"{FORMAT}; {_AGAIN}"
        )
    for kind, names in (("features", FEATURE_NAMES), ("targets", TARGET_NAMES)):
        if tuple(description[kind]) != names:
            other = sorted(set(description[kind]) ^ set(names)) or ["their order"]
            raise SchemaError(
                f"{path}: packed with other {kind} ({', '.join(other)} differ); {_AGAIN}"
            )
    return description


def _shares(arrays: Mapping[str, Array]) -> PackedShares:
    offsets, *columns = (arrays[name] for name in SHARE_ARRAYS)
    return PackedShares(np.array(offsets), *columns)


def _open_array(path: Path) -> Array:
    try:
        return np.asarray(np.load(path, mmap_mode="r"))
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {_AGAIN}") from error
