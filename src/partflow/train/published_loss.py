"""The loss of the published MLPF v2.2.0 (model card mlpf-clic-clusters-v2.2.0).

`partflow.model.published` lists where all parts of that system are. The terms have the names of
the published program. With N elements and n elements with a target in the batch:

    Classification_binary  10/N  sum over elements of CE(is there a particle)
    Classification          1/N  sum over targets of the focal loss (gamma 2) of the class
    Regression_pt           1/n  sum over targets of sqrt(target pt) (log pt - target's)^2
    Regression_energy       1/n  the same for the energy
    Regression_eta, Regression_sin_phi, Regression_cos_phi
                         0.01/n  sum over targets of the squared difference

`Total` is their sum. pt and energy are relative to those of the element; a logarithm that is not
finite is replaced by 0. The networks of this package are trained with `train.loss` instead.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from partflow.core.features import TrackFeature
from partflow.dataset.batches import LabelledBatch
from partflow.dataset.columns import TargetColumn
from partflow.model.published.mlpf import PublishedOutput
from partflow.train.loss import focal_losses

BINARY_WEIGHT = 10.0
ANGLE_WEIGHT = 1e-2
FOCAL_GAMMA = 2.0


def published_loss(output: PublishedOutput, batch: LabelledBatch) -> dict[str, Float[Tensor, ""]]:
    """Terms of the loss and their `Total`; all 0 if the batch has no elements."""
    target_class = batch.targets[:, TargetColumn.CLASS].long()
    rows = torch.nonzero(target_class).flatten()
    num_elements, num_targets = max(len(batch), 1), max(len(rows), 1)
    binary = F.cross_entropy(output.binary_logits, (target_class > 0).long(), reduction="sum")
    of_class = focal_losses(output.class_logits[rows], target_class[rows], FOCAL_GAMMA).sum()
    squares = (output.momentum[rows] - _target_momentum(batch)[rows]).square()
    log_pt, eta, sin_phi, cos_phi, log_energy = squares.unbind(1)
    weight = _target_pt(batch)[rows].sqrt()
    terms = {
        "Regression_pt": (weight * log_pt).sum() / num_targets,
        "Regression_eta": ANGLE_WEIGHT * eta.sum() / num_targets,
        "Regression_sin_phi": ANGLE_WEIGHT * sin_phi.sum() / num_targets,
        "Regression_cos_phi": ANGLE_WEIGHT * cos_phi.sum() / num_targets,
        "Regression_energy": (weight * log_energy).sum() / num_targets,
        "Classification_binary": BINARY_WEIGHT * binary / num_elements,
        "Classification": of_class / num_elements,
    }
    return terms | {"Total": torch.stack(list(terms.values())).sum()}


@torch.no_grad()
def met_distance(output: PublishedOutput, batch: LabelledBatch) -> Float[Tensor, ""]:
    """Mean over events of the Huber loss of the missing transverse momentum [GeV].

    The published program monitors it (as `MET`) and does not train on it.
    """
    is_particle = output.binary_logits.argmax(1) * output.class_logits.argmax(1) > 0
    log_pt_ratio, _, sin_phi, cos_phi, _ = output.momentum.unbind(1)
    pt = log_pt_ratio.exp() * batch.features[:, TrackFeature.PT] * is_particle
    summed = pt.new_zeros(batch.num_events, 2).index_add(
        0, batch.event_index, torch.stack([pt * cos_phi, pt * sin_phi], 1)
    )
    predicted, true = torch.linalg.vector_norm(torch.stack([summed, batch.gen_met]), dim=-1)
    return F.huber_loss(predicted, true)


def _target_momentum(batch: LabelledBatch) -> Float[Tensor, "element 5"]:
    """Momenta of the targets, columns as in `PublishedOutput.momentum`."""
    column = TargetColumn
    targets = batch.targets
    return torch.stack(
        [
            _log_ratio(targets[:, column.PT], batch.features[:, TrackFeature.PT]),
            targets[:, column.ETA],
            targets[:, column.SIN_PHI],
            targets[:, column.COS_PHI],
            _log_ratio(targets[:, column.ENERGY], batch.features[:, TrackFeature.P]),
        ],
        1,
    )


def _target_pt(batch: LabelledBatch) -> Float[Tensor, " element"]:
    """Transverse momentum of the target [GeV]; that of the element if its logarithm is infinite."""
    element_pt = batch.features[:, TrackFeature.PT]
    return _log_ratio(batch.targets[:, TargetColumn.PT], element_pt).exp() * element_pt


def _log_ratio(target: Tensor, element: Tensor) -> Tensor:
    """log(target / element), 0 where that is not finite."""
    return torch.nan_to_num((target / element).log(), nan=0.0, posinf=0.0, neginf=0.0)
