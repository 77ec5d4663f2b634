"""What is watched while training, but not optimised: errors of whole events."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from partflow.core.features import TrackFeature
from partflow.dataset.batches import LabelledBatch
from partflow.dataset.columns import MetColumn, TargetColumn
from partflow.model.heads import Output, reference_pt

NUM_PROJECTIONS = 32


def expected_momentum(output: Output, batch: LabelledBatch) -> Float[Tensor, "element 3"]:
    """(px, py, pz) [GeV] of each element as often as it counts on average.

    A track has its own momentum, as in the readout.
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
    """(px, py, pz) [GeV] of each element's target; 0 without one."""
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


def missing_momentum_error(output: Output, batch: LabelledBatch) -> Float[Tensor, ""]:
    """Mean Huber distance [GeV] of the event's missing transverse momentum from the true one."""
    transverse = expected_momentum(output, batch)[:, :2]
    summed = transverse.new_zeros(batch.num_events, 2).index_add(0, batch.event_index, transverse)
    met = torch.linalg.vector_norm(summed, dim=1)
    true_met = torch.hypot(batch.gen_met[:, MetColumn.PX], batch.gen_met[:, MetColumn.PY])
    return F.huber_loss(met, true_met)


def sliced_wasserstein(
    output: Output, batch: LabelledBatch, generator: torch.Generator
) -> Float[Tensor, ""]:
    """Distance [GeV] of the expected momenta of an event's elements from the targets', as sets.

    Both are projected on random directions and sorted along each; the mean over events,
    directions and ranks of the absolute difference.
    """
    directions = torch.randn(3, NUM_PROJECTIONS, generator=generator).to(batch.features)
    directions = directions / torch.linalg.vector_norm(directions, dim=0)
    predicted = expected_momentum(output, batch) @ directions
    true = target_momentum(batch) @ directions
    distances = [
        (p.sort(0).values - t.sort(0).values).abs().mean()
        for p, t in zip(predicted.split(batch.counts), true.split(batch.counts), strict=True)
        if len(p)
    ]
    return torch.stack(distances).mean() if distances else predicted.new_zeros(())
