"""Packed batches: the elements of several events one after the other, never padded.

The only file of this room that imports torch. A `Batch` is what a network sees; a
`LabelledBatch` adds the truth, which a training needs and a reconstruction is never handed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from partflow.core.features import CLUSTER, TRACK, TrackFeature, feature_matrix
from partflow.core.records import Array, Collection

AnyBatch = TypeVar("AnyBatch", bound="Batch")


@dataclass(frozen=True)
class Batch:
    """Elements of some events, as a network sees them.

    The elements of event `i` are rows `offsets[i]:offsets[i + 1]`; in each event tracks come
    first. Events of a training stand by increasing size, so that neighbours can share a kernel
    call; nothing may rely on it, and an event may be empty.
    """

    event_id: Int64[Tensor, " event"]
    """Identity of each event."""
    offsets: Int64[Tensor, "event+1"]
    """First row of each event, and the number of rows at the end."""
    features: Float32[Tensor, "element feature"]
    """Columns as in `core.features` (published ones, then ours), in physical units."""
    event_index: Int64[Tensor, " element"]
    """Event of each element, counted within the batch; never decreases."""
    counts: tuple[int, ...]
    """Elements of each event, on the host: grouping events by size needs no transfer."""

    @property
    def num_events(self) -> int:
        """Events in the batch, empty ones included."""
        return len(self.counts)

    def __len__(self) -> int:
        """Elements in the batch."""
        return len(self.event_index)

    @property
    def is_track(self) -> Bool[Tensor, " element"]:
        """Whether each element is a track."""
        return self.features[:, TrackFeature.TYPE] == TRACK

    @property
    def is_cluster(self) -> Bool[Tensor, " element"]:
        """Whether each element is a cluster."""
        return self.features[:, TrackFeature.TYPE] == CLUSTER

    def to(self: AnyBatch, device: torch.device | str, non_blocking: bool = False) -> AnyBatch:
        """The same batch on another device."""
        return self._with_tensors(lambda x: x.to(device, non_blocking=non_blocking))

    def pin_memory(self: AnyBatch) -> AnyBatch:
        """The same batch in page-locked memory, from where copies to a GPU run alongside."""
        return self._with_tensors(Tensor.pin_memory)

    def _with_tensors(self: AnyBatch, function: Callable[[Tensor], Tensor]) -> AnyBatch:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        changed: dict[str, Any] = {n: function(v) for n, v in values.items() if torch.is_tensor(v)}
        return replace(self, **changed)


@dataclass(frozen=True)
class LabelledBatch(Batch):
    """A batch with its truth."""

    targets: Float32[Tensor, "element target"]
    """Columns as in `dataset.columns.TargetColumn`."""
    gen_met: Float32[Tensor, "event 2"]
    """(px, py) of the sum of the visible generator particles [GeV]."""
    process_index: Int64[Tensor, " event"]
    """Index of each event's process in `PackedDataset.processes`."""


def batch_of_elements(elements: Collection, event_id: Array) -> Batch:
    """`elements` (see `core.features.build_elements`) of all events as one batch, in order."""
    return Batch(
        event_id=torch.from_numpy(event_id.astype("i8")),
        offsets=torch.from_numpy(elements.offsets),
        features=torch.from_numpy(feature_matrix(elements)),
        event_index=torch.from_numpy(elements.event_index),
        counts=tuple(elements.counts.tolist()),
    )
