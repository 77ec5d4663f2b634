"""Output of a network -> predictions for each element, in physical units."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from partflow.core.records import Array
from partflow.dataset.batches import Batch
from partflow.model.heads import PARTICLE_CLASSES, Output, reference_energy, reference_pt


class Predictions(NamedTuple):
    """Predictions of a network for each element, [element]."""

    probability: Array
    """Probability that the element is a particle."""
    pdg_class: Array
    """Most probable class; an element of the class "no particle" never becomes a candidate."""
    pt: Array
    """Transverse momentum [GeV]."""
    eta: Array
    """Pseudorapidity."""
    phi: Array
    """Azimuth [rad]."""
    energy: Array
    """Energy [GeV]."""
    expected_weight: Array
    """Factor of the momentum in a sum of expectations: the probability, or 1 if the momentum is
    an expectation already."""
    background_probability: Array
    """Probability that the particle is from overlaid background; 0 if it is not predicted."""


def network_predictions(output: Output, batch: Batch) -> Predictions:
    """Predictions of a network for the elements of `batch`, as double-precision NumPy arrays."""
    pt = double(reference_pt(batch.features)) * double(output.log_pt_ratio).exp()
    energy = double(reference_energy(batch.features)) * double(output.log_energy_ratio).exp()
    class_index = np.argmax(to_numpy(output.class_logits), axis=1)
    return Predictions(
        probability=to_numpy(output.probability),
        pdg_class=np.array(PARTICLE_CLASSES)[class_index],
        pt=pt.numpy(),
        eta=to_numpy(output.eta),
        phi=to_numpy(torch.atan2(output.sin_phi, output.cos_phi)),
        energy=energy.numpy(),
        expected_weight=to_numpy(output.counted(output.probability, batch.is_track)),
        background_probability=to_numpy(output.background_probability),
    )


def to_numpy(values: torch.Tensor) -> Array:
    """`values` as a double-precision NumPy array."""
    return double(values).numpy()


def double(values: torch.Tensor) -> torch.Tensor:
    """`values` in double precision, on the CPU: Apple's GPUs do not have that."""
    return values.cpu().double()
