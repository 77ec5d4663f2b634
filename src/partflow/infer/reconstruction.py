"""Elements of events -> candidates and energy shares, by a trained network.

A `Reconstructor` evaluates batches of events in several threads, each of which computes its
products alone. Threads that share each product wait for each other hundreds of times in an event,
and do so for long if other processes use the cores.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Self, TypeVar

import numpy as np
import torch

from partflow.core.errors import ConfigError, DataError
from partflow.core.features import ELEMENTS, ClusterFeature, feature_matrix
from partflow.core.records import Array, Collection, concatenate, offsets_from_counts
from partflow.core.schemas import SHARES
from partflow.dataset.batches import Batch, batch_of_elements
from partflow.infer.predictions import Predictions, double, network_predictions, to_numpy
from partflow.infer.published import published_predictions
from partflow.infer.readout import is_listed, read_out
from partflow.model.config import ReadoutConfig
from partflow.model.dtype import Dtype
from partflow.model.mlpf import MLPF
from partflow.model.owners import UNASSIGNED
from partflow.model.precision import WeightCopies, choose_dtype, precision
from partflow.model.published.mlpf import PublishedMLPF, PublishedOutput
from partflow.model.sharing import SharingOutput

BATCH_ELEMENTS = 10_000
"""Elements in one call of the network: about 70 events. Larger batches are not faster on a CPU."""
Network = MLPF | PublishedMLPF
T = TypeVar("T")
MIN_SHARE = 1e-3
"""Smallest share of a cluster that is written."""


class SharedCandidates(NamedTuple):
    """Candidates, and the energy shares of the clusters that their energies are made of."""

    candidates: Collection
    """CANDIDATES."""
    shares: Collection
    """SHARES of the same elements; those of a cluster sum to its energy."""


class Reconstructor:
    """Reconstructs events with one network, whose weights must not change meanwhile.

    A context manager; at the end of its block the threads end.

    Example:
        with Reconstructor(model, threads=4, dtype="auto") as reconstructor:
            for elements in chunks:
                candidates = reconstructor(elements)
    """

    def __init__(
        self,
        model: Network,
        readout: ReadoutConfig | None = None,
        batch_elements: int = BATCH_ELEMENTS,
        threads: int | None = None,
        dtype: Dtype = "float32",
    ) -> None:
        """Reconstruct with `model`.

        Args:
            model: The network.
            readout: How to read out; by default as the model's configuration says.
            batch_elements: Largest number of elements in one call of the network.
            threads: Number of threads, each of which evaluates batches. The candidates do not
                depend on it. None: only the calling thread, with as many threads for each product
                as torch is set to.
            dtype: Type of numbers of the products (`model.precision`).

        Raises ConfigError for fewer than one thread, or a device without the type.
        """
        if threads is not None and threads < 1:
            raise ConfigError(f"--threads {threads}: must be at least 1")
        self.model = model
        self.readout = readout or model.config.readout
        self.batch_elements = batch_elements
        self.device = next(model.parameters()).device
        self._num_threads_before = torch.get_num_threads()
        self._num_in_advance = threads or 0
        self._pool: ThreadPoolExecutor | None = None
        if threads is not None:
            self._pool = ThreadPoolExecutor(
                threads, initializer=torch.set_num_threads, initargs=(1,)
            )
        # Chosen in a thread of the pool: the choice depends on the number of torch's threads.
        self.dtype = self._run(choose_dtype, self.device, dtype)
        self._copies = WeightCopies()
        self._was_training = model.training
        model.eval()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """End the threads, and leave the model in its former mode."""
        if self._pool is not None:
            self._pool.shutdown()
            torch.set_num_threads(self._num_threads_before)
        self.model.train(self._was_training)

    def __call__(self, elements: Collection) -> Collection:
        """CANDIDATES of the same events. They do not depend on the other events of a batch.

        Raises DataError for a value that is not finite, or an element of a type that the model does
        not know.
        """
        return self._start(elements)()[0]

    def with_shares(self, elements: Collection) -> SharedCandidates:
        """The same as a call, with the energy shares that the candidates are made of.

        Raises ConfigError for a model without a sharing head, and what a call raises.
        """
        candidates, shares = self._start(elements)()
        if shares is None:
            raise ConfigError(
                f"a model with the head {self.model.config.head!r} shares no energy; train one "
                "with --head sharing"
            )
        return SharedCandidates(candidates, shares)

    def stream(self, chunks: Iterable[Collection]) -> Iterator[dict[str, Collection]]:
        """Candidates and, from a sharing head, energy shares of each chunk, by collection.

        As many chunks as there are threads are read and begun in advance, so that threads have work
        where chunks are small. Raises what a call raises.
        """
        begun: deque[Callable[[], tuple[Collection, Collection | None]]] = deque()
        for elements in chunks:
            begun.append(self._start(elements))
            if len(begun) > self._num_in_advance:
                yield _by_collection(*begun.popleft()())
        while begun:
            yield _by_collection(*begun.popleft()())

    def _start(self, elements: Collection) -> Callable[[], tuple[Collection, Collection | None]]:
        """Begin the batches of `elements`; the result waits for CANDIDATES and SHARES."""
        features = feature_matrix(elements)
        predicted = self._predict(elements, features)

        def finish() -> tuple[Collection, Collection | None]:
            parts, shares = zip(*predicted, strict=True)
            candidates = read_out(elements, features, _concatenate(parts), self.readout)
            return candidates, None if shares[0] is None else concatenate(shares)

        return finish

    def _predict(
        self, elements: Collection, features: Array
    ) -> Iterator[tuple[Predictions, Collection | None]]:
        """Predictions and, from a sharing head, SHARES, for one batch of events after another."""
        _check_finite(features, elements)
        batches = _batches(elements, self.batch_elements)
        if self._pool is None:
            return map(self._predict_batch, batches)
        return self._pool.map(self._predict_batch, batches)

    def _predict_batch(self, batch: Batch) -> tuple[Predictions, Collection | None]:
        """Predictions and, from a sharing head, SHARES of one batch."""
        with (
            torch.inference_mode(),
            precision(self.dtype, self.device, fixed_weights=self._copies),
        ):
            return _predict_batch(self.model, batch.to(self.device), self.readout)

    def _run(self, function: Callable[..., T], *arguments: object) -> T:
        """The result of `function`, in a thread of the pool if there is one."""
        if self._pool is None:
            return function(*arguments)
        return self._pool.submit(function, *arguments).result()


def reconstruct(
    model: Network,
    elements: Collection,
    readout: ReadoutConfig | None = None,
    batch_elements: int = BATCH_ELEMENTS,
    threads: int | None = None,
    dtype: Dtype = "float32",
) -> Collection:
    """Reconstruct the candidates of every event: CANDIDATES.

    Arguments and exceptions are those of `Reconstructor`, which is faster for several collections.
    """
    with Reconstructor(model, readout, batch_elements, threads, dtype) as reconstructor:
        return reconstructor(elements)


def reconstruct_with_shares(
    model: MLPF,
    elements: Collection,
    readout: ReadoutConfig | None = None,
    batch_elements: int = BATCH_ELEMENTS,
    threads: int | None = None,
    dtype: Dtype = "float32",
) -> SharedCandidates:
    """The same as `reconstruct`, with the energy shares that the candidates are made of."""
    with Reconstructor(model, readout, batch_elements, threads, dtype) as reconstructor:
        return reconstructor.with_shares(elements)


def _by_collection(candidates: Collection, shares: Collection | None) -> dict[str, Collection]:
    collections = {"candidates": candidates}
    return collections if shares is None else {**collections, "shares": shares}


def _concatenate(parts: Sequence[Predictions]) -> Predictions:
    return Predictions(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _batches(elements: Collection, batch_elements: int) -> Iterator[Batch]:
    """Batches of consecutive events with at most `batch_elements` elements, or a single event.

    Without events it is one empty batch.
    """
    begin = 0
    while True:
        limit = elements.offsets[begin] + batch_elements
        end = int(np.searchsorted(elements.offsets, limit, side="right")) - 1
        end = min(max(end, begin + 1), elements.num_events)
        yield batch_of_elements(elements[begin:end], np.arange(begin, end))
        begin = end
        if begin >= elements.num_events:
            return


def _predict_batch(
    model: Network, batch: Batch, readout: ReadoutConfig
) -> tuple[Predictions, Collection | None]:
    """Predictions and, from a sharing head, SHARES of one batch on the model's device."""
    output = model(batch)
    if isinstance(output, PublishedOutput):
        return published_predictions(output, batch), None
    is_track = batch.is_track.cpu().numpy()
    is_candidate = is_listed(to_numpy(output.probability), is_track, readout)
    output = output.listed(torch.from_numpy(is_candidate).to(output.is_particle_logit))
    shares = _shares(output, batch) if isinstance(output, SharingOutput) else None
    return network_predictions(output, batch), shares


