"""The sharing head: every cluster's energy is divided over its possible owners.

For each cluster j a distribution s_ij over owners i: the elements near it (`owners`) and nobody.

    s_ij = softmax_i( q_i . k_j / sqrt(width) + w . gelu(u_i + v_j + G g_ij) + b . g_ij )

with q, u of the owner, k, v of the cluster and g_ij the geometry of the two. The particle on
element i is given the energy sum_j s_ij E_j: whatever the network answers, every cluster is given
away exactly once. A particle on a track keeps the track's momentum and has no use for what it is
given. For one on a cluster that is the measurement: the sums of what it was given on both energy
scales, in bins of hit energy and of depth, and their centroid, together as one shower. A second
network corrects energy and direction; it is taught on the true shares, so that it learns how a
shower is measured, not how likely it is that there was one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import NamedTuple, Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from partflow.core.features import ClusterFeature, ExtraFeature
from partflow.core.particles import NEUTRAL_HADRON, PHOTON
from partflow.core.schemas import DEPTH_PROFILE, HIT_SPECTRUM
from partflow.dataset.batches import Shares
from partflow.model.config import ModelConfig
from partflow.model.heads import (
    ANGLE_SCALE,
    MAX_LOG_RATIO,
    PARTICLE_CLASSES,
    Momentum,
    Output,
    reference_energy,
    reference_pt,
)
from partflow.model.inputs import MIN_ENERGY
from partflow.model.layout import Layout
from partflow.model.linear import Linear
from partflow.model.owners import (
    NOBODY,
    NUM_PAIR_INPUTS,
    Pairs,
    pair_inputs,
    possible_owners,
)

WIDTH = 32
"""Width of the product of owner and cluster, and of the hidden layer beside it."""
TINY_ENERGY = 1e-6  # GeV; what a cluster is given at least, for the sake of the logarithm
FLOOR = 1e-3
"""Part of a cluster's energy that stays with nobody however little its listed owners may claim:
they are not made to take what nearly certainly is not theirs."""


class _Summed:
    """Columns of what is summed over the parts of a shower."""

    names = ("energy_em", "energy_hadronic", *DEPTH_PROFILE, *HIT_SPECTRUM)
    energy, energy_hadronic = 0, 1
    position = slice(len(names), len(names) + 3)


NUM_SUMMED_INPUTS = len(_Summed.names) + 6


@dataclass(frozen=True)
class SharingOutput(Output):
    """An `Output` whose clusters have the momenta of what they are given.

    These are expectations: an unlikely particle has little energy, and probabilities are not
    multiplied with them.
    """

    pairs: Pairs
    """Clusters and their possible owners; rows of the batch."""
    log_share: Float[Tensor, " pair"]
    """Logarithm of the share of each; the shares of a cluster sum to 1."""
    measurement: Measurement
    """How energy that clusters are given becomes their momenta."""

    def counted(
        self, weight: Float[Tensor, " element"], is_track: Bool[Tensor, " element"]
    ) -> Float[Tensor, " element"]:
        """What each element's momentum counts with in a sum; see `Output`."""
        return torch.where(is_track, weight, 1.0)

    def with_shares(self, share: Float[Tensor, " pair"]) -> Self:
        """The same with other shares, and the momenta that follow from them."""
        momenta = self.measurement(share)
        rows = self.measurement.cluster_rows
        changed = {
            name: getattr(self, name).index_copy(0, rows, values)
            for name, values in momenta._asdict().items()
        }
        return replace(self, log_share=share.clamp(min=1e-30).log(), **changed)

    def listed(self, weight: Float[Tensor, " element"]) -> Self:
        """The same for a list of particles: elements of `weight` 1 own energy, those of 0 none.

        What the others would have owned goes to those that may own the same clusters, in
        proportion, or to nobody where there are none.
        """
        share = self.log_share.exp()
        owner = self.pairs.owner
        weight_of_owner = torch.where(owner >= 0, weight[owner.clamp(min=0)], 1.0)
        claimed = share * weight_of_owner
        total = claimed.new_full((len(weight),), FLOOR).index_add(0, self.pairs.cluster, claimed)
        rest = torch.where(owner == NOBODY, FLOOR, 0.0)
        return self.with_shares((claimed + rest) / total[self.pairs.cluster])

    def true_share(self, shares: Shares) -> Float[Tensor, " pair"]:
        """The labelled shares of the pairs, as fractions of the cluster's energy; what belongs
        to elements that are no possible owners is left out.
        """
        num = len(self.is_particle_logit) + 1
        keys = self.pairs.cluster * num + self.pairs.owner
        keys, order = keys.sort()
        wanted = shares.cluster * num + shares.owner
        place = torch.searchsorted(keys, wanted).clamp(max=max(len(keys) - 1, 0))
        if not len(keys):
            return self.log_share.new_zeros(0)
        energy = shares.energy_em.new_zeros(num).index_add(0, shares.cluster, shares.energy_em)
        fraction = shares.energy_em / energy[shares.cluster].clamp(min=TINY_ENERGY)
        fraction = torch.where(keys[place] == wanted, fraction, 0.0)
        return self.log_share.new_zeros(len(keys)).index_add(0, order[place], fraction)

    def in_order(self, back: Int[Tensor, " element"], order: Int[Tensor, " element"]) -> Self:
        """The same for elements in another order: row i is what row `back[i]` was."""
        changed = {f.name: getattr(self, f.name)[back] for f in fields(Output)}
        owner = self.pairs.owner
        owner = torch.where(owner >= 0, order[owner.clamp(min=0)], NOBODY)
        pairs = Pairs(order[self.pairs.cluster], owner)
        rows = order[self.measurement.cluster_rows]
        measurement = replace(self.measurement, cluster_rows=rows)
        return replace(self, pairs=pairs, measurement=measurement, **changed)


