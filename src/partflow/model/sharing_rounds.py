"""Further rounds of sharing, which see what the round before gave to each owner.

A track's shower should have about the track's momentum, so what a cluster may leave to a track
depends on what the others left to it. With the shares s_ij of the round before, owner i has the
hadronic energy C_i = sum_j s_ij E_j. A round adds to the logit of each pair

    w . gelu( u_i + v_j + G g_ij + R r_ij )

where g_ij are the inputs of the pair (`owners.pair_inputs`), u and v are projections of owner and
cluster, and r_ij says how C_i compares with the momentum or energy of the owner: as it is, without
cluster j, and with all of cluster j.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from partflow.core.features import TRACK, ExtraFeature, TrackFeature
from partflow.model.linear import Linear
from partflow.model.neighbourhood import HADRON_RESOLUTION, MAX_CHI
from partflow.model.owners import NUM_PAIR_INPUTS, PAIR_ENERGY_FLOOR

NUM_BALANCE_INPUTS = 9
SMALLEST_SHARE = 1e-4
"""Bound of a share in the inputs, for its logarithm."""


class AssignedPairs(NamedTuple):
    """The pairs whose owner is an element, with what does not change from round to round.

    Tracks and clusters of the batch are counted together: first the tracks, then the clusters.
    """

    cluster: Int[Tensor, " pair"]
    """The cluster, counted among the clusters."""
    owner: Int[Tensor, " pair"]
    """The owner, counted among tracks and clusters."""
    geometry: Float[Tensor, "pair pair_input"]
    """Inputs of the pair."""
    energy: Float[Tensor, " element"]
    """Momentum of a track, hadronic energy of a cluster [GeV], by element."""
    num_tracks: int


def element_energies(
    features: Float[Tensor, "element feature"], index: Int[Tensor, " element"]
) -> Float[Tensor, " element"]:
    """Momentum of each track, hadronic energy of each cluster [GeV], in the order of `index`."""
    is_track = features[:, TrackFeature.TYPE] == TRACK
    hadronic = features[:, ExtraFeature.ENERGY_HADRONIC]
    energy = torch.where(is_track, features[:, TrackFeature.P], hadronic)
    return torch.empty_like(energy).index_copy(0, index, energy)


def balance_inputs(
    share: Float[Tensor, " pair"], pairs: AssignedPairs
) -> Float[Tensor, "pair balance_input"]:
    """How the energy that each owner has compares with its own, for each pair."""
    cluster_energy = pairs.energy[pairs.num_tracks :][pairs.cluster]
    given = share * cluster_energy
    claimed = pairs.energy.new_zeros(len(pairs.energy)).index_add(0, pairs.owner, given)
    now, own = claimed[pairs.owner], pairs.energy[pairs.owner]
    others = now - given
    is_track = (pairs.owner < pairs.num_tracks).to(share)
    sigma = HADRON_RESOLUTION * own.clamp(min=0.5).sqrt()

    def pull(energy: Tensor) -> Tensor:
        return is_track * 0.5 * ((energy - own) / sigma).clamp(-MAX_CHI, MAX_CHI)

    floor = PAIR_ENERGY_FLOOR
    columns = (
        pull(now),
        pull(others),
        pull(others + cluster_energy),
        is_track * (now - own).sign() * torch.log1p((now - own).abs()),
        (1.0 - is_track) * ((now + floor) / (own + floor)).log(),
        (others + floor).log(),
        (given + floor).log(),
        share,
        0.25 * share.clamp(min=SMALLEST_SHARE).log(),
    )
    return torch.stack(columns, 1)


class SharingRound(nn.Module):
    """Change of the logits of all pairs by one more round; it begins as no change."""

    def __init__(self, num_track_inputs: int, num_cluster_inputs: int, width: int) -> None:
        super().__init__()
        self.of_track = Linear(num_track_inputs, width)
        self.of_cluster = Linear(num_cluster_inputs, width)
        self.given = Linear(num_cluster_inputs, width)
        self.pair = Linear(NUM_PAIR_INPUTS + NUM_BALANCE_INPUTS, width, bias=False)
        self.score = Linear(width, 1, bias=False)
        nn.init.zeros_(self.score.weight)

    def forward(
        self,
        share: Float[Tensor, " pair"],
        pairs: AssignedPairs,
        tracks: Float[Tensor, "track track_input"],
        clusters: Float[Tensor, "cluster cluster_input"],
    ) -> Float[Tensor, " pair"]:
        """What to add to the logit of each pair; `tracks` and `clusters` are as in the head."""
        of_owner = torch.cat([self.of_track(tracks), self.of_cluster(clusters)])[pairs.owner]
        inputs = torch.cat([pairs.geometry, balance_inputs(share, pairs)], 1)
        hidden = of_owner + self.given(clusters)[pairs.cluster] + self.pair(inputs)
        change: Tensor = self.score(nn.functional.gelu(hidden))[:, 0]
        return change
