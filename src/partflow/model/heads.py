"""From the representation of an element to what it should become.

Each element type has heads of its own, which know only the classes that are possible for
it: a track is a charged hadron, an electron or a muon, a cluster a neutral hadron or a
photon (electrons are photons to a cluster; see the target definition).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from partflow.core.features import TrackFeature
from partflow.core.particles import CHARGED_HADRON, ELECTRON, MUON, NEUTRAL_HADRON, PHOTON
from partflow.model.inputs import MIN_ENERGY
from partflow.model.linear import Linear

PARTICLE_CLASSES = (CHARGED_HADRON, NEUTRAL_HADRON, PHOTON, ELECTRON, MUON)
"""Classes of the columns of `Output.class_logits`: `core.particles.CLASSES` without 0."""
TRACK_CLASSES = (CHARGED_HADRON, ELECTRON, MUON)
CLUSTER_CLASSES = (NEUTRAL_HADRON, PHOTON)
IMPOSSIBLE = -1e4
"""Logit of a class that an element type cannot be."""
MAX_LOG_RATIO = 5.0
"""Bound of log(pt/pt_element): exp(5) = 150 is more than any merged shower needs."""
ANGLE_SCALE = 0.1  # rad; typical distance of a neutral particle from its cluster's centroid


class Momentum(IntEnum):
    """What a momentum head predicts; 0 everywhere means the element's own momentum."""

    LOG_PT_RATIO, DELTA_ETA, DELTA_PHI, LOG_MASS_FACTOR = range(4)


@dataclass(frozen=True)
class Output:
    """What the network says of each element; momenta relative to the element's.

    `log_pt_ratio` is log(pt / element's pt), `log_energy_ratio` is log(E / element's energy),
    where the element's energy is p for a track; `eta`, `sin_phi`, `cos_phi` are absolute.
    """

    is_particle_logit: Float[Tensor, " element"]
    class_logits: Float[Tensor, "element kind"]
    log_pt_ratio: Float[Tensor, " element"]
    eta: Float[Tensor, " element"]
    sin_phi: Float[Tensor, " element"]
    cos_phi: Float[Tensor, " element"]
    log_energy_ratio: Float[Tensor, " element"]

    @property
    def probability(self) -> Float[Tensor, " element"]:
        """Probability that the element is a particle."""
        return torch.sigmoid(self.is_particle_logit)

    def counted(
        self, weight: Float[Tensor, " element"], is_track: Bool[Tensor, " element"]
    ) -> Float[Tensor, " element"]:
        """What each element's momentum counts with in a sum, if the element counts with `weight`
        (its probability, or whether it is listed): here, this weight.
        """
        return weight

    def listed(self, weight: Float[Tensor, " element"]) -> Self:
        """The same for a list of particles: elements of `weight` 1 are on it, those of 0 not.

        Here every element answers for itself, and nothing changes.
        """
        return self

    def in_order(self, back: Int[Tensor, " element"], order: Int[Tensor, " element"]) -> Self:
        """The same for elements in another order: row i is what row `back[i]` was, and what row
        `i` was is row `order[i]`.
        """
        return replace(self, **{f.name: getattr(self, f.name)[back] for f in fields(self)})


def reference_pt(features: Float[Tensor, "element feature"]) -> Float[Tensor, " element"]:
    """Transverse momentum that predictions and targets of each element are relative to [GeV]."""
    return features[:, TrackFeature.PT].clamp(min=MIN_ENERGY)


def reference_energy(features: Float[Tensor, "element feature"]) -> Float[Tensor, " element"]:
    """Energy (a track's momentum) that predictions and targets are relative to [GeV]."""
    return features[:, TrackFeature.P].clamp(min=MIN_ENERGY)


class TypeHeads(nn.Module):
    """Heads of one element type: is it a particle, of which class, with what momentum."""

    class_columns: Tensor

    def __init__(
        self, num_inputs: int, dim: int, classes: tuple[int, ...], has_momentum: bool = True
    ) -> None:
        """Without `has_momentum` the momentum stays the element's own."""
        super().__init__()
        self.identity = nn.Sequential(
            Linear(num_inputs, dim), nn.GELU(), Linear(dim, 1 + len(classes))
        )
        self.momentum = None
        if has_momentum:
            last = Linear(dim, len(Momentum))
            nn.init.zeros_(last.weight)  # begins as the element's own momentum
            nn.init.zeros_(last.bias)
            self.momentum = nn.Sequential(Linear(num_inputs, dim), nn.GELU(), last)
        columns = torch.tensor([PARTICLE_CLASSES.index(kind) for kind in classes])
        self.register_buffer("class_columns", columns, persistent=False)

    def forward(self, x: Float[Tensor, "row input"]) -> Float[Tensor, "row prediction"]:
        """Columns: is-particle logit, logits of all classes, momentum."""
        identity = self.identity(x)
        logits = x.new_full((len(x), len(PARTICLE_CLASSES)), IMPOSSIBLE)
        logits = logits.index_copy(1, self.class_columns, identity[:, 1:])
        momentum = x.new_zeros(len(x), len(Momentum))
        if self.momentum is not None:
            momentum = self.momentum(x)
        return torch.cat([identity[:, :1], logits, momentum], 1)


def decode(
    prediction: Float[Tensor, "element prediction"], features: Float[Tensor, "element feature"]
) -> Output:
    """Predictions of `TypeHeads` for all elements as an `Output`.

    pt and energy share one factor; energy has a second, exp(LOG_MASS_FACTOR). The azimuth is the
    element's, rotated, so that sin^2 + cos^2 = 1.
    """
    f = TrackFeature
    is_particle, logits, momentum = prediction.split(
        [1, len(PARTICLE_CLASSES), len(Momentum)], dim=1
    )
    log_pt_ratio = MAX_LOG_RATIO * torch.tanh(momentum[:, Momentum.LOG_PT_RATIO] / MAX_LOG_RATIO)
    delta_phi = ANGLE_SCALE * momentum[:, Momentum.DELTA_PHI]
    sin, cos = torch.sin(delta_phi), torch.cos(delta_phi)
    sin_phi, cos_phi = features[:, f.SIN_PHI], features[:, f.COS_PHI]
    return Output(
        is_particle_logit=is_particle[:, 0],
        class_logits=logits,
        log_pt_ratio=log_pt_ratio,
        eta=features[:, f.ETA] + ANGLE_SCALE * momentum[:, Momentum.DELTA_ETA],
        sin_phi=sin_phi * cos + cos_phi * sin,
        cos_phi=cos_phi * cos - sin_phi * sin,
        log_energy_ratio=log_pt_ratio + momentum[:, Momentum.LOG_MASS_FACTOR],
    )
