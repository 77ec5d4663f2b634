"""Where every GeV of every cluster should go: to the element that holds its particle's target."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.features import element_index_of_clusters, element_index_of_tracks
from partflow.core.records import Array, Collection, offsets_from_counts
from partflow.core.schemas import SHARES
from partflow.label.assignment import Assignment
from partflow.label.links import rows_in_event


def energy_shares(
    tracks: Collection,
    clusters: Collection,
    hit_clusters: Collection,
    hits: Collection | None,
    contributions: Collection,
    particle_counts: Array,
    assignment: Assignment,
) -> Collection:
    """SHARES of all events, by cluster, nobody first, then by owner; energies above 0 only.

    A hit is divided as its contributions are, and one without any (noise) is nobody's, as are
    particles without a target. The shares of a cluster sum to its energy: where that is not the
    sum of its hits, all of them are scaled. Without `hits`, a hit is the sum of its
    contributions. `contributions` and `assignment` are of the same particles, `particle_counts`
    [event] of them. Raises DataError where a link points out of its event.
    """
    parts = _parts(clusters, hit_clusters, hits, contributions, particle_counts)
    owner_of_particle = _owner_elements(tracks, clusters, assignment)
    owner = np.where(parts.particle >= 0, owner_of_particle[parts.particle], -1)
    held = np.bincount(parts.cluster, parts.energy, len(clusters))
    scale = np.divide(clusters.energy_em, held, out=np.zeros(len(clusters)), where=held > 0)
    is_dark = held <= 0
    cluster = np.concatenate([parts.cluster, np.flatnonzero(is_dark)])
    owner = np.concatenate([owner, np.full(is_dark.sum(), -1)])
    energy = np.concatenate([parts.energy * scale[parts.cluster], clusters.energy_em[is_dark]])

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


class _Parts(NamedTuple):
    """Parts of the energy of hits in clusters. All are [part]."""

    cluster: Array
    """Row of the cluster."""
    particle: Array
    """Row of the particle, or -1."""
    energy: Array
    """On the scale of the hits [GeV]."""


def _parts(
    clusters: Collection,
    hit_clusters: Collection,
    hits: Collection | None,
    contributions: Collection,
    particle_counts: Array,
) -> _Parts:
    event = contributions.event_index
    hit = rows_in_event(hit_clusters.counts, event, contributions.hit_index, "hit")
    particle = rows_in_event(particle_counts, event, contributions.particle_index, "particle")
    cluster = rows_in_event(
        clusters.counts, hit_clusters.event_index, hit_clusters.cluster_index, "cluster", lowest=-1
    )
    energy = contributions.energy_em.astype(np.float64)
    lit = np.bincount(hit, energy, len(hit_clusters))
    hit_energy = lit if hits is None else hits.energy_em.astype(np.float64)
    energy = energy * np.divide(hit_energy, lit, out=np.zeros(len(lit)), where=lit > 0)[hit]
    dark = np.flatnonzero((lit <= 0) & (hit_energy > 0) & (cluster >= 0))
    inside = np.flatnonzero((cluster[hit] >= 0) & (lit[hit] > 0))
    return _Parts(
        np.concatenate([cluster[hit[inside]], cluster[dark]]),
        np.concatenate([particle[inside], np.full(len(dark), -1)]),
        np.concatenate([energy[inside], hit_energy[dark]]),
    )


def _owner_elements(tracks: Collection, clusters: Collection, assignment: Assignment) -> Array:
    """Row among the elements that holds the target with each particle, or -1, [particle]."""
    element = np.full(len(assignment.track), -1, dtype=np.int64)
    on_track, on_cluster = assignment.track >= 0, assignment.cluster >= 0
    element[on_track] = element_index_of_tracks(tracks, clusters)[assignment.track[on_track]]
    element[on_cluster] = element_index_of_clusters(tracks, clusters)[
        assignment.cluster[on_cluster]
    ]
    is_merged = assignment.merged_into >= 0
    element[is_merged] = element[assignment.merged_into[is_merged]]
    return element
