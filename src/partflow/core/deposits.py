"""Deposits: which particle left how much energy in which hit and cluster, resolved to rows.

`CONTRIBUTIONS` and `HIT_CLUSTERS` hold indices within an event. Labels, candidates made from the
truth and the energy flow of an evaluation need rows of flat arrays: `resolve_deposits` finds and
checks them once per chunk of events, and everything else takes the `Deposits`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.errors import DataError
from partflow.core.records import Array, Collection, offsets_from_counts


class Deposits(NamedTuple):
    """The contributions of some events in their order, as rows of particles, hits and clusters."""

    particle: Array
    """Row of the particle that left the energy, [deposit]."""
    hit: Array
    """Row of the hit, [deposit]."""
    cluster: Array
    """Row of the cluster that lists the hit, or -1, [deposit]."""
    energy_em: Array
    """EM-scale energy of the particle in the hit [GeV], double precision, [deposit]."""
    hit_to_cluster: Array
    """Row of the cluster that lists each hit, or -1, [hit]."""
    num_particles: int
    """Particles of all events."""
    cluster_offsets: Array
    """Offsets of the clusters, [event + 1]."""

    @property
    def num_hits(self) -> int:
        """Hits of all events."""
        return len(self.hit_to_cluster)

    @property
    def num_clusters(self) -> int:
        """Clusters of all events."""
        return int(self.cluster_offsets[-1])

    def in_clusters(self, clusters: Collection, hit_clusters: Collection) -> Deposits:
        """The same deposits in other clusters of the same hits."""
        hit_to_cluster = _hit_to_cluster(clusters, hit_clusters)
        return self._replace(
            cluster=hit_to_cluster[self.hit],
            hit_to_cluster=hit_to_cluster,
            cluster_offsets=clusters.offsets,
        )


def resolve_deposits(
    particles: Collection,
    clusters: Collection,
    hit_clusters: Collection,
    contributions: Collection,
) -> Deposits:
    """Deposits of the `particles` in hits and in the `clusters` that list these.

    `hit_clusters` are those of `clusters`. Raises DataError, naming the event, where an index
    points out of its event.
    """
    event = contributions.event_index
    hit = rows_in_event(hit_clusters.counts, event, contributions.hit_index, "hit")
    particle = rows_in_event(particles.counts, event, contributions.particle_index, "particle")
    hit_to_cluster = _hit_to_cluster(clusters, hit_clusters)
    return Deposits(
        particle=particle,
        hit=hit,
        cluster=hit_to_cluster[hit],
        energy_em=contributions.energy_em.astype(np.float64),
        hit_to_cluster=hit_to_cluster,
        num_particles=len(particles),
        cluster_offsets=clusters.offsets,
    )


def _hit_to_cluster(clusters: Collection, hit_clusters: Collection) -> Array:
    """Row of the cluster that lists each hit, or -1, [hit]."""
    return rows_in_event(
        clusters.counts, hit_clusters.event_index, hit_clusters.cluster_index, "cluster", lowest=-1
    )


def rows_in_event(
    counts: Array, event_index: Array, index_in_event: Array, kind: str, lowest: int = 0
) -> Array:
    """Rows of objects, `counts` [event] of them, given by event and index within it.

    An index of -1 stays -1 where `lowest` is -1. Raises DataError, with `kind` for the objects'
    name, for any other index that the event does not have.

    >>> rows_in_event(np.array([2, 3]), np.array([0, 1, 1]), np.array([1, 0, 2]), "track")
    array([1, 2, 4])
    """
    rows, wrong = _rows_in_event(
        offsets_from_counts(counts), np.asarray(event_index), np.asarray(index_in_event), lowest
    )
    if wrong >= 0:
        event = int(event_index[wrong])
        raise DataError(
            f"event at position {event}: a truth link points to {kind} {index_in_event[wrong]} of "
            f"{counts[event]}; simulate the event again"
        )
    return rows


@njit(cache=True)
def _rows_in_event(offsets, event_index, index_in_event, lowest):
    """Rows, and the position of the first index that its event does not have, or -1."""
    rows = np.empty(len(index_in_event), np.int64)
    for i in range(len(rows)):
        first, end = offsets[event_index[i]], offsets[event_index[i] + 1]
        index = np.int64(index_in_event[i])
        if index < lowest or first + index >= end:
            return rows, i
        rows[i] = first + index if index >= 0 else -1
    return rows, -1
