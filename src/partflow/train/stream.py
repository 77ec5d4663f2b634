"""The training events as one stream without end, from any batch of any epoch on."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader

from partflow.dataset.batches import BucketBatchSampler, LabelledBatch
from partflow.train.state import RunState


class TrainingStream:
    """Batches of epoch after epoch, beginning where `state` stands.

    It says nothing of its length and hides its sampler, so that Lightning neither counts epochs
    nor sets them: which batch comes next is known to the `RunState` alone, and that is saved.
    """

    def __init__(self, loader: DataLoader[LabelledBatch], state: RunState) -> None:
        self._loader = loader
        self._epoch, self._first_batch = state.epoch, state.batches_of_epoch

    def __iter__(self) -> Iterator[LabelledBatch]:
        sampler = self._loader.sampler
        assert isinstance(sampler, BucketBatchSampler)
        epoch, first_batch = self._epoch, self._first_batch
        while True:
            sampler.resume(epoch, first_batch)
            with torch.random.fork_rng(devices=[]):  # an iterator draws a seed for its workers
                batches = iter(self._loader)
            yield from batches
            epoch, first_batch = epoch + 1, 0


class HeldBatches:
    """Batches kept in memory, to be gone through again and again."""

    def __init__(self, loader: DataLoader[LabelledBatch]) -> None:
        self._batches = list(loader)

    def __iter__(self) -> Iterator[LabelledBatch]:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)
