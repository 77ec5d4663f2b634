"""Shares: the element to which each part of a cluster's energy should go."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.deposits import Deposits
from partflow.core.features import element_index_of_clusters, element_index_of_tracks
from partflow.core.records import Array, Collection, offsets_from_counts
from partflow.core.schemas import SHARES
from partflow.label.assignment import Assignment


def energy_shares(
    tracks: Collection,
    clusters: Collection,
    deposits: Deposits,
    assignment: Assignment,
    hits: Collection | None = None,
) -> Collection:
    """SHARES of all events, by cluster, then by owner (-1 first); energies above 0 only.

    A hit is divided as its deposits are. The owner of a deposit is the element whose target its
    particle is, or is merged into. Deposits of particles without a target, and hits without
    deposits (noise), have no owner. The shares of a cluster sum to its energy: where that is not
    the sum of its hits, all of them are scaled. Without `hits`, the energy of a hit is the sum of
    its deposits. `deposits` and `assignment` are of the same particles.
    """
    parts = _divide_hits(deposits, hits)
    owner_of_particle = _owner_of_particles(tracks, clusters, assignment)
    owner = np.where(parts.particle >= 0, owner_of_particle[parts.particle], -1)
    hit_energy = np.bincount(parts.cluster, parts.energy_em, len(clusters))
    scale = np.divide(
        clusters.energy_em, hit_energy, out=np.zeros(len(clusters)), where=hit_energy > 0
    )
    without_hits = np.flatnonzero(hit_energy <= 0)
    cluster = np.concatenate([parts.cluster, without_hits])
    owner = np.concatenate([owner, np.full(len(without_hits), -1)])
    energy = np.concatenate(
        [parts.energy_em * scale[parts.cluster], clusters.energy_em[without_hits]]
    )

    num_owners = len(tracks) + len(clusters) + 1
    pairs, which = np.unique(cluster * num_owners + owner + 1, return_inverse=True)
    energy = np.bincount(which, energy, len(pairs))
    cluster, owner = np.divmod(pairs[energy > 0], num_owners)
    owner, energy = owner - 1, energy[energy > 0]
    event = clusters.event_index[cluster]
    first = (tracks.offsets + clusters.offsets)[:-1][event]
    columns = {
        "cluster_element": element_index_of_clusters(tracks, clusters)[cluster] - first,
        "owner_element": np.where(owner >= 0, owner - first, -1),
        "energy_em": energy,
    }
    counts = np.bincount(event, minlength=clusters.num_events)
    return Collection(SHARES, offsets_from_counts(counts), columns)


class _HitParts(NamedTuple):
    """Parts of the energy of hits in clusters. All are [part]."""

    cluster: Array
    """Row of the cluster."""
    particle: Array
    """Row of the particle, or -1."""
    energy_em: Array
    """On the scale of the hits [GeV]."""


def _divide_hits(deposits: Deposits, hits: Collection | None) -> _HitParts:
    """The hits in clusters, divided as their deposits; those without deposits behind them."""
    hit, cluster = deposits.hit, deposits.hit_to_cluster
    deposited = np.bincount(hit, deposits.energy_em, deposits.num_hits)
    hit_energy = deposited if hits is None else hits.energy_em.astype(np.float64)
    scale = np.divide(hit_energy, deposited, out=np.zeros(len(deposited)), where=deposited > 0)
    energy = deposits.energy_em * scale[hit]
    noise = np.flatnonzero((deposited <= 0) & (hit_energy > 0) & (cluster >= 0))
    divided = np.flatnonzero((deposits.cluster >= 0) & (deposited[hit] > 0))
    return _HitParts(
        np.concatenate([deposits.cluster[divided], cluster[noise]]),
        np.concatenate([deposits.particle[divided], np.full(len(noise), -1)]),
        np.concatenate([energy[divided], hit_energy[noise]]),
    )


def _owner_of_particles(tracks: Collection, clusters: Collection, assignment: Assignment) -> Array:
    """Row of the element whose target each particle is in, or -1, [particle]."""
    element = np.full(len(assignment.track), -1, dtype=np.int64)
    on_track, on_cluster = assignment.track >= 0, assignment.cluster >= 0
    element[on_track] = element_index_of_tracks(tracks, clusters)[assignment.track[on_track]]
    element[on_cluster] = element_index_of_clusters(tracks, clusters)[
        assignment.cluster[on_cluster]
    ]
    is_merged = assignment.merged_into >= 0
    element[is_merged] = element[assignment.merged_into[is_merged]]
    return element
