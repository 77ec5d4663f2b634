"""Links of particles: their energy in each cluster, and the track that each made itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.deposits import Deposits, rows_in_event
from partflow.core.records import Array, Collection, offsets_from_counts


class ClusterLinks(NamedTuple):
    """Energies of particles in clusters: the links of particle row `i` are rows
    `offsets[i]:offsets[i + 1]`, by decreasing energy (ties: lower cluster first).
    """

    offsets: Array
    """[particle + 1]"""
    cluster: Array
    """Row of the cluster, [link]."""
    energy_em: Array
    """EM-scale energy of the particle in the cluster [GeV], [link]."""

    @property
    def particle(self) -> Array:
        """Row of the particle, [link]."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    @property
    def clustered_energy_em(self) -> Array:
        """Energy of each particle in all clusters [GeV], [particle]."""
        return np.bincount(self.particle, self.energy_em, len(self.offsets) - 1)

    @property
    def best_cluster(self) -> Array:
        """Row of the cluster with most of each particle's energy, or -1, [particle]."""
        is_linked = np.diff(self.offsets) > 0
        best = np.full(len(is_linked), -1, dtype=np.int64)
        best[is_linked] = self.cluster[self.offsets[:-1][is_linked]]
        return best


def link_clusters(deposits: Deposits) -> ClusterLinks:
    """Sum each particle's deposits in the hits of each cluster; hits in no cluster are left out."""
    is_clustered = deposits.cluster >= 0
    num_clusters = max(deposits.num_clusters, 1)
    # One integer per pair: sorting it is several times quicker than sorting two columns.
    pair = deposits.particle[is_clustered] * num_clusters + deposits.cluster[is_clustered]
    pairs, link = np.unique(pair, return_inverse=True)
    energy_em = np.bincount(link, deposits.energy_em[is_clustered], minlength=len(pairs))
    particle, cluster = np.divmod(pairs, num_clusters)
    order = np.lexsort((cluster, -energy_em, particle))
    counts = np.bincount(particle, minlength=deposits.num_particles)
    return ClusterLinks(offsets_from_counts(counts), cluster[order], energy_em[order])


def primary_tracks(particles: Collection, track_particles: Collection) -> Array:
    """Row of the track each particle made itself, or -1, [particle]; of several, the first.

    Such a track belongs to its particle with weight 1, above the 0.2 that the definition asks
    for; the track of a secondary is not counted. Raises DataError where a track's particle is
    not in its event.
    """
    particle = particle_of_tracks(particles, track_particles)
    is_primary = (track_particles.is_primary == 1) & (particle >= 0)
    track = np.full(len(particles), -1, dtype=np.int64)
    track[particle[is_primary][::-1]] = np.flatnonzero(is_primary)[
        ::-1
    ]  # the first is written last
    return track


def particle_of_tracks(particles: Collection, track_particles: Collection) -> Array:
    """Row of the particle that each track descends from, or -1, [track].

    Raises DataError where it is not in the track's event.
    """
    return rows_in_event(
        particles.counts,
        track_particles.event_index,
        track_particles.particle_index,
        "particle",
        lowest=-1,
    )
