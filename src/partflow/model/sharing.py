"""The sharing head: the energy of each cluster is divided over its possible owners.

For each cluster j the shares s_ij are a distribution over its possible owners i (`owners`), one of
which is UNASSIGNED:

    s_ij = softmax_i( q_i . k_j / sqrt(width) + w . gelu(u_i + v_j + G g_ij) + b . g_ij )

q and u are projections of the owner, k and v of the cluster, and g_ij are the inputs of the pair.
The particle on element i gets the energy sum_j s_ij E_j, so that the energies of all particles and
of UNASSIGNED sum to those of the clusters, whatever the weights of the network.

A particle on a track keeps the track's momentum. For a particle on a cluster, the parts of its
shower are summed: energies on both scales, in bins of hit energy and of depth, and their centroid.
A second network corrects the energy and the direction of the sum. It is trained with the true
shares, so that it learns how a shower is measured and not how probable the particle is.

The cost is linear in the number of pairs of clusters and owners, so in the number of elements.
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
    ANGLE_CORRECTION_SCALE,
    CLUSTER_CLASSES,
    MAX_LOG_RATIO,
    PARTICLE_CLASSES,
    TRACK_CLASSES,
    Momentum,
    Output,
    TypeHeads,
    decode,
    reference_energy,
    reference_pt,
)
from partflow.model.inputs import LOG_ENERGY_FLOOR
from partflow.model.layout import Layout, interleave
from partflow.model.linear import Linear
from partflow.model.owners import (
    NUM_PAIR_INPUTS,
    UNASSIGNED,
    Pairs,
    pair_inputs,
    possible_owners,
)
from partflow.model.sharing_rounds import AssignedPairs, SharingRound, element_energies

WIDTH = 32
"""Width of the product of owner and cluster, and of the hidden layer added to it."""
MIN_SHOWER_ENERGY = 1e-6
"""Added to the energy of every shower [GeV], for its logarithm."""
UNASSIGNED_FLOOR = 1e-3
"""Added to the share of UNASSIGNED when unlisted owners are removed: listed owners with next to no
share of a cluster do not get all of its energy."""


class _Summed:
    """Columns that are summed over the parts of a shower."""

    names = ("energy_em", "energy_hadronic", *DEPTH_PROFILE, *HIT_SPECTRUM)
    energy_em, energy_hadronic = 0, 1
    position = slice(len(names), len(names) + 3)
    """Position [mm], weighted with the EM-scale energy."""


NUM_SUMMED_INPUTS = len(_Summed.names) + 6


@dataclass(frozen=True)
class SharingOutput(Output):
    """An `Output` in which a particle on a cluster has the momentum of its shares.

    These momenta are expectations: an improbable particle has little energy, so they are not
    multiplied by probabilities again.
    """

    pairs: Pairs
    """Clusters and their possible owners, by row of the batch."""
    log_share: Float[Tensor, " pair"]
    """Logarithm of the share of each pair; the shares of a cluster sum to 1."""
    measurement: Measurement
    """Computes the momenta of the particles on clusters from the shares."""

    def counted(
        self, weight: Float[Tensor, " element"], is_track: Bool[Tensor, " element"]
    ) -> Float[Tensor, " element"]:
        """Factor of each element's momentum in a sum over particles: `weight` for a track, 1 for a
        cluster.
        """
        return torch.where(is_track, weight, 1.0)

    def with_shares(self, share: Float[Tensor, " pair"]) -> Self:
        """The predictions with other shares, and the momenta that follow from them."""
        momenta = self.measurement(share)
        rows = self.measurement.cluster_rows
        changed = {
            name: getattr(self, name).index_copy(0, rows, values)
            for name, values in momenta._asdict().items()
        }
        return replace(self, log_share=share.clamp(min=1e-30).log(), **changed)

    def listed(self, weight: Float[Tensor, " element"]) -> Self:
        """The predictions for a list of particles: elements of `weight` 1 are listed, of 0 not.

        The shares of unlisted owners go to the listed owners of the same cluster in proportion to
        their shares, and to UNASSIGNED, whose share of each cluster is raised by UNASSIGNED_FLOOR.
        """
        share = self.log_share.exp()
        cluster, owner = self.pairs
        weight_of_owner = torch.where(owner >= 0, weight[owner.clamp(min=0)], 1.0)
        listed = share * weight_of_owner
        total = listed.new_full((len(weight),), UNASSIGNED_FLOOR).index_add(0, cluster, listed)
        floor = torch.where(owner == UNASSIGNED, UNASSIGNED_FLOOR, 0.0)
        return self.with_shares((listed + floor) / total[cluster])

    def true_share(self, shares: Shares) -> Float[Tensor, " pair"]:
        """The labelled share of each pair, as a fraction of the cluster's energy.

        Labelled energy of elements that are no possible owners of the cluster is left out.
        """
        num_keys = len(self.is_particle_logit) + 1
        keys, order = (self.pairs.cluster * num_keys + self.pairs.owner).sort()
        labelled_keys = shares.cluster * num_keys + shares.owner
        place = torch.searchsorted(keys, labelled_keys).clamp(max=max(len(keys) - 1, 0))
        if not len(keys):
            return self.log_share.new_zeros(0)
        energy = shares.energy_em.new_zeros(num_keys).index_add(0, shares.cluster, shares.energy_em)
        fraction = shares.energy_em / energy[shares.cluster].clamp(min=MIN_SHOWER_ENERGY)
        fraction = torch.where(keys[place] == labelled_keys, fraction, 0.0)
        return self.log_share.new_zeros(len(keys)).index_add(0, order[place], fraction)

    def reordered(self, inverse: Int[Tensor, " element"], order: Int[Tensor, " element"]) -> Self:
        """The predictions for the elements in another order, as in `Output`."""
        changed = {f.name: getattr(self, f.name)[inverse] for f in fields(Output)}
        owner = self.pairs.owner
        owner = torch.where(owner >= 0, order[owner.clamp(min=0)], UNASSIGNED)
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
    """Computes the momenta of the particles on the clusters of one batch from shares.

    A *part* is a pair whose owner is a cluster: energy of one cluster in the shower of another, or
    in its own.
    """

    correction: nn.Module
    """Network from representation and sums to `heads.Momentum`."""
    representation: Float[Tensor, "cluster _"]
    features: Float[Tensor, "cluster feature"]
    photon_probability: Float[Tensor, " cluster"]
    """Probability that the particle is a photon, measured on the EM scale, and not a hadron."""
    cluster_rows: Int[Tensor, " cluster"]
    """Row of each cluster in the batch."""
    pair_index: Int[Tensor, " part"]
    """The pair of each part."""
    source_index: Int[Tensor, " part"]
    """The cluster that the energy is in, counted among the clusters."""
    owner_index: Int[Tensor, " part"]
    """The cluster that owns the energy, counted among the clusters."""

    def __call__(self, share: Float[Tensor, " pair"]) -> ClusterMomenta:
        """Momenta of the particles on the clusters for these shares."""
        source = _summed_columns(self.features)[self.source_index]
        part = share[self.pair_index][:, None] * source
        summed = source.new_zeros(len(self.features), source.shape[1])
        summed = summed.index_add(0, self.owner_index, part)
        energy_em = summed[:, _Summed.energy_em] + MIN_SHOWER_ENERGY
        energy_hadronic = summed[:, _Summed.energy_hadronic] + MIN_SHOWER_ENERGY
        photon = self.photon_probability
        measured = photon * energy_em + (1.0 - photon) * energy_hadronic
        position = self.features[:, ExtraFeature.FACE_X : ExtraFeature.FACE_Z + 1]
        centroid = summed[:, _Summed.position] + MIN_SHOWER_ENERGY * position
        centroid = centroid / energy_em[:, None]
        # Gradients reach the shares through the energy and the centroid, not through the inputs of
        # the correction.
        inputs = _summed_inputs(summed, energy_em, centroid, self.features).detach()
        change = self.correction(torch.cat([self.representation, inputs], 1))
        log_factor = MAX_LOG_RATIO * torch.tanh(change[:, Momentum.LOG_PT_RATIO] / MAX_LOG_RATIO)
        transverse = torch.hypot(centroid[:, 0], centroid[:, 1]).clamp(min=1.0)
        eta = torch.asinh(centroid[:, 2] / transverse)
        eta = eta + ANGLE_CORRECTION_SCALE * change[:, Momentum.DELTA_ETA]
        delta_phi = ANGLE_CORRECTION_SCALE * change[:, Momentum.DELTA_PHI]
        sin_phi, cos_phi = centroid[:, 1] / transverse, centroid[:, 0] / transverse
        log_energy = measured.log() + log_factor
        return ClusterMomenta(
            log_pt_ratio=log_energy - torch.cosh(eta).log() - reference_pt(self.features).log(),
            eta=eta,
            sin_phi=sin_phi * delta_phi.cos() + cos_phi * delta_phi.sin(),
            cos_phi=cos_phi * delta_phi.cos() - sin_phi * delta_phi.sin(),
            log_energy_ratio=log_energy
            + change[:, Momentum.LOG_MASS_FACTOR]
            - reference_energy(self.features).log(),
        )


class SharingHead(nn.Module):
    """The head `sharing`: a particle on a cluster has the energy of its shares of all clusters."""

    shares_energy = True

    def __init__(self, config: ModelConfig, num_track_inputs: int, num_cluster_inputs: int) -> None:
        super().__init__()
        has_background = config.predict_background
        self.track_heads = TypeHeads(
            num_track_inputs, config.dim, TRACK_CLASSES, has_background=has_background
        )
        self.cluster_heads = TypeHeads(
            num_cluster_inputs,
            config.dim,
            CLUSTER_CLASSES,
            has_momentum=False,
            has_background=has_background,
        )
        self.sharing = Sharing(config, num_track_inputs, num_cluster_inputs)

    def forward(
        self,
        tracks: Float[Tensor, "track track_input"],
        clusters: Float[Tensor, "cluster cluster_input"],
        features: Float[Tensor, "element feature"],
        rows: Layout,
    ) -> SharingOutput:
        """Predictions for every element; `tracks` and `clusters` are representations and inputs."""
        predictions = interleave(rows, self.track_heads(tracks), self.cluster_heads(clusters))
        return self.sharing(decode(predictions, features), tracks, clusters, features, rows)


class Sharing(nn.Module):
    """Shares of the clusters' energy, and the momenta of the particles on clusters.

    Names of layers are those of stored weights: `of_track` and `of_cluster` make q and u of an
    owner, `given` makes k and v of the cluster whose energy is shared, `geometry`, `score` and
    `distance` are G, w and b, and `nobody` makes the logit of UNASSIGNED.
    """

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
        self.rounds = nn.ModuleList(
            SharingRound(num_track_inputs, num_cluster_inputs, WIDTH)
            for _ in range(config.sharing_rounds - 1)
        )
        self.correction = nn.Sequential(
            Linear(num_cluster_inputs + NUM_SUMMED_INPUTS, config.dim),
            nn.GELU(),
            Linear(config.dim, len(Momentum)),
        )
        last = self.correction[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)  # momenta begin as the calorimeters measure them
        nn.init.zeros_(last.bias)

    def forward(
        self,
        output: Output,
        tracks: Float[Tensor, "track track_input"],
        clusters: Float[Tensor, "cluster cluster_input"],
        features: Float[Tensor, "element feature"],
        rows: Layout,
    ) -> SharingOutput:
        """`output` with shares, and the momenta of particles on clusters replaced by theirs.

        `tracks` and `clusters` are the representations and inputs of each.
        """
        with torch.no_grad():
            pairs = possible_owners(features, rows, self.num_owners)
            # Index of each element among the tracks and then the clusters.
            index = torch.zeros(len(features), dtype=torch.long, device=features.device)
            index[rows.track_rows] = torch.arange(len(tracks), device=features.device)
            index[rows.cluster_rows] = torch.arange(
                len(tracks), len(tracks) + len(clusters), device=features.device
            )
        log_share = self._log_share(tracks, clusters, features, pairs, index)
        assigned = torch.nonzero(pairs.owner >= 0).flatten()
        owner = index[pairs.owner[assigned]] - len(tracks)
        is_cluster = owner >= 0
        pair_index = assigned[is_cluster]
        logits = output.class_logits[rows.cluster_rows].detach()
        photon, hadron = (logits[:, PARTICLE_CLASSES.index(c)] for c in (PHOTON, NEUTRAL_HADRON))
        measurement = Measurement(
            correction=self.correction,
            representation=clusters,
            features=features[rows.cluster_rows],
            photon_probability=torch.sigmoid(photon - hadron),
            cluster_rows=rows.cluster_rows,
            pair_index=pair_index,
            source_index=index[pairs.cluster[pair_index]] - len(tracks),
            owner_index=owner[is_cluster],
        )
        predictions = {f.name: getattr(output, f.name) for f in fields(Output)}
        shared = SharingOutput(
            **predictions, pairs=pairs, log_share=log_share, measurement=measurement
        )
        return replace(shared.with_shares(log_share.exp()), log_share=log_share)

    def _log_share(
        self, tracks: Tensor, clusters: Tensor, features: Tensor, pairs: Pairs, index: Tensor
    ) -> Float[Tensor, " pair"]:
        """The logarithm of s_ij for every pair; `index` counts the tracks and then the clusters."""
        owner_projections = torch.cat([self.of_track(tracks), self.of_cluster(clusters)])
        cluster_projections = self.given(clusters)
        assigned = torch.nonzero(pairs.owner >= 0).flatten()
        cluster = index[pairs.cluster] - len(tracks)
        with torch.no_grad():
            assigned_pairs = Pairs(pairs.cluster[assigned], pairs.owner[assigned])
            geometry = pair_inputs(features, assigned_pairs)
        of_owner = owner_projections[index[assigned_pairs.owner]]
        of_cluster = cluster_projections[cluster[assigned]]
        product = (of_owner[:, :WIDTH] * of_cluster[:, :WIDTH]).sum(1) * WIDTH**-0.5
        hidden = of_owner[:, WIDTH:] + of_cluster[:, WIDTH:] + self.geometry(geometry)
        score = self.score(nn.functional.gelu(hidden))[:, 0] + self.distance(geometry)[:, 0]
        unassigned_logit = self.nobody(clusters)[:, 0]
        logit = unassigned_logit[cluster].index_copy(0, assigned, product + score)
        log_share = segment_log_softmax(logit, cluster, len(clusters))
        each = AssignedPairs(
            cluster[assigned],
            index[assigned_pairs.owner],
            geometry,
            element_energies(features, index),
            len(tracks),
        )
        for sharing_round in self.rounds:
            change = sharing_round(log_share[assigned].exp(), each, tracks, clusters)
            logit = logit.index_add(0, assigned, change)
            log_share = segment_log_softmax(logit, cluster, len(clusters))
        return log_share


def segment_log_softmax(
    logit: Float[Tensor, " row"], segment: Int[Tensor, " row"], num_segments: int
) -> Float[Tensor, " row"]:
    """Logarithm of the softmax over the rows of each segment, linear in the number of rows."""
    largest = logit.new_full((num_segments,), -torch.inf).scatter_reduce(
        0, segment, logit.detach(), "amax"
    )
    shifted = logit - largest[segment]
    total = logit.new_zeros(num_segments).index_add(0, segment, shifted.exp())
    return shifted - total.log()[segment]


def _summed_columns(features: Tensor) -> Tensor:
    """The columns of `_Summed` for every cluster."""
    extra = ExtraFeature
    energy_em = features[:, ClusterFeature.ENERGY]
    names = [extra[name.upper()] for name in (*DEPTH_PROFILE, *HIT_SPECTRUM)]
    position = features[:, extra.FACE_X : extra.FACE_Z + 1]
    scales = torch.stack([energy_em, features[:, extra.ENERGY_HADRONIC]], 1)
    return torch.cat([scales, features[:, names], energy_em[:, None] * position], 1)


def _summed_inputs(summed: Tensor, energy_em: Tensor, centroid: Tensor, features: Tensor) -> Tensor:
    """Inputs of the correction from the sums, [cluster, NUM_SUMMED_INPUTS]."""
    cluster_energy = features[:, ClusterFeature.ENERGY].clamp(min=LOG_ENERGY_FLOOR)
    energy_hadronic = summed[:, _Summed.energy_hadronic]
    visible = energy_em.clamp(min=LOG_ENERGY_FLOOR)
    shift = centroid - features[:, ExtraFeature.FACE_X : ExtraFeature.FACE_Z + 1]
    parts = summed[:, 2 : len(_Summed.names)] / visible[:, None]
    columns = (
        visible.log(),
        (visible / cluster_energy).log().clamp(-5.0, 5.0),
        (energy_hadronic.clamp(min=LOG_ENERGY_FLOOR) / visible).log(),
        torch.log1p(cluster_energy),
        torch.linalg.vector_norm(shift, dim=1) / 100.0,
        *(shift / 100.0).unbind(1),
    )
    return torch.cat([torch.stack(columns, 1).clamp(-8.0, 8.0), parts.clamp(-2.0, 2.0)], 1)
