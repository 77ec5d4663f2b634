"""Batches of a mixture: events are read from the memory-mapped arrays when their batch is due.

With `num_workers` threads batches are read ahead while the network computes. The kernels and the
disk work without Python's lock, so threads are enough: on two cores they deliver more than worker
processes, which must send every batch to this one, and none can be killed alone or left behind.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch
from numba import njit

from partflow.core.errors import ConfigError, DataError
from partflow.core.features import CLUSTER, TRACK, TrackFeature
from partflow.core.records import Array, offsets_from_counts
from partflow.dataset.augmentation import (
    draw_symmetry,
    transform_features,
    transform_met,
    transform_targets,
)
from partflow.dataset.batches import LabelledBatch, Shares
from partflow.dataset.mixture import Mixture, Selection
from partflow.dataset.packed import PackedDataset
from partflow.dataset.packed_files import BACKGROUND_ARRAYS, ELEMENT_ARRAYS

BATCHES_AHEAD = 2
"""Batches that are read ahead for each worker."""


def training_batches(
    mixture: Mixture,
    max_elements: int,
    *,
    seed: int,
    augment: bool,
    epoch: int = 0,
    first_batch: int = 0,
    rank: int = 0,
    num_ranks: int = 1,
    num_workers: int = 0,
    pin_memory: bool = False,
) -> Iterator[LabelledBatch]:
    """Training batches of one epoch after another, without end.

    Batches do not depend on the number of workers, and their events not on the number of ranks.

    Args:
        mixture: The sources.
        max_elements: Largest number of elements in a batch, over all ranks.
        seed: Seed of the order of events and of their symmetries.
        augment: Whether to apply symmetries of the detector.
        epoch: Epoch of the first batch.
        first_batch: Number of the first batch in its epoch.
        rank: Which part of each batch to read: its events `rank::num_ranks`, which may be none.
        num_ranks: Parts that each batch is divided into.
        num_workers: Threads that read batches ahead; 0 reads each batch when it is asked for.
        pin_memory: Whether batches are put in page-locked memory.

    Raises:
        ConfigError: An argument is out of range.
        DataError: Elements or shares of an event are impossible; the message names file and event.
    """
    _check_rank(rank, num_ranks)
    if max_elements < 1:
        raise ConfigError(f"max_elements = {max_elements}; it must be positive")
    if num_workers < 0:
        raise ConfigError(f"loader_workers = {num_workers}; give 0 or more")

    def selections() -> Iterator[Selection]:
        number, first = epoch, first_batch
        while True:
            for batch in islice(mixture.batches(number, max_elements, seed), first, None):
                yield batch.of_rank(rank, num_ranks)
            number, first = number + 1, 0

    read = partial(
        read_batch,
        mixture,
        augmentation_seed=seed if augment else None,
        pin_memory=pin_memory,
    )
    if num_workers == 0:
        return map(read, selections())
    return _read_ahead(read, selections(), num_workers)


def validation_batches(
    mixture: Mixture, max_elements: int, rank: int = 0, num_ranks: int = 1
) -> dict[str, list[LabelledBatch]]:
    """The validation batches of each source, by its name, from the smallest events to the largest.

    `max_elements` is over all ranks, of which `rank` reads the events `rank::num_ranks` of each
    batch. Raises as `training_batches`.
    """
    _check_rank(rank, num_ranks)
    return {
        source.name: [
            read_batch(mixture, selection.of_rank(rank, num_ranks))
            for selection in mixture.ordered(index, source.validation, max_elements)
        ]
        for index, source in enumerate(mixture.sources)
    }


def sample_batches(
    mixture: Mixture, max_elements: int, *, num_events: int, seed: int
) -> Iterator[LabelledBatch]:
    """Batches of at most `num_events` training events, drawn in the proportions of the mixture.

    They are not augmented. Raises as `training_batches`.
    """
    events = mixture.epoch_events(0, seed)
    rng = np.random.default_rng(seed)
    sample = events.take(rng.permutation(mixture.num_events)[:num_events])
    for index in range(len(mixture.sources)):
        of_source = sample.event_index[sample.source_index == index]
        for selection in mixture.ordered(index, of_source, max_elements):
            yield read_batch(mixture, selection)


def read_batch(
    mixture: Mixture,
    events: Selection,
    *,
    augmentation_seed: int | None = None,
    pin_memory: bool = False,
) -> LabelledBatch:
    """Read the batch of `events`, in their order.

    With an `augmentation_seed`, a symmetry of the detector is applied to every event, a new one in
    every pass (`dataset.augmentation`). Raises DataError as `training_batches`.
    """
    counts = mixture.counts(events)
    offsets = offsets_from_counts(counts)
    event_index = np.repeat(np.arange(len(counts)), counts)
    arrays = _read_arrays(mixture, events, offsets)
    if augmentation_seed is not None:
        symmetry = draw_symmetry(arrays["event_id"], augmentation_seed, events.pass_index)
        of_elements = symmetry.take(event_index)
        arrays["features"] = transform_features(arrays["features"], of_elements)
        arrays["targets"] = transform_targets(arrays["targets"], of_elements)
        arrays["gen_met"] = transform_met(arrays["gen_met"], symmetry)
    batch = LabelledBatch(
        offsets=torch.from_numpy(offsets),
        event_index=torch.from_numpy(event_index),
        counts=tuple(counts.tolist()),
        shares=_read_shares(mixture, events, offsets) if mixture.has_shares else None,
        **{name: torch.from_numpy(values) for name, values in arrays.items()},
    )
    return batch.pin_memory() if pin_memory else batch


def _read_arrays(mixture: Mixture, events: Selection, offsets: Array) -> dict[str, Array]:
    """Arrays of the elements and events of a batch, whose elements start at `offsets`."""
    num_events = len(events.event_index)
    element_arrays = ELEMENT_ARRAYS | (BACKGROUND_ARRAYS if mixture.has_is_pu else {})
    arrays: dict[str, Array] = {
        name: np.empty((offsets[-1], *row_shape), dtype)
        for name, (dtype, row_shape) in element_arrays.items()
    }
    arrays["gen_met"] = np.empty((num_events, 2), np.float32)
    arrays["event_id"] = np.empty(num_events, np.int64)
    arrays["process_index"] = np.empty(num_events, np.int64)
    arrays["event_weight"] = np.ones(num_events, np.float32)
    for index in np.unique(events.source_index):
        data = mixture.sources[index].dataset
        here = np.flatnonzero(events.source_index == index)
        chosen = events.event_index[here]
        for name in element_arrays:
            _copy_rows(getattr(data, name), data.offsets, chosen, arrays[name], offsets[here])
        arrays["gen_met"][here] = data.gen_met[chosen]
        arrays["event_id"][here] = data.event_id[chosen]
        process_index = mixture.process_indices[index]
        arrays["process_index"][here] = process_index[data.process_index[chosen]]
        if data.event_weight is not None:
            arrays["event_weight"][here] = data.event_weight[chosen]
    kind = arrays["features"][:, TrackFeature.TYPE]
    is_element = (kind == TRACK) | (kind == CLUSTER)
    if not np.all(is_element):
        row = int(np.flatnonzero(~is_element)[0])
        what = f"an element of type {kind[row]:g}, neither track nor cluster"
        raise _damaged(mixture, events, offsets, row, "features.npy", what)
    return arrays


def _read_shares(mixture: Mixture, events: Selection, offsets: Array) -> Shares:
    """Shares of a batch, whose elements start at `offsets` [event + 1]."""
    num_shares = np.empty(len(events.event_index), np.int64)
    sources = []
    for index in np.unique(events.source_index):
        shares = mixture.sources[index].dataset.shares
        assert shares is not None  # checked when the mixture was opened
        here = np.flatnonzero(events.source_index == index)
        chosen = events.event_index[here]
        num_shares[here] = shares.offsets[chosen + 1] - shares.offsets[chosen]
        sources.append((shares, here, chosen))
    starts = offsets_from_counts(num_shares)
    cluster, owner = (np.empty(starts[-1], np.int32) for _ in range(2))
    energy = np.empty(starts[-1], np.float32)
    for shares, here, chosen in sources:
        for values, out in (
            (shares.cluster, cluster), (shares.owner, owner), (shares.energy_em, energy)
        ):  # fmt: skip
            _copy_rows(values, shares.offsets, chosen, out, starts[here])
    first = np.repeat(offsets[:-1], num_shares)
    num_elements = np.repeat(np.diff(offsets), num_shares)
    for name, element, lowest in (("share_cluster", cluster, 0), ("share_owner", owner, -1)):
        is_outside = (element < lowest) | (element >= num_elements)
        if np.any(is_outside):
            row = int(np.flatnonzero(is_outside)[0])
            what = f"a share of element {element[row]} of {num_elements[row]}"
            raise _damaged(mixture, events, starts, row, f"{name}.npy", what)
    return Shares(
        cluster=torch.from_numpy(cluster + first),
        owner=torch.from_numpy(np.where(owner >= 0, owner + first, -1)),
        energy_em=torch.from_numpy(energy),
    )


def _damaged(
    mixture: Mixture, events: Selection, offsets: Array, row: int, file: str, what: str
) -> DataError:
    """The error for a `row` of a batch that is impossible; its events start at `offsets`."""
    event = int(np.searchsorted(offsets, row, side="right")) - 1
    data: PackedDataset = mixture.sources[events.source_index[event]].dataset
    event_id = data.event_id[events.event_index[event]]
    return DataError(
        f"{data.folder / file}: event {event_id}: {what}; the file is damaged, make it again"
    )


@njit(cache=True, nogil=True)
def _copy_rows(
    values: Array, offsets: Array, event_index: Array, out: Array, out_starts: Array
) -> None:
    """Copy the rows of the given events, whose rows in `values` start at `offsets`.

    Those of event `i` go to `out` from row `out_starts[i]` on. Each event is one block of memory.
    """
    for i in range(len(event_index)):
        start, stop = offsets[event_index[i]], offsets[event_index[i] + 1]
        out[out_starts[i] : out_starts[i] + stop - start] = values[start:stop]


def _read_ahead(
    read: Callable[[Selection], LabelledBatch], selections: Iterator[Selection], num_workers: int
) -> Iterator[LabelledBatch]:
    """Batches of `selections` in their order, read ahead by threads."""
    pool = ThreadPoolExecutor(num_workers, thread_name_prefix="loader")
    waiting: deque[Future[Any]] = deque()
    try:
        for selection in selections:
            waiting.append(pool.submit(read, selection))
            if len(waiting) > BATCHES_AHEAD * num_workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _check_rank(rank: int, num_ranks: int) -> None:
    """Raise ConfigError unless `rank` is one of `num_ranks`."""
    if not 0 <= rank < num_ranks:
        raise ConfigError(f"rank {rank} of {num_ranks}: ranks count from 0")
