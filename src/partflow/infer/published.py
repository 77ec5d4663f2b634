"""What a published network says, as predictions like those of ours."""

from __future__ import annotations

import numpy as np
import torch

from partflow.core.features import TrackFeature
from partflow.core.particles import CLASSES
from partflow.core.records import Array
from partflow.dataset.batches import Batch
from partflow.infer.readout import Predictions
from partflow.model.published.mlpf import PublishedOutput


def physical(output: PublishedOutput, batch: Batch) -> Predictions:
    """Probabilities, classes and absolute momenta of the elements of `batch`."""
    no, yes = output.binary_logits.double().unbind(1)
    log_pt_ratio, eta, sin_phi, cos_phi, log_energy_ratio = output.momentum.double().unbind(1)
    elements = batch.features.double()
    probability = _to_numpy(torch.sigmoid(yes - no))
    return Predictions(
        probability=probability,
        pdg_class=np.array(CLASSES)[_to_numpy(output.class_logits).argmax(1)],
        pt=_to_numpy(elements[:, TrackFeature.PT] * log_pt_ratio.exp()),
        eta=_to_numpy(eta),
        phi=_to_numpy(torch.atan2(sin_phi, cos_phi)),
        energy=_to_numpy(elements[:, TrackFeature.P] * log_energy_ratio.exp()),
        counted=probability,
    )


def _to_numpy(values: torch.Tensor) -> Array:
    return values.double().cpu().numpy()
