"""Who made what: the energy of each particle in each cluster, and each particle's own track."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.errors import DataError
from partflow.core.records import Array, Collection, offsets_from_counts


class ClusterLinks(NamedTuple):
    """Energies of particles in clusters: the links of particle row `i` are rows
    `offsets[i]:offsets[i + 1]`, by decreasing energy (ties: lower cluster first).
    """

    offsets: Array
    """[particle + 1]"""
    cluster: Array
    """Row of the cluster, [link]."""
    energy: Array
    """EM-scale energy of the particle in the cluster, [link] (GeV)."""

    @property
    def particle(self) -> Array:
        """Row of the particle, [link]."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    @property
    def clustered_energy(self) -> Array:
        """Energy of each particle in all clusters, [particle] (GeV)."""
        return np.bincount(self.particle, self.energy, len(self.offsets) - 1)

    @property
    def best_cluster(self) -> Array:
        """Row of the cluster with most of each particle's energy, or -1, [particle]."""
        linked = np.diff(self.offsets) > 0
        best = np.full(len(linked), -1, dtype=np.int64)
        best[linked] = self.cluster[self.offsets[:-1][linked]]
        return best


def link_clusters(
    particles: Collection,
    cluster_counts: Array,
    hit_clusters: Collection,
    contributions: Collection,
) -> ClusterLinks:
    """Sum each particle's contributions to the hits of each cluster.

    `cluster_counts` [event] are the clusters of each event. Hits in no cluster are left out.
    Raises DataError where an index points out of its event.
    """
    event = contributions.event_index
    hit = rows_in_event(hit_clusters.counts, event, contributions.hit_index, "hit")
    particle = rows_in_event(particles.counts, event, contributions.particle_index, "particle")
    cluster_of_hit = rows_in_event(
        cluster_counts, hit_clusters.event_index, hit_clusters.cluster_index, "cluster", lowest=-1
    )
    cluster = cluster_of_hit[hit]
    is_clustered = cluster >= 0
    num_clusters = max(int(np.sum(cluster_counts)), 1)
    # One integer per pair: sorting it is several times quicker than sorting two columns.
    pair = particle[is_clustered] * num_clusters + cluster[is_clustered]
    pairs, link = np.unique(pair, return_inverse=True)
    energy = np.bincount(
        link, contributions.energy_em[is_clustered].astype(np.float64), minlength=len(pairs)
    )
    particle, cluster = np.divmod(pairs, num_clusters)
    order = np.lexsort((cluster, -energy, particle))
    counts = np.bincount(particle, minlength=len(particles))
    return ClusterLinks(offsets_from_counts(counts), cluster[order], energy[order])


def own_track(particles: Collection, track_particles: Collection) -> Array:
    """Row of the track each particle made itself, or -1, [particle]; of several, the first.

    Such a track belongs to its particle with weight 1, above the 0.2 that the definition asks
    for; the track of a secondary is not counted.
    """
    particle = rows_in_event(
        particles.counts,
        track_particles.event_index,
        track_particles.particle_index,
        "particle",
        lowest=-1,
    )
    is_own = (track_particles.is_primary == 1) & (particle >= 0)
    track = np.full(len(particles), -1, dtype=np.int64)
    track[particle[is_own][::-1]] = np.flatnonzero(is_own)[::-1]  # the first is written last
    return track


def rows_in_event(
    counts: Array, event_index: Array, index_in_event: Array, kind: str, lowest: int = 0
) -> Array:
    """Rows of `kind` objects, `counts` [event] of them, from an index within the event.

    An index of -1 stays -1 where `lowest` allows it. Raises DataError for any other index that
    the event does not have.
    """
    index = np.asarray(index_in_event, dtype=np.int64)
    is_outside = (index < lowest) | (index >= np.asarray(counts)[event_index])
    if np.any(is_outside):
        first = np.flatnonzero(is_outside)[0]
        event = int(event_index[first])
        raise DataError(
            f"event at position {event}: a truth link points to {kind} {index[first]} of "
            f"{counts[event]}; simulate the event again"
        )
    rows = offsets_from_counts(counts)[:-1][event_index] + index
    return np.where(index < 0, -1, rows)
