"""Streams of batches for Lightning: training batches without end, validation batches."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader

from partflow.dataset.batches import BucketBatchSampler, LabelledBatch
from partflow.train.checkpoint import RunState


class TrainingStream:
    """Training batches of one epoch after another, without end.

    It has no length and hides its sampler, so that Lightning does not count or set epochs: the
    `RunState`, which the checkpoint holds, alone decides which batch is next.
    """

    def __init__(self, loader: DataLoader[LabelledBatch], run_state: RunState) -> None:
        """Start at the epoch and batch of `run_state`."""
        self._loader = loader
        self._epoch, self._first_batch = run_state.epoch, run_state.batches_of_epoch

    def __iter__(self) -> Iterator[LabelledBatch]:
        """Batches from the start on."""
        sampler = self._loader.sampler
        assert isinstance(sampler, BucketBatchSampler)
        epoch, first_batch = self._epoch, self._first_batch
        while True:
            sampler.resume(epoch, first_batch)
            with torch.random.fork_rng(devices=[]):  # iter() draws a seed for its workers
                batches = iter(self._loader)
            yield from batches
            epoch, first_batch = epoch + 1, 0


class CachedBatches:
    """Batches kept in memory, for all validations of a run."""

    def __init__(self, loader: DataLoader[LabelledBatch]) -> None:
        self._batches = list(loader)

    def __iter__(self) -> Iterator[LabelledBatch]:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)