def _shares(output: SharingOutput, batch: Batch) -> Collection:
    """SHARES of at least MIN_SHARE, scaled to the energy of the clusters."""
    batch = batch.to("cpu")
    share = double(output.log_share).exp()
    share = torch.where(share >= MIN_SHARE, share, 0.0)
    cluster, owner = (index.cpu() for index in output.pairs)
    total = share.new_zeros(len(batch)).index_add(0, cluster, share)
    energy = share / total[cluster] * batch.features[cluster, ClusterFeature.ENERGY]
    order = torch.nonzero(share > 0).flatten()
    order = order[torch.argsort(cluster[order], stable=True)]
    cluster, owner = cluster[order], owner[order]
    event = batch.event_index[cluster]
    first = batch.offsets[event]
    columns = {
        "cluster_element": (cluster - first).numpy(),
        "owner_element": torch.where(owner >= 0, owner - first, UNASSIGNED).numpy(),
        "energy_em": energy[order].numpy(),
    }
    counts = np.bincount(event.numpy(), minlength=batch.num_events)
    return Collection(SHARES, offsets_from_counts(counts), columns)


def _check_finite(features: Array, elements: Collection) -> None:
    """Raise DataError, naming event and column, for a value that is not finite."""
    is_bad = ~np.isfinite(features)
    if np.any(is_bad):
        row, column = np.argwhere(is_bad)[0]
        raise DataError(
            f"event {elements.event_index[row]} (from 0): elements.{ELEMENTS.names[column]} is "
            f"{features[row, column]} ({is_bad.sum()} such values); simulate the event again or "
            "leave it out"
        )
