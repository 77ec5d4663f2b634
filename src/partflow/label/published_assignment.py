"""Who takes which element in the published definition: one kernel, event by event."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.errors import DataError
from partflow.core.records import Array, Events
from partflow.core.truth import MIN_TRACK_WEIGHT
from partflow.label.assignment import MIN_CLUSTERED_FRACTION
from partflow.label.links import rows_in_event
from partflow.label.published_truth import PublishedTruth

KEPT, DROPPED, BAD = 0, 1, 2
"""Fate of an event: labelled; nothing visible; a particle that can be put nowhere."""


class PublishedAssignment(NamedTuple):
    """Where each particle went. Elements and particles are rows, -1 where there is none."""

    fate: Array
    """KEPT, DROPPED or BAD, [event]."""
    track: Array
    """Track that becomes the particle, [particle]."""
    cluster: Array
    """Cluster that becomes the particle, [particle]."""
    track_weight: Array
    """Largest weight of the particle in a track, [particle]."""
    cluster_energy: Array
    """Energy of the particle in clusters [GeV], [particle]."""
    merged_into: Array
    """Owner that a particle without an element is merged into, [particle]."""
    last_merged: Array
    """The one particle that counts of those merged into this one, [particle]."""
    is_forgotten: Array
    """Visible, but in no target: no owner, or replaced by a later merge, [particle]."""

    @property
    def is_kept(self) -> Array:
        """[event]"""
        return np.equal(self.fate, KEPT)

    @property
    def is_dropped(self) -> Array:
        """[event]"""
        return np.equal(self.fate, DROPPED)

    @property
    def is_bad(self) -> Array:
        """[event]"""
        return np.equal(self.fate, BAD)


def assign_published(events: Events, truth: PublishedTruth) -> PublishedAssignment:
    """Place the visible particles, the most energetic first (ties: lower index first).

    Each takes the free track in which it weighs most, whatever the weight; without one, the free
    cluster that it overlaps most; without one of these it is merged into the owner of the cluster
    that it overlaps most.
    Raises DataError where a link points out of its event.
    """
    particles, contributions = events.particles, events.contributions
    hit_clusters = events.hit_clusters
    hit = rows_in_event(
        hit_clusters.counts, contributions.event_index, contributions.hit_index, "hit"
    )
    cluster_of_hit = hit_clusters.cluster_index.astype(np.int64)
    if np.any(cluster_of_hit >= events.clusters.counts[hit_clusters.event_index]):
        raise DataError("hit_clusters: a hit in a cluster that its event does not have")
    num_tracks = events.tracks.counts
    link_event = np.repeat(np.arange(len(events)), np.diff(truth.track_offsets))
    rows_in_event(num_tracks, link_event, truth.track_index, "track")
    result = _assign(
        particles.offsets,
        particles.energy,
        truth.claims,
        contributions.offsets,
        truth.hit_source,
        cluster_of_hit[hit],
        contributions.energy_em,
        truth.track_offsets,
        truth.track_index,
        truth.track_source,
        truth.track_weight,
        events.tracks.offsets,
        events.clusters.offsets,
    )
    return PublishedAssignment(*result)


@njit(cache=True)
def _overlap(claims, first, last, links, weight, source, target, num_rows, num_columns):
    """Weight of each particle in each target of one event: its own links plus its daughters'.

    Every claim on a source counts, as often as it is made, as does every link.
    """
    overlap = np.zeros((num_rows, num_columns))
    num_sources = 1
    for c in range(first, last):
        num_sources = max(num_sources, claims.mc_index[c] + 1)
    newest = np.full(num_sources, -1, dtype=np.int64)
    older = np.empty(last - first, dtype=np.int64)
    for c in range(first, last):
        older[c - first] = newest[claims.mc_index[c]]
        newest[claims.mc_index[c]] = c
    for k in range(links[0], links[1]):
        if target[k] < 0 or source[k] >= num_sources:
            continue
        c = newest[source[k]]
        while c >= 0:
            overlap[claims.particle_index[c], target[k]] += weight[k]
            c = older[c - first]
    return overlap


@njit(cache=True)
def _largest_free(row, is_taken):
    """Column with the largest positive entry among the free ones (ties: the first), or -1."""
    best, largest = -1, 0.0
    for column in range(len(row)):
        if not is_taken[column] and row[column] > largest:
            best, largest = column, row[column]
    return best


@njit(cache=True)
def _assign(
    particle_offsets,
    particle_energy,
    claims,
    hit_offsets,
    hit_source,
    hit_cluster,
    hit_weight,
    track_offsets,
    track_link,
    track_source,
    track_link_weight,
    tracks,
    clusters,
):
    """`assign_published` on flat arrays; long because it is the definition, step by step."""
    num_events, num = len(particle_offsets) - 1, len(particle_energy)
    fate = np.full(num_events, KEPT, dtype=np.int8)
    track, cluster = np.full(num, -1, dtype=np.int64), np.full(num, -1, dtype=np.int64)
    merged_into, last_merged = track.copy(), track.copy()
    largest_weight, clustered = np.zeros(num), np.zeros(num)
    is_forgotten = np.zeros(num, dtype=np.bool_)
    for event in range(num_events):
        begin, end = particle_offsets[event], particle_offsets[event + 1]
        num_tracks = tracks[event + 1] - tracks[event]
        num_clusters = clusters[event + 1] - clusters[event]
        first, last = claims.offsets[event], claims.offsets[event + 1]
        in_tracks = _overlap(
            claims, first, last, track_offsets[event : event + 2], track_link_weight,
            track_source, track_link, end - begin, num_tracks,
        )  # fmt: skip
        in_clusters = _overlap(
            claims, first, last, hit_offsets[event : event + 2], hit_weight,
            hit_source, hit_cluster, end - begin, num_clusters,
        )  # fmt: skip
        order = np.argsort(-particle_energy[begin:end], kind="mergesort")
        owner_of_track = np.full(num_tracks, -1, dtype=np.int64)
        owner_of_cluster = np.full(num_clusters, -1, dtype=np.int64)
        is_left_over = np.zeros(end - begin, dtype=np.bool_)
        num_visible = 0
        for i in order:
            p = begin + i
            for t in range(num_tracks):
                largest_weight[p] = max(largest_weight[p], in_tracks[i, t])
            clustered[p] = in_clusters[i].sum()
            is_calorimetric = clustered[p] > MIN_CLUSTERED_FRACTION * particle_energy[p]
            if not (largest_weight[p] >= MIN_TRACK_WEIGHT or is_calorimetric):
                continue
            num_visible += 1
            t = _largest_free(in_tracks[i], owner_of_track >= 0)
            if t >= 0:
                owner_of_track[t] = i
                track[p] = tracks[event] + t
                continue
            c = _largest_free(in_clusters[i], owner_of_cluster >= 0)
            if c >= 0:
                owner_of_cluster[c] = i
                cluster[p] = clusters[event] + c
            else:
                is_left_over[i] = True
        if num_visible == 0:
            fate[event] = DROPPED
        for i in range(end - begin):
            if not is_left_over[i]:
                continue
            if num_clusters == 0:
                fate[event] = BAD
                break
            owner = owner_of_cluster[np.argmax(in_clusters[i])]  # the first if all are 0
            is_forgotten[begin + i] = owner < 0
            if owner >= 0:
                merged_into[begin + i] = begin + owner
                if last_merged[begin + owner] >= 0:
                    is_forgotten[last_merged[begin + owner]] = True
                last_merged[begin + owner] = begin + i
    return (
        fate, track, cluster, largest_weight, clustered, merged_into, last_merged, is_forgotten,
    )  # fmt: skip
