"""The head `direct`, and what heads have in common: from the representation of an element to the
particle that it should become.

Each element type has its own heads, which know only the classes that are possible for it: a track
is a charged hadron, an electron or a muon, a cluster is a neutral hadron or a photon (the target of
an electron without a track is a photon). Momenta are predicted relative to those of the element.
Linear in the number of elements.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import IntEnum
from itertools import accumulate
from typing import Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from partflow.core.features import TrackFeature
from partflow.core.particles import CHARGED_HADRON, ELECTRON, MUON, NEUTRAL_HADRON, PHOTON
from partflow.model.config import ModelConfig
from partflow.model.inputs import LOG_ENERGY_FLOOR
from partflow.model.layout import Layout, interleave
from partflow.model.linear import Linear

PARTICLE_CLASSES = (CHARGED_HADRON, NEUTRAL_HADRON, PHOTON, ELECTRON, MUON)
"""Classes of the columns of `Output.class_logits`: `core.particles.CLASSES` without 0."""
TRACK_CLASSES = (CHARGED_HADRON, ELECTRON, MUON)
"""Classes that are possible for a track."""
CLUSTER_CLASSES = (NEUTRAL_HADRON, PHOTON)
"""Classes that are possible for a cluster."""
IMPOSSIBLE = -1e4
"""Logit of a class that is not possible for an element type."""
MAX_LOG_RATIO = 5.0
"""Bound of log(pt / element's pt): exp(5) = 150 is more than any merged shower needs."""
ANGLE_CORRECTION_SCALE = 0.1
"""Scale of predicted corrections of eta and phi [rad]: typical distance of a neutral particle from
its cluster's centroid."""


class Momentum(IntEnum):
    """Outputs of a momentum head; where all are 0 the momentum is that of the element."""

    LOG_PT_RATIO, DELTA_ETA, DELTA_PHI, LOG_MASS_FACTOR = range(4)


@dataclass(frozen=True)
class Output:
    """Predictions for each element.

    `log_pt_ratio` is log(pt / element's pt), `log_energy_ratio` is log(E / element's energy), where
    the element's energy is p for a track and the EM-scale energy for a cluster. `eta`, `sin_phi`
    and `cos_phi` are absolute.
    """

    is_particle_logit: Float[Tensor, " element"]
    class_logits: Float[Tensor, "element kind"]
    log_pt_ratio: Float[Tensor, " element"]
    eta: Float[Tensor, " element"]
    sin_phi: Float[Tensor, " element"]
    cos_phi: Float[Tensor, " element"]
    log_energy_ratio: Float[Tensor, " element"]
    background_logit: Float[Tensor, "element background"]
    """Logit of the particle being from overlaid background: one column if the network predicts it
    (`ModelConfig.predict_background`), else none."""

    @property
    def probability(self) -> Float[Tensor, " element"]:
        """Probability that the element is a particle."""
        return torch.sigmoid(self.is_particle_logit)

    @property
    def background_probability(self) -> Float[Tensor, " element"]:
        """Probability that the particle is from overlaid background; 0 if it is not predicted."""
        return torch.sigmoid(self.background_logit).sum(1)

    def counted(
        self, weight: Float[Tensor, " element"], is_track: Bool[Tensor, " element"]
    ) -> Float[Tensor, " element"]:
        """Factor of each element's momentum in a sum over particles.

        `weight` is the probability that the element is a particle, or 1 and 0 for elements that are
        listed and not listed. Here the factor is `weight` itself.
        """
        return weight

    def listed(self, weight: Float[Tensor, " element"]) -> Self:
        """The predictions for a list of particles: elements of `weight` 1 are listed, of 0 not.

        Here the predictions for an element do not depend on the other elements of the list, and
        nothing changes.
        """
        return self

    def reordered(self, inverse: Int[Tensor, " element"], order: Int[Tensor, " element"]) -> Self:
        """The predictions for the elements in another order: the new row i is row `inverse[i]`, and
        row i becomes the new row `order[i]`.
        """
        return replace(self, **{f.name: getattr(self, f.name)[inverse] for f in fields(self)})


def reference_pt(features: Float[Tensor, "element feature"]) -> Float[Tensor, " element"]:
    """The pt [GeV] of each element that its predicted and target pt are relative to."""
    return features[:, TrackFeature.PT].clamp(min=LOG_ENERGY_FLOOR)


def reference_energy(features: Float[Tensor, "element feature"]) -> Float[Tensor, " element"]:
    """The energy [GeV] of each element (p of a track) that its predicted and target energy are
    relative to.
    """
    return features[:, TrackFeature.P].clamp(min=LOG_ENERGY_FLOOR)


class TypeHeads(nn.Module):
    """Heads of one element type: whether it is a particle, its class and its momentum, and
    whether it is from overlaid background.
    """

    class_columns: Tensor

    def __init__(
        self,
        num_inputs: int,
        dim: int,
        classes: tuple[int, ...],
        has_momentum: bool = True,
        has_background: bool = False,
    ) -> None:
        """Heads for `num_inputs` inputs, of width `dim`, for the possible `classes`.

        Without `has_momentum` the momentum is that of the element. With `has_background` they
        predict whether the particle is from overlaid background.
        """
        super().__init__()
        num_logits = 1 + len(classes) + has_background
        self.identity = nn.Sequential(Linear(num_inputs, dim), nn.GELU(), Linear(dim, num_logits))
        self.momentum = None
        if has_momentum:
            last = Linear(dim, len(Momentum))
            nn.init.zeros_(last.weight)  # the momentum begins as that of the element
            nn.init.zeros_(last.bias)
            self.momentum = nn.Sequential(Linear(num_inputs, dim), nn.GELU(), last)
        columns = torch.tensor([PARTICLE_CLASSES.index(kind) for kind in classes])
        self.register_buffer("class_columns", columns, persistent=False)

    def forward(self, x: Float[Tensor, "row input"]) -> Float[Tensor, "row prediction"]:
        """Columns: the logit of being a particle, the logits of all classes, `Momentum`, and the
        logit of the background if there is one.
        """
        identity = self.identity(x)
        is_particle, possible, background = identity.tensor_split(
            (1, 1 + len(self.class_columns)), dim=1
        )
        logits = x.new_full((len(x), len(PARTICLE_CLASSES)), IMPOSSIBLE)
        logits = logits.index_copy(1, self.class_columns, possible)
        momentum = x.new_zeros(len(x), len(Momentum))
        if self.momentum is not None:
            momentum = self.momentum(x)
        return torch.cat([is_particle, logits, momentum, background], 1)


def decode(
    prediction: Float[Tensor, "element prediction"], features: Float[Tensor, "element feature"]
) -> Output:
    """The columns of `TypeHeads` for all elements as an `Output`.

    pt and energy have a common factor; the energy has a second one, exp(LOG_MASS_FACTOR). The
    azimuth is that of the element plus a correction, so that sin^2 + cos^2 = 1.
    """
    f = TrackFeature
    ends = accumulate((1, len(PARTICLE_CLASSES), len(Momentum)))
    is_particle, logits, momentum, background = prediction.tensor_split(tuple(ends), dim=1)
    log_pt_ratio = MAX_LOG_RATIO * torch.tanh(momentum[:, Momentum.LOG_PT_RATIO] / MAX_LOG_RATIO)
    delta_phi = ANGLE_CORRECTION_SCALE * momentum[:, Momentum.DELTA_PHI]
    sin, cos = torch.sin(delta_phi), torch.cos(delta_phi)
    sin_phi, cos_phi = features[:, f.SIN_PHI], features[:, f.COS_PHI]
    return Output(
        is_particle_logit=is_particle[:, 0],
        class_logits=logits,
        log_pt_ratio=log_pt_ratio,
        eta=features[:, f.ETA] + ANGLE_CORRECTION_SCALE * momentum[:, Momentum.DELTA_ETA],
        sin_phi=sin_phi * cos + cos_phi * sin,
        cos_phi=cos_phi * cos - sin_phi * sin,
        log_energy_ratio=log_pt_ratio + momentum[:, Momentum.LOG_MASS_FACTOR],
        background_logit=background,
    )


class DirectHead(nn.Module):
    """The head `direct`: the energy of a particle is that of its own element, corrected."""

    def __init__(self, config: ModelConfig, num_track_inputs: int, num_cluster_inputs: int) -> None:
        super().__init__()
        has_background = config.predict_background
        self.track_heads = TypeHeads(
            num_track_inputs, config.dim, TRACK_CLASSES, has_background=has_background
        )
        self.cluster_heads = TypeHeads(
            num_cluster_inputs, config.dim, CLUSTER_CLASSES, has_background=has_background
        )

    def forward(
        self,
        tracks: Float[Tensor, "track track_input"],
        clusters: Float[Tensor, "cluster cluster_input"],
        features: Float[Tensor, "element feature"],
        rows: Layout,
    ) -> Output:
        """Predictions for every element; `tracks` and `clusters` are representations and inputs."""
        predictions = interleave(rows, self.track_heads(tracks), self.cluster_heads(clusters))
        return decode(predictions, features)