class ClusterMomenta(NamedTuple):
    """Momenta of the particles on the clusters, as in `Output`."""

    log_pt_ratio: Float[Tensor, " cluster"]
    eta: Float[Tensor, " cluster"]
    sin_phi: Float[Tensor, " cluster"]
    cos_phi: Float[Tensor, " cluster"]
    log_energy_ratio: Float[Tensor, " cluster"]


@dataclass(frozen=True)
class Measurement:
    """From shares to the momenta of the particles on the clusters of one batch."""

    correction: nn.Module
    """Network from representation and sums to `heads.Momentum`."""
    representation: Float[Tensor, "cluster _"]
    features: Float[Tensor, "cluster feature"]
    photon: Float[Tensor, " cluster"]
    """Probability that the particle is a photon: how its energy is measured."""
    cluster_rows: Int[Tensor, " cluster"]
    """Rows of the clusters in the batch."""
    pair: Int[Tensor, " part"]
    """The pairs whose owner is a cluster,"""
    source: Int[Tensor, " part"]
    """the number of the cluster that gives,"""
    taker: Int[Tensor, " part"]
    """and of the one that takes."""

    def __call__(self, share: Float[Tensor, " pair"]) -> ClusterMomenta:
        """Momenta of the clusters if energy is shared so."""
        given = _summed_columns(self.features)[self.source]
        part = share[self.pair][:, None] * given
        summed = given.new_zeros(len(self.features), given.shape[1]).index_add(0, self.taker, part)
        energy = summed[:, _Summed.energy] + TINY_ENERGY
        hadronic = summed[:, _Summed.energy_hadronic] + TINY_ENERGY
        measured = self.photon * energy + (1.0 - self.photon) * hadronic
        own = self.features[:, ExtraFeature.FACE_X : ExtraFeature.FACE_Z + 1]
        centroid = (summed[:, _Summed.position] + TINY_ENERGY * own) / energy[:, None]
        # Through the energy, shares feel what becomes of them; not through their correction.
        inputs = _summed_inputs(summed, energy, centroid, self.features).detach()
        change = self.correction(torch.cat([self.representation, inputs], 1))
        log_factor = MAX_LOG_RATIO * torch.tanh(change[:, Momentum.LOG_PT_RATIO] / MAX_LOG_RATIO)
        transverse = torch.hypot(centroid[:, 0], centroid[:, 1]).clamp(min=1.0)
        eta = torch.asinh(centroid[:, 2] / transverse)
        eta = eta + ANGLE_SCALE * change[:, Momentum.DELTA_ETA]
        turn = ANGLE_SCALE * change[:, Momentum.DELTA_PHI]
        sin_phi, cos_phi = centroid[:, 1] / transverse, centroid[:, 0] / transverse
        log_energy = measured.log() + log_factor
        return ClusterMomenta(
            log_pt_ratio=log_energy - torch.cosh(eta).log() - reference_pt(self.features).log(),
            eta=eta,
            sin_phi=sin_phi * turn.cos() + cos_phi * turn.sin(),
            cos_phi=cos_phi * turn.cos() - sin_phi * turn.sin(),
            log_energy_ratio=log_energy
            + change[:, Momentum.LOG_MASS_FACTOR]
            - reference_energy(self.features).log(),
        )


