"""Assignment of particles to elements: greedy, the most energetic particle first."""

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
    """Element of each particle. All but `is_visible` are rows, -1 for none, [particle]."""

    is_visible: Array
    """Whether the detector saw the particle, [particle]."""
    track: Array
    """Track that becomes the particle."""
    cluster: Array
    """Cluster that becomes the particle; -1 for a particle on a track."""
    merged_into: Array
    """Particle to which its four-momentum is added."""

    @property
    def is_placed(self) -> Array:
        """Whether the particle has an element of its own, [particle]."""
        return (self.track >= 0) | (self.cluster >= 0)

    @property
    def is_lost(self) -> Array:
        """Whether the particle is visible, but neither placed nor merged, [particle]."""
        return self.is_visible & ~self.is_placed & (self.merged_into < 0)


def assign(
    particles: Collection, track: Array, links: ClusterLinks, num_tracks: int, num_clusters: int
) -> Assignment:
    """Place the visible particles on elements, and merge those for which none is left.

    `track` [particle] is the row of each particle's track or -1, `links` are its clusters. A
    particle, but no neutrino, is visible if it has a track or if clusters hold more than
    MIN_CLUSTERED_FRACTION of its energy. By decreasing energy (ties: lower index first) each
    takes its track, otherwise the free cluster that holds most of it. One left over is merged into
    the particle on the cluster that holds most of it, among clusters with a particle.
    """
    is_seen = (track >= 0) | (links.clustered_energy_em > MIN_CLUSTERED_FRACTION * particles.energy)
    is_visible = is_seen & ~is_neutrino(particles.pdg_id)
    order = np.lexsort((-particles.energy, particles.event_index))
    track_to_particle = np.full(num_tracks, -1, dtype=np.int64)
    cluster_to_particle = np.full(num_clusters, -1, dtype=np.int64)
    _choose(order[is_visible[order]], track, links, track_to_particle, cluster_to_particle)
    on_track = _inverse(track_to_particle, len(particles))
    on_cluster = _inverse(cluster_to_particle, len(particles))
    is_left_over = is_visible & (on_track < 0) & (on_cluster < 0)
    merged_into = particle_of_largest_overlap(is_left_over, links, cluster_to_particle)
    return Assignment(is_visible, on_track, on_cluster, merged_into)


@njit(cache=True)
def _choose(order, track, links, track_to_particle, cluster_to_particle):
    """In the given order, each particle takes its track, or else its largest free cluster.

    Fills the particle of each element.
    """
    for i in order:
        if track[i] >= 0 and track_to_particle[track[i]] < 0:
            track_to_particle[track[i]] = i
            continue
        for link in range(links.offsets[i], links.offsets[i + 1]):
            if cluster_to_particle[links.cluster[link]] < 0:
                cluster_to_particle[links.cluster[link]] = i
                break


def _inverse(element_to_particle: Array, num_particles: int) -> Array:
    """Element of each particle, or -1, [particle], from the particle of each element."""
    element = np.full(num_particles, -1, dtype=np.int64)
    is_taken = element_to_particle >= 0
    element[element_to_particle[is_taken]] = np.flatnonzero(is_taken)
    return element


def particle_of_largest_overlap(
    is_left_over: Array, links: ClusterLinks, cluster_to_particle: Array
) -> Array:
    """Particle on the cluster that holds most of each left-over particle, or -1, [particle].

    `cluster_to_particle` [cluster] is -1 where a cluster has none; such a cluster is skipped.
    """
    particle, other = links.particle, cluster_to_particle[links.cluster]
    usable = np.flatnonzero(is_left_over[particle] & (other >= 0))
    merged, first = np.unique(particle[usable], return_index=True)
    merged_into = np.full(len(is_left_over), -1, dtype=np.int64)
    merged_into[merged] = other[usable[first]]
    return merged_into
