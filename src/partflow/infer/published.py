"""Readout of the published MLPF v2.2.0 (model card mlpf-clic-clusters-v2.2.0): its predictions.

`partflow.model.published` lists where all parts of that system are.
"""

from __future__ import annotations

import numpy as np
import torch

from partflow.core.features import TrackFeature
from partflow.core.particles import CLASSES
from partflow.dataset.batches import Batch
from partflow.infer.predictions import Predictions, double, to_numpy
from partflow.model.published.mlpf import PublishedOutput


def published_predictions(output: PublishedOutput, batch: Batch) -> Predictions:
    """Predictions of a published network for the elements of `batch`; see `Predictions`."""
    no_particle_logit, particle_logit = double(output.binary_logits).unbind(1)
    log_pt_ratio, eta, sin_phi, cos_phi, log_energy_ratio = double(output.momentum).unbind(1)
    features = double(batch.features)
    probability = to_numpy(torch.sigmoid(particle_logit - no_particle_logit))
    return Predictions(
        probability=probability,
        pdg_class=np.array(CLASSES)[to_numpy(output.class_logits).argmax(1)],
        pt=to_numpy(features[:, TrackFeature.PT] * log_pt_ratio.exp()),
        eta=to_numpy(eta),
        phi=to_numpy(torch.atan2(sin_phi, cos_phi)),
        energy=to_numpy(features[:, TrackFeature.P] * log_energy_ratio.exp()),
        expected_weight=probability,
        background_probability=np.zeros_like(probability),
    )
