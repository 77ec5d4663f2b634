"""Assignment of particles to elements in the published definition: one kernel, event by event."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.records import Array, Events
from partflow.core.truth import MIN_TRACK_WEIGHT
from partflow.label.assignment import MIN_CLUSTERED_FRACTION
from partflow.label.published.links import PublishedLinks

KEPT, DROPPED, BAD = 0, 1, 2
"""What becomes of an event: it is labelled; nothing in it is visible; it has a visible particle
for which there is no element, and no cluster where it could be merged."""


class PublishedAssignment(NamedTuple):
    """Element of each particle. Elements and particles are rows, -1 where there is none."""

    event_status: Array
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
    """Particle into which one without an element is merged, [particle]."""
    last_merged: Array
    """The one particle that counts of those merged into this one, [particle]."""
    is_forgotten: Array
    """Visible, but in no target: not merged, or replaced by a later merge, [particle]."""

    @property
    def is_kept(self) -> Array:
        """[event]"""
        return np.equal(self.event_status, KEPT)

    @property
    def is_dropped(self) -> Array:
        """[event]"""
        return np.equal(self.event_status, DROPPED)

    @property
    def is_bad(self) -> Array:
        """[event]"""
        return np.equal(self.event_status, BAD)


class _Rows(NamedTuple):
    """Offsets [event + 1] of the collections."""

    particles: Array
    tracks: Array
    clusters: Array


class _Event(NamedTuple):
    """One event, for the kernel."""

    number: int
    first_particle: int
    """Row of its first particle."""
    first_track: int
    first_cluster: int
    energy: Array
    """Of its particles [GeV], [particle of the event]."""
    in_tracks: Array
    """Weight of each particle in each track, [particle, track of the event]."""
    in_clusters: Array
    """Energy of each particle in each cluster [GeV], [particle, cluster of the event]."""


def assign_published(events: Events, links: PublishedLinks) -> PublishedAssignment:
    """Place the visible particles, the most energetic first (ties: lower index first).

    Each takes the free track in which it weighs most, whatever the weight; without one, the free
    cluster that it overlaps most; without one of these it is merged into the particle on the
    cluster that it overlaps most.
    """
    rows = _Rows(events.particles.offsets, events.tracks.offsets, events.clusters.offsets)
    result = _assign(rows, events.particles.energy, links.sources, links.tracks, links.clusters)
    return PublishedAssignment(*result)


@njit(cache=True)
def _assign(rows, energy, sources, track_links, cluster_links):
    """`assign_published` on flat arrays."""
    num_events, num = len(rows.particles) - 1, len(energy)
    none = np.full(num, -1, dtype=np.int64)
    result = PublishedAssignment(
        np.full(num_events, KEPT, dtype=np.int8),
        none,
        none.copy(),
        np.zeros(num),
        np.zeros(num),
        none.copy(),
        none.copy(),
        np.zeros(num, dtype=np.bool_),
    )
    for number in range(num_events):
        begin, end = rows.particles[number], rows.particles[number + 1]
        num_tracks = rows.tracks[number + 1] - rows.tracks[number]
        num_clusters = rows.clusters[number + 1] - rows.clusters[number]
        event = _Event(
            number,
            begin,
            rows.tracks[number],
            rows.clusters[number],
            energy[begin:end],
            _overlap(sources, track_links, number, end - begin, num_tracks),
            _overlap(sources, cluster_links, number, end - begin, num_clusters),
        )
        cluster_to_particle = np.full(num_clusters, -1, dtype=np.int64)
        is_left_over = _place(event, cluster_to_particle, result)
        _merge(event, cluster_to_particle, is_left_over, result)
    return result


@njit(cache=True)
def _overlap(sources, links, event, num_particles, num_elements):
    """Weight of each particle in each element of one event: by its own links and its daughters'.

    A source counts as often as it is listed, and so does a link.
    """
    first, last = sources.offsets[event], sources.offsets[event + 1]
    overlap = np.zeros((num_particles, num_elements))
    num_mc = 1
    for s in range(first, last):
        num_mc = max(num_mc, sources.mc_index[s] + 1)
    newest = np.full(num_mc, -1, dtype=np.int64)
    older = np.empty(last - first, dtype=np.int64)
    for s in range(first, last):
        older[s - first] = newest[sources.mc_index[s]]
        newest[sources.mc_index[s]] = s
    for k in range(links.offsets[event], links.offsets[event + 1]):
        element, mc = links.element_index[k], links.mc_index[k]
        if element < 0 or mc >= num_mc:
            continue
        s = newest[mc]
        while s >= 0:
            overlap[sources.particle_index[s], element] += links.weight[k]
            s = older[s - first]
    return overlap


@njit(cache=True)
def _place(event, cluster_to_particle, result):
    """Place the visible particles of one event on its elements.

    Fills `cluster_to_particle` [cluster of the event], and tells which visible particles are left
    over, [particle of the event].
    """
    num = len(event.energy)
    track_to_particle = np.full(event.in_tracks.shape[1], -1, dtype=np.int64)
    is_left_over = np.zeros(num, dtype=np.bool_)
    num_visible = 0
    for i in np.argsort(-event.energy, kind="mergesort"):
        p = event.first_particle + i
        for t in range(len(track_to_particle)):
            result.track_weight[p] = max(result.track_weight[p], event.in_tracks[i, t])
        result.cluster_energy[p] = event.in_clusters[i].sum()
        is_clustered = result.cluster_energy[p] > MIN_CLUSTERED_FRACTION * event.energy[i]
        if not (result.track_weight[p] >= MIN_TRACK_WEIGHT or is_clustered):
            continue
        num_visible += 1
        t = _largest_free(event.in_tracks[i], track_to_particle)
        if t >= 0:
            track_to_particle[t] = i
            result.track[p] = event.first_track + t
            continue
        c = _largest_free(event.in_clusters[i], cluster_to_particle)
        if c >= 0:
            cluster_to_particle[c] = i
            result.cluster[p] = event.first_cluster + c
        else:
            is_left_over[i] = True
    if num_visible == 0:
        result.event_status[event.number] = DROPPED
    return is_left_over


@njit(cache=True)
def _largest_free(overlap, element_to_particle):
    """Element with the largest positive `overlap` among the free ones (ties: the first), or -1."""
    best, largest = -1, 0.0
    for element in range(len(overlap)):
        if element_to_particle[element] < 0 and overlap[element] > largest:
            best, largest = element, overlap[element]
    return best


@njit(cache=True)
def _merge(event, cluster_to_particle, is_left_over, result):
    """Merge each particle of one event that is left over into that of its largest cluster."""
    for i in range(len(is_left_over)):
        if not is_left_over[i]:
            continue
        if len(cluster_to_particle) == 0:
            result.event_status[event.number] = BAD
            break
        other = cluster_to_particle[np.argmax(event.in_clusters[i])]  # the first if all are 0
        p = event.first_particle + i
        result.is_forgotten[p] = other < 0
        if other >= 0:
            into = event.first_particle + other
            result.merged_into[p] = into
            if result.last_merged[into] >= 0:
                result.is_forgotten[result.last_merged[into]] = True
            result.last_merged[into] = p
