"""Which particle goes to which element: greedy, the most energetic particle chooses first."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.particles import is_neutrino
from partflow.core.records import Array, Collection
from partflow.label.links import ClusterLinks

MIN_CLUSTERED_FRACTION = 0.05
"""A particle without a track is visible if clusters hold more than this part of its energy."""


class Assignment(NamedTuple):
    """Where each particle went. All are rows, -1 where there is none, [particle]."""

    is_visible: Array
    """Whether the detector saw the particle, [particle]."""
    track: Array
    """Track that becomes the particle."""
    cluster: Array
    """Cluster that becomes the particle; never beside a track."""
    merged_into: Array
    """Particle that takes over its four-momentum."""

    @property
    def is_placed(self) -> Array:
        """Whether the particle has an element of its own, [particle]."""
        return (self.track >= 0) | (self.cluster >= 0)

    @property
    def is_lost(self) -> Array:
        """Whether the particle was seen, and yet neither placed nor merged, [particle]."""
        return self.is_visible & ~self.is_placed & (self.merged_into < 0)


def assign(
    particles: Collection, own_track: Array, links: ClusterLinks, num_tracks: int, num_clusters: int
) -> Assignment:
    """Place the visible particles on elements, and merge those for which none is left.

    Visible is a particle, no neutrino, with a track of its own or more than
    MIN_CLUSTERED_FRACTION of its energy in clusters. By decreasing energy (ties: lower index
    first) each takes its own track, otherwise the free cluster that holds most of it. One left
    over goes to the owner of the cluster that holds most of it and has an owner.
    """
    is_seen = (own_track >= 0) | (
        links.clustered_energy > MIN_CLUSTERED_FRACTION * particles.energy
    )
    is_visible = is_seen & ~is_neutrino(particles.pdg_id)
    order = np.lexsort((-particles.energy, particles.event_index))
    track_owner = np.full(num_tracks, -1, dtype=np.int64)
    cluster_owner = np.full(num_clusters, -1, dtype=np.int64)
    _choose(
        order[is_visible[order]],
        own_track,
        links.offsets,
        links.cluster,
        track_owner,
        cluster_owner,
    )
    track = _owned(track_owner, len(particles))
    cluster = _owned(cluster_owner, len(particles))
    is_left_over = is_visible & (track < 0) & (cluster < 0)
    return Assignment(
        is_visible, track, cluster, owner_of_largest_overlap(is_left_over, links, cluster_owner)
    )


@njit(cache=True)
def _choose(order, own_track, link_offsets, link_cluster, track_owner, cluster_owner):
    """Let the particles choose in the given order; fills the owner of each element."""
    for i in order:
        track = own_track[i]
        if track >= 0 and track_owner[track] < 0:
            track_owner[track] = i
            continue
        for link in range(link_offsets[i], link_offsets[i + 1]):
            if cluster_owner[link_cluster[link]] < 0:
                cluster_owner[link_cluster[link]] = i
                break


def _owned(owner: Array, num_particles: int) -> Array:
    """The element each particle owns, or -1, [particle], from the owner of each element."""
    element = np.full(num_particles, -1, dtype=np.int64)
    is_taken = owner >= 0
    element[owner[is_taken]] = np.flatnonzero(is_taken)
    return element


def owner_of_largest_overlap(
    is_left_over: Array, links: ClusterLinks, cluster_owner: Array
) -> Array:
    """Owner of the owned cluster that holds most of each left-over particle, or -1, [particle].

    `cluster_owner` [cluster] is -1 where a cluster has none; such a cluster is passed over.
    """
    particle, owner = links.particle, cluster_owner[links.cluster]
    usable = np.flatnonzero(is_left_over[particle] & (owner >= 0))
    merged, first = np.unique(particle[usable], return_index=True)
    merged_into = np.full(len(is_left_over), -1, dtype=np.int64)
    merged_into[merged] = owner[usable[first]]
    return merged_into
