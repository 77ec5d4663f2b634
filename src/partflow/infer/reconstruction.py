"""Elements of events -> candidates, by a trained network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from partflow.core.errors import ConfigError, DataError
from partflow.core.features import ELEMENTS, ClusterFeature, feature_matrix
from partflow.core.records import (
    Array,
    Collection,
    concatenate,
    offsets_from_counts,
)
from partflow.core.schemas import SHARES
from partflow.dataset.batches import Batch, batch_of_elements
from partflow.infer.published import physical
from partflow.infer.readout import Predictions, is_listed, most_probable_class, read_out
from partflow.model.config import ReadoutConfig
from partflow.model.heads import Output, reference_energy, reference_pt
from partflow.model.mlpf import MLPF
from partflow.model.owners import UNASSIGNED
from partflow.model.published.mlpf import PublishedMLPF, PublishedOutput
from partflow.model.sharing import SharingOutput

BATCH_ELEMENTS = 10_000
"""Elements in one call of the network: about 70 events. More is not faster on a CPU."""
MIN_SHARE = 1e-3
"""Smallest share of a cluster that is worth telling."""


class Shared(NamedTuple):
    """Candidates, and whose the energy of the clusters was taken to be."""

    candidates: Collection
    """CANDIDATES."""
    shares: Collection
    """SHARES, of the same elements; those of a cluster sum to its energy."""


def reconstruct(
    model: MLPF | PublishedMLPF,
    elements: Collection,
    readout: ReadoutConfig | None = None,
    batch_elements: int = BATCH_ELEMENTS,
) -> Collection:
    """Candidates of every event of `elements` (see `core.features.build_elements`).

    Read out as the model was saved to be, or as `readout` says. An event's candidates do not
    depend on the events beside it; an empty event has none.

    Raises DataError, naming the column, for a value that is not finite, and for an element
    of a type that the model was not made for.
    """
    readout = readout or model.config.readout
    features = feature_matrix(elements)
    parts = [part for part, _ in _answers(model, elements, features, readout, batch_elements)]
    return read_out(elements, features, _joined(parts), readout)


def reconstruct_with_shares(
    model: MLPF,
    elements: Collection,
    readout: ReadoutConfig | None = None,
    batch_elements: int = BATCH_ELEMENTS,
) -> Shared:
    """What `reconstruct` does, and the energy shares behind it.

    Raises ConfigError for a model without a sharing head, and what `reconstruct` does.
    """
    if model.config.head != "sharing":
        raise ConfigError(
            f"a model with the head {model.config.head!r} shares no energy; train one with the "
            "head 'sharing'"
        )
    readout = readout or model.config.readout
    features = feature_matrix(elements)
    parts, shares = [], []
    for part, shared in _answers(model, elements, features, readout, batch_elements):
        assert shared is not None  # by the head
        parts.append(part)
        shares.append(shared)
    candidates = read_out(elements, features, _joined(parts), readout)
    return Shared(candidates, concatenate(shares))


def _joined(parts: Sequence[Predictions]) -> Predictions:
    return Predictions(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _answers(
    model: MLPF | PublishedMLPF,
    elements: Collection,
    features: Array,
    readout: ReadoutConfig,
    batch_elements: int,
) -> Iterator[tuple[Predictions, Collection | None]]:
    """Predictions and, where the model makes them, SHARES of the events, batch after batch."""
    _check_finite(features, elements)
    for batch in _batches(elements, batch_elements):
        yield _predict(model, batch, readout)


def _batches(elements: Collection, batch_elements: int) -> Iterator[Batch]:
    """Consecutive events, as many as fit `batch_elements`, and one at least; one batch without
    events if there are none.
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


def _predict(
    model: MLPF | PublishedMLPF, batch: Batch, readout: ReadoutConfig
) -> tuple[Predictions, Collection | None]:
    """Predictions for one batch, as doubles on the host, and SHARES where the model makes any."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            batch = batch.to(device)
            output = model(batch)
            if isinstance(output, PublishedOutput):
                return physical(output, batch), None
            kept = is_listed(_to_numpy(output.probability), batch.is_track.cpu().numpy(), readout)
            output = output.listed(torch.from_numpy(kept).to(output.is_particle_logit))
            shares = _shares(output, batch) if isinstance(output, SharingOutput) else None
            return _physical(output, batch), shares
    finally:
        model.train(was_training)


def _shares(output: SharingOutput, batch: Batch) -> Collection:
    """SHARES of at least MIN_SHARE; the others' energy is theirs in proportion."""
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


def _physical(output: Output, batch: Batch) -> Predictions:
    """Absolute momenta from those relative to the elements."""
    pt = reference_pt(batch.features).double() * output.log_pt_ratio.double().exp()
    energy = reference_energy(batch.features).double() * output.log_energy_ratio.double().exp()
    return Predictions(
        probability=_to_numpy(output.probability),
        pdg_class=most_probable_class(_to_numpy(output.class_logits)),
        pt=_to_numpy(pt),
        eta=_to_numpy(output.eta),
        phi=_to_numpy(torch.atan2(output.sin_phi, output.cos_phi)),
        energy=_to_numpy(energy),
        counted=_to_numpy(output.counted(output.probability, batch.is_track)),
    )


def _to_numpy(values: torch.Tensor) -> Array:
    return values.double().cpu().numpy()


def _check_finite(features: Array, elements: Collection) -> None:
    is_bad = ~np.isfinite(features)
    if np.any(is_bad):
        row, column = np.argwhere(is_bad)[0]
        raise DataError(
            f"event {elements.event_index[row]} of this run: elements.{ELEMENTS.names[column]} is "
            f"{features[row, column]} ({is_bad.sum()} such values); simulate the event again or "
            "leave it out"
        )