class SharingHead(nn.Module):
    """Divides clusters over owners and measures what clusters are given."""

    def __init__(self, config: ModelConfig, num_track_inputs: int, num_cluster_inputs: int) -> None:
        super().__init__()
        self.num_owners = config.num_owners
        self.of_track = Linear(num_track_inputs, 2 * WIDTH)
        self.of_cluster = Linear(num_cluster_inputs, 2 * WIDTH)
        self.given = Linear(num_cluster_inputs, 2 * WIDTH)
        self.geometry = Linear(NUM_PAIR_INPUTS, WIDTH, bias=False)
        self.score = Linear(WIDTH, 1, bias=False)
        self.distance = Linear(NUM_PAIR_INPUTS, 1, bias=False)
        self.nobody = Linear(num_cluster_inputs, 1)
        self.correction = nn.Sequential(
            Linear(num_cluster_inputs + NUM_SUMMED_INPUTS, config.dim),
            nn.GELU(),
            Linear(config.dim, len(Momentum)),
        )
        last = self.correction[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)  # begins as what the calorimeters measure
        nn.init.zeros_(last.bias)

    def forward(
        self,
        output: Output,
        tracks: Float[Tensor, "track track_input"],
        clusters: Float[Tensor, "cluster cluster_input"],
        features: Float[Tensor, "element feature"],
        rows: Layout,
    ) -> SharingOutput:
        """`output` with shared energies; `tracks` and `clusters` are their representations."""
        with torch.no_grad():
            pairs = possible_owners(features, rows, self.num_owners)
            number = torch.zeros(len(features), dtype=torch.long, device=features.device)
            number[rows.track_rows] = torch.arange(len(tracks), device=features.device)
            number[rows.cluster_rows] = torch.arange(
                len(tracks), len(tracks) + len(clusters), device=features.device
            )
        log_share = self._log_share(tracks, clusters, features, pairs, number)
        owned = torch.nonzero(pairs.owner >= 0).flatten()
        owner = number[pairs.owner[owned]] - len(tracks)
        by_cluster = owner >= 0
        part = owned[by_cluster]
        logits = output.class_logits[rows.cluster_rows].detach()
        photon, hadron = (logits[:, PARTICLE_CLASSES.index(c)] for c in (PHOTON, NEUTRAL_HADRON))
        measurement = Measurement(
            self.correction,
            clusters,
            features[rows.cluster_rows],
            torch.sigmoid(photon - hadron),
            rows.cluster_rows,
            part,
            number[pairs.cluster[part]] - len(tracks),
            owner[by_cluster],
        )
        plain = {f.name: getattr(output, f.name) for f in fields(Output)}
        shared = SharingOutput(**plain, pairs=pairs, log_share=log_share, measurement=measurement)
        return replace(shared.with_shares(log_share.exp()), log_share=log_share)

    def _log_share(
        self, tracks: Tensor, clusters: Tensor, features: Tensor, pairs: Pairs, number: Tensor
    ) -> Float[Tensor, " pair"]:
        """Logarithm of the share of every pair."""
        by_owner = torch.cat([self.of_track(tracks), self.of_cluster(clusters)])
        by_cluster = self.given(clusters)
        owned = torch.nonzero(pairs.owner >= 0).flatten()
        cluster = number[pairs.cluster] - len(tracks)
        with torch.no_grad():
            found = Pairs(pairs.cluster[owned], pairs.owner[owned])
            geometry = pair_inputs(features, found)
        of_owner = by_owner[number[found.owner]]
        of_cluster = by_cluster[cluster[owned]]
        product = (of_owner[:, :WIDTH] * of_cluster[:, :WIDTH]).sum(1) * WIDTH**-0.5
        hidden = of_owner[:, WIDTH:] + of_cluster[:, WIDTH:] + self.geometry(geometry)
        score = self.score(nn.functional.gelu(hidden))[:, 0] + self.distance(geometry)[:, 0]
        of_nobody = self.nobody(clusters)[:, 0]
        logit = of_nobody[cluster].index_copy(0, owned, product + score)
        return segment_log_softmax(logit, cluster, len(clusters))


def segment_log_softmax(
    logit: Float[Tensor, " row"], segment: Int[Tensor, " row"], num_segments: int
) -> Float[Tensor, " row"]:
    """Logarithm of the softmax over the rows of each segment."""
    largest = logit.new_full((num_segments,), -torch.inf).scatter_reduce(
        0, segment, logit.detach(), "amax"
    )
    shifted = logit - largest[segment]
    total = logit.new_zeros(num_segments).index_add(0, segment, shifted.exp())
    return shifted - total.log()[segment]


def _summed_columns(features: Tensor) -> Tensor:
    """What is summed of every cluster, columns as in `_Summed`."""
    extra = ExtraFeature
    energy = features[:, ClusterFeature.ENERGY]
    names = [extra[name.upper()] for name in (*DEPTH_PROFILE, *HIT_SPECTRUM)]
    position = features[:, extra.FACE_X : extra.FACE_Z + 1]
    scales = torch.stack([energy, features[:, extra.ENERGY_HADRONIC]], 1)
    return torch.cat([scales, features[:, names], energy[:, None] * position], 1)


def _summed_inputs(summed: Tensor, energy: Tensor, centroid: Tensor, features: Tensor) -> Tensor:
    """Inputs of the correction from the sums, [cluster, NUM_SUMMED_INPUTS]."""
    own = features[:, ClusterFeature.ENERGY].clamp(min=MIN_ENERGY)
    hadronic = summed[:, _Summed.energy_hadronic]
    visible = energy.clamp(min=MIN_ENERGY)
    shift = centroid - features[:, ExtraFeature.FACE_X : ExtraFeature.FACE_Z + 1]
    parts = summed[:, 2 : len(_Summed.names)] / visible[:, None]
    columns = (
        visible.log(),
        (visible / own).log().clamp(-5.0, 5.0),
        (hadronic.clamp(min=MIN_ENERGY) / visible).log(),
        torch.log1p(own),
        torch.linalg.vector_norm(shift, dim=1) / 100.0,
        *(shift / 100.0).unbind(1),
    )
    return torch.cat([torch.stack(columns, 1).clamp(-8.0, 8.0), parts.clamp(-2.0, 2.0)], 1)
