"""A packed data set: a folder of flat memory-mapped arrays with offsets and a description.

    dataset.json      format, names of the columns, numbers of events and elements, detector
    features.npy      [element, feature]    columns as in `core.features`
    targets.npy       [element, target]     columns as in `columns.TargetColumn`
    offsets.npy       [event + 1]           first element of each event, and their number
    event_id.npy      [event]
    process_index.npy [event]               index in the list of processes of dataset.json
    gen_met.npy       [event, 2]            columns as in `columns.MetColumn`

    is_pu.npy         [element]             whether its target is from overlaid background; data
                                            sets of earlier versions lack it

and, if the events were labelled with energy shares (`core.schemas.SHARES`),

    share_offsets.npy [event + 1]           first share of each event, and their number
    share_cluster.npy, share_owner.npy, share_energy.npy [share]

and, if the events have weights other than 1,

    event_weight.npy  [event]

A weight file may be added to a data set by hand: `numpy.save(folder / "event_weight.npy", weight)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from partflow.core.errors import ConfigError
from partflow.core.face import CalorimeterFace
from partflow.core.records import Array, offsets_from_counts
from partflow.dataset.draws import uniform
from partflow.dataset.packed_files import (
    ELEMENT_ARRAYS,
    EVENT_ARRAYS,
    open_arrays,
    open_event_weight,
    read_description,
    read_face,
)

_SPLIT_KEY = 0x5B117  # makes the draw of the split independent of the event's other draws


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


@dataclass(frozen=True)
class PackedDataset:
    """Labelled events as flat arrays, memory-mapped: rows are read when they are used.

    The elements of event `i` are rows `offsets[i]:offsets[i + 1]`. Offsets, ids, processes and
    weights of events are in memory: 32 bytes per event.
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
    is_pu: Array | None = field(default=None, repr=False)
    """Whether the target of each element is from overlaid background, [element] bool; None in data
    sets of earlier versions, which do not tell."""
    shares: PackedShares | None = field(default=None, repr=False)
    """Energy shares of the clusters; None if the events were labelled without."""
    event_weight: Array | None = field(default=None, repr=False)
    """Weight of each event, [event] float32; None if all are 1. It may be negative."""

    @classmethod
    def open(cls, folder: Path) -> PackedDataset:
        """Open the data set in `folder`.

        Raises InputError where there is none or a file is damaged, SchemaError where its format
        or its columns are not those of this version.
        """
        folder = Path(folder)
        description = read_description(folder)
        arrays = open_arrays(folder, description)
        for name in ("offsets", "event_id", "process_index"):
            arrays[name] = np.array(arrays[name])  # small, and needed for every batch
        return cls(
            folder,
            **{name: arrays[name] for name in (*ELEMENT_ARRAYS, "offsets", *EVENT_ARRAYS)},
            processes=tuple(description["processes"]),
            face=read_face(folder, description),
            element_set=description["elements"],
            is_pu=arrays.get("is_pu"),
            shares=_packed_shares(arrays) if "share_offsets" in arrays else None,
            event_weight=open_event_weight(folder, description["num_events"]),
        )

    def __len__(self) -> int:
        """Number of events."""
        return len(self.event_id)

    @cached_property
    def counts(self) -> Array:
        """Elements of each event, [event]."""
        return np.diff(self.offsets)

    def rows(self, event_index: Array) -> Array:
        """Rows of the elements of the given events, one event after the other."""
        first = self.offsets[event_index]
        counts = self.offsets[np.asarray(event_index) + 1] - first
        return np.arange(counts.sum()) + np.repeat(first - offsets_from_counts(counts)[:-1], counts)

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


def _packed_shares(arrays: Mapping[str, Array]) -> PackedShares:
    """The arrays of the energy shares, with their offsets in memory."""
    columns = (arrays[name] for name in ("share_cluster", "share_owner", "share_energy"))
    return PackedShares(np.array(arrays["share_offsets"]), *columns)
