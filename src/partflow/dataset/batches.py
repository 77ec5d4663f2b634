"""Packed batches: the elements of several events one after the other, never padded.

The only file of this room that imports torch. A `Batch` is what a network sees; a
`LabelledBatch` adds the truth, which a training needs and a reconstruction is never handed.
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
from partflow.dataset.shares import rows_of_events

POOL_BATCHES = 50
"""Batches drawn together: within so many, events are put with others of their size."""


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

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """The same batch on another device."""
        return self._with_tensors(lambda x: x.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """The same batch in page-locked memory, from where copies to a GPU run alongside."""
        return self._with_tensors(Tensor.pin_memory)

    def _with_tensors(self, function: Callable[[Tensor], Tensor]) -> Self:
        changed: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if torch.is_tensor(value):
                changed[f.name] = function(value)
            elif isinstance(value, Shares):
                changed[f.name] = Shares(*(function(column) for column in value))
        return replace(self, **changed)


class Shares(NamedTuple):
    """Where the energy of every cluster of a batch should go; the shares of a cluster sum to its
    energy. In the order of the clusters, nobody's share first.
    """

    cluster: Int64[Tensor, " share"]
    """Row of the cluster in the batch."""
    owner: Int64[Tensor, " share"]
    """Row of the element that holds the target the energy belongs to; -1 for nobody."""
    energy_em: Float32[Tensor, " share"]
    """EM scale [GeV]."""


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
    """Energy shares, where the data set has them."""


def batch_of_elements(elements: Collection, event_id: Array) -> Batch:
    """`elements` (see `core.features.build_elements`) of all events as one batch, in order."""
    return Batch(
        event_id=torch.from_numpy(event_id.astype("i8")),
        offsets=torch.from_numpy(elements.offsets),
        features=torch.from_numpy(feature_matrix(elements)),
        event_index=torch.from_numpy(elements.event_index),
        counts=tuple(elements.counts.tolist()),
    )


class Selection(NamedTuple):
    """The events of one batch, and the epoch it is drawn in."""

    epoch: int
    events: Array
    """Numbers of events in the data set, [event]."""


class BucketBatchSampler(Sampler[Selection]):
    """Batches of events of similar size, as many as fit a budget of elements.

    The batches of an epoch follow from `seed` and the epoch alone, whatever came before: a
    training that was cut short goes on with `resume`. Events without elements are left out:
    there is nothing to learn from them.
    """

    def __init__(
        self,
        counts: Array,
        events: Array,
        max_elements: int,
        seed: int = 0,
        shuffle: bool = True,
    ) -> None:
        """Batches of `events` (numbers of events, sizes `counts` [all events]).

        A batch holds at most `max_elements` elements, or one event that alone has more. Without
        `shuffle` every epoch is the same, from the smallest event to the largest. Raises
        ConfigError for a budget below one element.
        """
        if max_elements < 1:
            raise ConfigError(f"max_elements = {max_elements}: a batch needs room for one element")
        self._events = np.asarray(events, dtype=np.int64)[np.asarray(counts)[events] > 0]
        self._counts = np.asarray(counts, dtype=np.int64)[self._events]
        self._max_elements = max_elements
        self._seed = seed
        self._shuffle = shuffle
        self._epoch = 0
        self._first_batch = 0
        self._drawn: tuple[int, list[Array]] | None = None

    def set_epoch(self, epoch: int) -> None:
        """The epoch to draw next; begins with its first batch unless `resume` asked otherwise."""
        if epoch != self._epoch:
            self._epoch, self._first_batch = epoch, 0

    def resume(self, epoch: int, first_batch: int) -> None:
        """Begin `epoch` at batch `first_batch`; the epochs after it are whole again."""
        self._epoch, self._first_batch = epoch, first_batch

    def __iter__(self) -> Iterator[Selection]:
        for events in self._batches()[self._first_batch :]:
            yield Selection(self._epoch, events)

    def __len__(self) -> int:
        """Batches of the current epoch that are still to come when it begins."""
        return max(len(self._batches()) - self._first_batch, 0)

    @property
    def num_events(self) -> int:
        """Events that come in every epoch: those with elements."""
        return len(self._events)

    def _batches(self) -> list[Array]:
        """Numbers of the events of every batch of the current epoch."""
        if self._drawn is None or self._drawn[0] != self._epoch:
            self._drawn = self._epoch, self._draw()
        return self._drawn[1]

    def _draw(self) -> list[Array]:
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
        return [self._events[batch] for batch in by_size]


def _cut(order: Array, counts: Array, budget: int) -> list[Array]:
    """`order` in parts whose `counts` sum to at most `budget`; a larger event stands alone."""
    ends = np.cumsum(counts)
    parts: list[Array] = []
    start, done = 0, 0
    while start < len(order):
        stop = max(int(np.searchsorted(ends, done + budget, side="right")), start + 1)
        parts.append(order[start:stop])
        start, done = stop, int(ends[stop - 1])
    return parts


class PackedBatches(Dataset[LabelledBatch]):
    """The batches of a packed data set, by the events they hold."""

    def __init__(self, dataset: PackedDataset, augmentation_seed: int | None = None) -> None:
        """With an `augmentation_seed` every event is seen through a symmetry of the detector,
        drawn anew in every epoch (`dataset.augmentation`).
        """
        self._dataset = dataset
        self._augmentation_seed = augmentation_seed

    def __getitem__(self, selection: Selection) -> LabelledBatch:
        """The batch of `selection`."""
        data, events = self._dataset, selection.events
        rows = data.rows(events)
        counts = data.counts[events]
        event_index = np.repeat(np.arange(len(events)), counts)
        features, targets, gen_met = data.features[rows], data.targets[rows], data.gen_met[events]
        if self._augmentation_seed is not None:
            symmetry = draw_symmetry(
                data.event_id[events], self._augmentation_seed, selection.epoch
            )
            features = transform_features(features, symmetry.take(event_index))
            targets = transform_targets(targets, symmetry.take(event_index))
            gen_met = transform_met(gen_met, symmetry)
        return LabelledBatch(
            event_id=torch.from_numpy(data.event_id[events]),
            offsets=torch.from_numpy(offsets_from_counts(counts)),
            features=torch.from_numpy(features),
            event_index=torch.from_numpy(event_index),
            counts=tuple(counts.tolist()),
            targets=torch.from_numpy(targets),
            gen_met=torch.from_numpy(gen_met),
            process_index=torch.from_numpy(data.process_index[events]),
            shares=_batch_shares(data, events, offsets_from_counts(counts)),
        )


def _batch_shares(data: PackedDataset, events: Array, offsets: Array) -> Shares | None:
    """Shares of `events`, whose elements begin at `offsets` [event + 1] in the batch."""
    packed = data.shares
    if packed is None:
        return None
    rows = rows_of_events(packed.offsets, events)
    first = np.repeat(offsets[:-1], packed.counts[events])
    owner = packed.owner[rows].astype(np.int64)
    return Shares(
        cluster=torch.from_numpy(packed.cluster[rows] + first),
        owner=torch.from_numpy(np.where(owner >= 0, owner + first, -1)),
        energy_em=torch.from_numpy(packed.energy_em[rows]),
    )


def batch_loader(
    dataset: PackedDataset,
    events: Array,
    max_elements: int,
    *,
    seed: int = 0,
    shuffle: bool = True,
    augment: bool = False,
    num_workers: int = 0,
    pin_memory: bool = False,
) -> DataLoader[LabelledBatch]:
    """Loader of the batches of `events`; its `sampler` is the `BucketBatchSampler`.

    Raises DataError if none of the events has an element.
    """
    sampler = BucketBatchSampler(dataset.counts, events, max_elements, seed, shuffle)
    if len(sampler) == 0:
        raise DataError(
            f"{dataset.folder}: none of the {len(events)} events chosen has an element; "
            "label more events"
        )
    return DataLoader(
        PackedBatches(dataset, seed if augment else None),
        sampler=sampler,
        batch_size=None,  # an item is a whole batch already
        num_workers=num_workers,
        pin_memory=pin_memory,
    )
