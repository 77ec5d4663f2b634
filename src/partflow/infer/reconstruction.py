"""Elements of events -> candidates and energy shares, by a trained network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from partflow.core.errors import ConfigError, DataError
from partflow.core.features import ELEMENTS, ClusterFeature, feature_matrix
from partflow.core.records import Array, Collection, concatenate, offsets_from_counts
from partflow.core.schemas import SHARES
from partflow.dataset.batches import Batch, batch_of_elements
from partflow.infer.predictions import Predictions, network_predictions, to_numpy
from partflow.infer.published import published_predictions
from partflow.infer.readout import is_listed, read_out
from partflow.model.config import ReadoutConfig
from partflow.model.mlpf import MLPF
from partflow.model.owners import UNASSIGNED
from partflow.model.published.mlpf import PublishedMLPF, PublishedOutput
from partflow.model.sharing import SharingOutput

BATCH_ELEMENTS = 10_000
"""Elements in one call of the network: about 70 events. Larger batches are not faster on a CPU."""
MIN_SHARE = 1e-3
"""Smallest share of a cluster that is written."""


class SharedCandidates(NamedTuple):
    """Candidates, and the energy shares of the clusters that their energies are made of."""

    candidates: Collection
    """CANDIDATES."""
    shares: Collection
    """SHARES of the same elements; those of a cluster sum to its energy."""


def reconstruct(
    model: MLPF | PublishedMLPF,
    elements: Collection,
    readout: ReadoutConfig | None = None,
    batch_elements: int = BATCH_ELEMENTS,
) -> Collection:
    """Reconstruct the candidates of every event.

    Args:
        model: The network.
        elements: Elements of all events; see `core.features.build_elements`.
        readout: How to read out; by default as the model's configuration says.
        batch_elements: Largest number of elements in one call of the network.

    Returns:
        CANDIDATES of the same events. They do not depend on the other events of a batch.

    Raises:
        DataError: A value is not finite, or an element is of a type that the model does not know.
    """
    readout = readout or model.config.readout
    features = feature_matrix(elements)
    parts = [part for part, _ in _predict(model, elements, features, readout, batch_elements)]
    return read_out(elements, features, _concatenate(parts), readout)


def reconstruct_with_shares(
    model: MLPF,
    elements: Collection,
    readout: ReadoutConfig | None = None,
    batch_elements: int = BATCH_ELEMENTS,
) -> SharedCandidates:
    """The same as `reconstruct`, with the energy shares that the candidates are made of.

    Raises ConfigError for a model without a sharing head, and what `reconstruct` raises.
    """
    if model.config.head != "sharing":
        raise ConfigError(
            f"a model with the head {model.config.head!r} shares no energy; train one with "
            "--head sharing"
        )
    readout = readout or model.config.readout
    features = feature_matrix(elements)
    parts, shares = [], []
    for part, shares_of_batch in _predict(model, elements, features, readout, batch_elements):
        assert shares_of_batch is not None  # a sharing head makes them
        parts.append(part)
        shares.append(shares_of_batch)
    candidates = read_out(elements, features, _concatenate(parts), readout)
    return SharedCandidates(candidates, concatenate(shares))


def _concatenate(parts: Sequence[Predictions]) -> Predictions:
    return Predictions(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _predict(
    model: MLPF | PublishedMLPF,
    elements: Collection,
    features: Array,
    readout: ReadoutConfig,
    batch_elements: int,
) -> Iterator[tuple[Predictions, Collection | None]]:
    """Predictions and, from a sharing head, SHARES, for one batch of events after another."""
    _check_finite(features, elements)
    for batch in _batches(elements, batch_elements):
        yield _predict_batch(model, batch, readout)


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
    model: MLPF | PublishedMLPF, batch: Batch, readout: ReadoutConfig
) -> tuple[Predictions, Collection | None]:
    """Predictions and, from a sharing head, SHARES of one batch."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            batch = batch.to(device)
            output = model(batch)
            if isinstance(output, PublishedOutput):
                return published_predictions(output, batch), None
            is_track = batch.is_track.cpu().numpy()
            is_candidate = is_listed(to_numpy(output.probability), is_track, readout)
            output = output.listed(torch.from_numpy(is_candidate).to(output.is_particle_logit))
            shares = _shares(output, batch) if isinstance(output, SharingOutput) else None
            return network_predictions(output, batch), shares
    finally:
        model.train(was_training)


def _shares(output: SharingOutput, batch: Batch) -> Collection:
    """SHARES of at least MIN_SHARE, scaled to the energy of the clusters."""
    share = output.log_share.double().exp()
    share = torch.where(share >= MIN_SHARE, share, 0.0)
    cluster, owner = output.pairs
    total = share.new_zeros(len(batch)).index_add(0, cluster, share)
    energy = share / total[cluster] * batch.features[cluster, ClusterFeature.ENERGY]
    order = torch.nonzero(share > 0).flatten()
    order = order[torch.argsort(cluster[order], stable=True)]
    cluster, owner = cluster[order], owner[order]
    event = batch.event_index[cluster]
    first = batch.offsets[event]
    columns = {
        "cluster_element": (cluster - first).cpu().numpy(),
        "owner_element": torch.where(owner >= 0, owner - first, UNASSIGNED).cpu().numpy(),
        "energy_em": energy[order].cpu().numpy(),
    }
    counts = np.bincount(event.cpu().numpy(), minlength=batch.num_events)
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
