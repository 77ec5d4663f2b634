"""Packed batches: the elements of several events one after the other, without padding.

A `Batch` holds the inputs of a network. A `LabelledBatch` adds the truth, for training only:
reconstruction never receives it. `dataset.loader` reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, Self

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from partflow.core.features import CLUSTER, TRACK, TrackFeature, feature_matrix
from partflow.core.records import Array, Collection


@dataclass(frozen=True)
class Batch:
    """Elements of some events: the inputs of a network.

    The elements of event `i` are rows `offsets[i]:offsets[i + 1]`, tracks before clusters. Events
    may be empty. In training, events are sorted by size, so that events of similar size can share
    a kernel call; code must not rely on this order.
    """

    event_id: Int64[Tensor, " event"]
    """Identity of each event."""
    offsets: Int64[Tensor, "event+1"]
    """First row of each event, then the number of rows."""
    features: Float32[Tensor, "element feature"]
    """Columns as in `core.features`, in physical units."""
    event_index: Int64[Tensor, " element"]
    """Index in the batch of each element's event; does not decrease."""
    counts: tuple[int, ...]
    """Elements of each event, on the host, so that grouping events by size needs no transfer."""

    @property
    def num_events(self) -> int:
        """Number of events, empty ones included."""
        return len(self.counts)

    def __len__(self) -> int:
        """Number of elements."""
        return len(self.event_index)

    @property
    def is_track(self) -> Bool[Tensor, " element"]:
        """Whether each element is a track."""
        return self.features[:, TrackFeature.TYPE] == TRACK

    @property
    def is_cluster(self) -> Bool[Tensor, " element"]:
        """Whether each element is a cluster."""
        return self.features[:, TrackFeature.TYPE] == CLUSTER

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """Copy of the batch on another device."""
        return self._with_tensors(lambda x: x.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """Copy of the batch in page-locked memory, for asynchronous copies to a GPU."""
        return self._with_tensors(Tensor.pin_memory)

    def _with_tensors(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Copy of the batch with `function` applied to every tensor."""
        changed: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if torch.is_tensor(value):
                changed[f.name] = function(value)
            elif isinstance(value, Shares):
                changed[f.name] = Shares(*(function(column) for column in value))
        return replace(self, **changed)


class Shares(NamedTuple):
    """Labelled energy shares of the clusters of a batch, in the order of the clusters.

    The shares of a cluster sum to its energy.
    """

    cluster: Int64[Tensor, " share"]
    """Row of the cluster in the batch."""
    owner: Int64[Tensor, " share"]
    """Row of the element whose target the energy belongs to; -1 if unassigned."""
    energy_em: Float32[Tensor, " share"]
    """EM-scale energy [GeV]."""


@dataclass(frozen=True)
class LabelledBatch(Batch):
    """A batch with its truth."""

    targets: Float32[Tensor, "element target"]
    """Columns as in `dataset.columns.TargetColumn`."""
    gen_met: Float32[Tensor, "event 2"]
    """(px, py) of the sum of the visible generator particles [GeV]."""
    process_index: Int64[Tensor, " event"]
    """Index of each event's process in `Mixture.processes`."""
    event_weight: Float32[Tensor, " event"]
    """Weight of each event; 1 if the data set has none."""
    shares: Shares | None = None
    """Energy shares; None if the data set has none."""
    is_pu: Bool[Tensor, " element"] | None = None
    """Whether the target is from overlaid background; None if a data set does not tell."""


def batch_of_elements(elements: Collection, event_id: Array) -> Batch:
    """All events of `elements` (see `core.features.build_elements`) as one batch, in order."""
    return Batch(
        event_id=torch.from_numpy(event_id.astype("i8")),
        offsets=torch.from_numpy(elements.offsets),
        features=torch.from_numpy(feature_matrix(elements)),
        event_index=torch.from_numpy(elements.event_index),
        counts=tuple(elements.counts.tolist()),
    )
