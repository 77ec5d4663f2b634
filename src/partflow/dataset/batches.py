"""Packed batches: the elements of several events one after the other, without padding.

A `Batch` holds the inputs of a network. A `LabelledBatch` adds the truth, for training only:
reconstruction never receives it. This is the only module of `dataset` that imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from partflow.core.errors import ConfigError, DataError
from partflow.core.features import CLUSTER, TRACK, TrackFeature, feature_matrix
from partflow.core.records import Array, Collection, offsets_from_counts
from partflow.dataset.augmentation import (
    draw_symmetry,
    transform_features,
    transform_met,
    transform_targets,
)
from partflow.dataset.packed import PackedDataset

POOL_BATCHES = 50
"""Batches in a pool: events are shuffled, cut into pools, and sorted by size within each pool."""


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
    """Index of each event's process in `PackedDataset.processes`."""
    shares: Shares | None = None
    """Energy shares; None if the data set has none."""


def batch_of_elements(elements: Collection, event_id: Array) -> Batch:
    """All events of `elements` (see `core.features.build_elements`) as one batch, in order."""
    return Batch(
        event_id=torch.from_numpy(event_id.astype("i8")),
        offsets=torch.from_numpy(elements.offsets),
        features=torch.from_numpy(feature_matrix(elements)),
        event_index=torch.from_numpy(elements.event_index),
        counts=tuple(elements.counts.tolist()),
    )


class Selection(NamedTuple):
    """The events of one batch, and the epoch of the batch."""

    epoch: int
    event_index: Array
    """Indices of the events in the data set, [event]."""


class BucketBatchSampler(Sampler[Selection]):
    """Draws batches of events of similar size, with a limited number of elements.

    The batches of an epoch depend on `seed` and the epoch alone, so an interrupted training can
    continue at any batch (`resume`). Events without elements are left out.
    """

    def __init__(
        self,
        counts: Array,
        event_index: Array,
        max_elements: int,
        seed: int = 0,
        shuffle: bool = True,
    ) -> None:
        """Draw from the events `event_index` of a data set with `counts` elements [all events].

        A batch holds at most `max_elements` elements, or a single event that has more. Without
        `shuffle` all epochs are the same, from the smallest event to the largest. Raises
        ConfigError if `max_elements` is not positive.
        """
        if max_elements < 1:
            raise ConfigError(f"max_elements = {max_elements}; it must be positive")
        event_index = np.asarray(event_index, dtype=np.int64)
        self._event_index = event_index[np.asarray(counts)[event_index] > 0]
        self._counts = np.asarray(counts, dtype=np.int64)[self._event_index]
        self._max_elements = max_elements
        self._seed = seed
        self._shuffle = shuffle
        self._epoch = 0
        self._first_batch = 0
        self._drawn: tuple[int, list[Array]] | None = None

    def set_epoch(self, epoch: int) -> None:
        """Set the next epoch; it starts with its first batch unless `resume` set another."""
        if epoch != self._epoch:
            self._epoch, self._first_batch = epoch, 0

    def resume(self, epoch: int, first_batch: int) -> None:
        """Start `epoch` at batch `first_batch`; later epochs are complete."""
        self._epoch, self._first_batch = epoch, first_batch

    def __iter__(self) -> Iterator[Selection]:
        """The remaining batches of the current epoch."""
        for event_index in self._batches()[self._first_batch :]:
            yield Selection(self._epoch, event_index)

    def __len__(self) -> int:
        """Number of batches of the current epoch, from the first that `resume` set."""
        return max(len(self._batches()) - self._first_batch, 0)

    @property
    def num_events(self) -> int:
        """Number of events of every epoch: those with elements."""
        return len(self._event_index)

    def _batches(self) -> list[Array]:
        """Event indices of every batch of the current epoch."""
        if self._drawn is None or self._drawn[0] != self._epoch:
            self._drawn = self._epoch, self._draw()
        return self._drawn[1]

    def _draw(self) -> list[Array]:
        """Shuffle the events, sort them by size within pools, and cut them into batches."""
        order = np.argsort(self._counts, kind="stable")
        rng = np.random.default_rng([self._seed, self._epoch])
        if self._shuffle:
            drawn = rng.permutation(len(order))
            pool = np.cumsum(self._counts[drawn]) // (POOL_BATCHES * self._max_elements)
            order = drawn[np.lexsort((self._counts[drawn], pool))]
        batches = _cut(order, self._counts[order], self._max_elements)
        if self._shuffle:
            batches = [batches[i] for i in rng.permutation(len(batches))]
        by_size = (batch[np.argsort(self._counts[batch], kind="stable")] for batch in batches)
        return [self._event_index[batch] for batch in by_size]


