"""Elements of events -> candidates, by a trained network."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from partflow.core.errors import DataError
from partflow.core.features import ELEMENTS, feature_matrix
from partflow.core.records import Array, Collection
from partflow.dataset.batches import Batch, batch_of_elements
from partflow.infer.readout import Predictions, is_listed, most_probable_class, read_out
from partflow.model.config import ReadoutConfig
from partflow.model.heads import Output, reference_energy, reference_pt
from partflow.model.mlpf import MLPF

BATCH_ELEMENTS = 10_000
"""Elements in one call of the network: about 70 events. More is not faster on a CPU."""


def reconstruct(
    model: MLPF,
    elements: Collection,
    readout: ReadoutConfig | None = None,
    batch_elements: int = BATCH_ELEMENTS,
) -> Collection:
    """Candidates of every event of `elements` (see `core.features.build_elements`).

    Read out as the model was saved to be, or as `readout` says. An event's candidates do not
    depend on the events beside it; an empty event has none.

    Raises DataError, naming the column, for a value that is not finite, and for an element
    that is neither a track nor a cluster.
    """
    features = feature_matrix(elements)
    _check_finite(features, elements)
    readout = readout or model.config.readout
    parts = [_predict(model, batch, readout) for batch in _batches(elements, batch_elements)]
    joined = Predictions(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return read_out(elements, features, joined, readout)


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


def _predict(model: MLPF, batch: Batch, readout: ReadoutConfig) -> Predictions:
    """Predictions for one batch, as doubles on the host."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            batch = batch.to(device)
            output = model(batch)
            kept = is_listed(
                _to_numpy(output.probability), batch.is_track.cpu().numpy(), readout
            )
            weight = torch.from_numpy(kept).to(output.is_particle_logit)
            return _physical(output.listed(weight), batch)
    finally:
        model.train(was_training)


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
