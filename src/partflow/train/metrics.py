"""Errors of whole events, monitored during training and not optimised."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from partflow.core.features import TrackFeature
from partflow.dataset.batches import LabelledBatch
from partflow.dataset.columns import MetColumn, TargetColumn
from partflow.model.heads import Output, reference_pt
from partflow.train.terms import Term

NUM_PROJECTIONS = 32
"""Directions of the sliced Wasserstein distance."""


def expected_momentum(output: Output, batch: LabelledBatch) -> Float[Tensor, "element 3"]:
    """Expected momentum (px, py, pz) [GeV] of each element: times its probability.

    Tracks keep their measured momentum, as in the readout.
    """
    f = TrackFeature
    features, is_track = batch.features, batch.is_track
    scale = torch.where(is_track, 0.0, output.log_pt_ratio).exp()
    pt = output.counted(output.probability, is_track) * reference_pt(features) * scale
    sin_phi = torch.where(is_track, features[:, f.SIN_PHI], output.sin_phi)
    cos_phi = torch.where(is_track, features[:, f.COS_PHI], output.cos_phi)
    eta = torch.where(is_track, features[:, f.ETA], output.eta)
    return torch.stack([pt * cos_phi, pt * sin_phi, pt * torch.sinh(eta)], 1)


def target_momentum(batch: LabelledBatch) -> Float[Tensor, "element 3"]:
    """Momentum (px, py, pz) [GeV] of each element's target; 0 without a target."""
    column, targets = TargetColumn, batch.targets
    pt = targets[:, column.PT]
    return torch.stack(
        [
            pt * targets[:, column.COS_PHI],
            pt * targets[:, column.SIN_PHI],
            pt * torch.sinh(targets[:, column.ETA]),
        ],
        1,
    )


def missing_momentum_error(output: Output, batch: LabelledBatch) -> Term:
    """Mean over events of the Huber loss of the missing transverse momentum [GeV]."""
    transverse = expected_momentum(output, batch)[:, :2]
    summed = transverse.new_zeros(batch.num_events, 2).index_add(0, batch.event_index, transverse)
    met = torch.linalg.vector_norm(summed, dim=1)
    true_met = torch.hypot(batch.gen_met[:, MetColumn.PX], batch.gen_met[:, MetColumn.PY])
    return Term(F.huber_loss(met, true_met, reduction="sum"), met.new_tensor(len(met)))


def projections(seed: int) -> Float[Tensor, "3 projection"]:
    """Random unit vectors, the same for every validation of a run."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(3, NUM_PROJECTIONS, generator=generator)
    return directions / torch.linalg.vector_norm(directions, dim=0)


def sliced_wasserstein(
    output: Output, batch: LabelledBatch, directions: Float[Tensor, "3 projection"]
) -> Term:
    """Sliced Wasserstein distance [GeV] between expected and target momenta of an event.

    Both sets of momenta are projected on `directions` and sorted; the distance is the mean absolute
    difference over events, directions and ranks.
    """
    directions = directions.to(batch.features)
    predicted = expected_momentum(output, batch) @ directions
    true = target_momentum(batch) @ directions
    distances = [
        (p.sort(0).values - t.sort(0).values).abs().mean()
        for p, t in zip(predicted.split(batch.counts), true.split(batch.counts), strict=True)
        if len(p)
    ]
    total = torch.stack(distances).sum() if distances else predicted.new_zeros(())
    return Term(total, total.new_tensor(len(distances)))