def _cut(order: Array, counts: Array, budget: int) -> list[Array]:
    """Cut `order` into parts whose `counts` sum to at most `budget`; a larger event is a part."""
    ends = np.cumsum(counts)
    parts: list[Array] = []
    start, done = 0, 0
    while start < len(order):
        stop = max(int(np.searchsorted(ends, done + budget, side="right")), start + 1)
        parts.append(order[start:stop])
        start, done = stop, int(ends[stop - 1])
    return parts


class PackedBatches(Dataset[LabelledBatch]):
    """Batches of a packed data set; the index is a `Selection` of events."""

    def __init__(self, dataset: PackedDataset, augmentation_seed: int | None = None) -> None:
        """With an `augmentation_seed`, a symmetry of the detector is applied to every event, a new
        one in every epoch (`dataset.augmentation`).
        """
        self._dataset = dataset
        self._augmentation_seed = augmentation_seed

    def __getitem__(self, selection: Selection) -> LabelledBatch:
        """The batch of the events of `selection`."""
        data, chosen = self._dataset, selection.event_index
        rows = data.rows(chosen)
        counts = data.counts[chosen]
        event_index = np.repeat(np.arange(len(chosen)), counts)
        features, targets, gen_met = data.features[rows], data.targets[rows], data.gen_met[chosen]
        if self._augmentation_seed is not None:
            symmetry = draw_symmetry(
                data.event_id[chosen], self._augmentation_seed, selection.epoch
            )
            features = transform_features(features, symmetry.take(event_index))
            targets = transform_targets(targets, symmetry.take(event_index))
            gen_met = transform_met(gen_met, symmetry)
        return LabelledBatch(
            event_id=torch.from_numpy(data.event_id[chosen]),
            offsets=torch.from_numpy(offsets_from_counts(counts)),
            features=torch.from_numpy(features),
            event_index=torch.from_numpy(event_index),
            counts=tuple(counts.tolist()),
            targets=torch.from_numpy(targets),
            gen_met=torch.from_numpy(gen_met),
            process_index=torch.from_numpy(data.process_index[chosen]),
            shares=_batch_shares(data, chosen, offsets_from_counts(counts)),
        )


def _batch_shares(data: PackedDataset, event_index: Array, offsets: Array) -> Shares | None:
    """Shares of the given events, whose elements start at `offsets` [event + 1] in the batch."""
    packed = data.shares
    if packed is None:
        return None
    rows = packed.rows(event_index)
    first = np.repeat(offsets[:-1], packed.counts[event_index])
    owner = packed.owner[rows].astype(np.int64)
    return Shares(
        cluster=torch.from_numpy(packed.cluster[rows] + first),
        owner=torch.from_numpy(np.where(owner >= 0, owner + first, -1)),
        energy_em=torch.from_numpy(packed.energy_em[rows]),
    )


def batch_loader(
    dataset: PackedDataset,
    event_index: Array,
    max_elements: int,
    *,
    seed: int = 0,
    shuffle: bool = True,
    augment: bool = False,
    num_workers: int = 0,
    pin_memory: bool = False,
) -> DataLoader[LabelledBatch]:
    """Loader of batches of some events; its `sampler` is a `BucketBatchSampler`.

    Args:
        dataset: The packed data set.
        event_index: Indices of the events, [event].
        max_elements: Largest number of elements in a batch.
        seed: Seed of the order of events and of their symmetries.
        shuffle: Whether to draw new batches in every epoch.
        augment: Whether to apply symmetries of the detector.
        num_workers: Processes that load batches; 0 loads them in this process.
        pin_memory: Whether batches are put in page-locked memory.

    Raises:
        DataError: None of the events has an element.
    """
    sampler = BucketBatchSampler(dataset.counts, event_index, max_elements, seed, shuffle)
    if len(sampler) == 0:
        raise DataError(
            f"{dataset.folder}: none of the {len(event_index)} events chosen has an element; "
            "label more events"
        )
    return DataLoader(
        PackedBatches(dataset, seed if augment else None),
        sampler=sampler,
        batch_size=None,  # an item is a whole batch already
        num_workers=num_workers,
        pin_memory=pin_memory,
    )
