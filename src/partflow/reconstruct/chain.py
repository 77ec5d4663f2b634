"""The compiled chain: one event through its steps, and many events one after the other.

An event's kernel is given the hits and tracks of that event and nothing else, so that no
event can depend on its neighbours.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.records import Array
from partflow.reconstruct.association import associate_late_tracks, merge_soft_clusters
from partflow.reconstruct.cones import grow_cones
from partflow.reconstruct.event import Kind, add_cluster, attach, new_event, update_energy
from partflow.reconstruct.fragments import absorb_fragments
from partflow.reconstruct.neutrals import (
    absorb_leakage,
    identify_neutral_photons,
    merge_neutrals,
)
from partflow.reconstruct.peaks import find_peaks
from partflow.reconstruct.photons import (
    PeakKind,
    exceeds_electron,
    identify_peaks,
    measure_peaks,
)
from partflow.reconstruct.pseudolayers import sorted_hits
from partflow.reconstruct.reclustering import recluster


class HitColumns(NamedTuple):
    """Columns of the hits of all events that the kernels read: arrays [hit]."""

    x: Array
    y: Array
    z: Array
    energy: Array
    energy_bits: Array
    """The same as a float32 seen as int32."""
    subdetector: Array
    energy_bin: Array


class ClusteredHits(NamedTuple):
    """What the kernels found out; indices count within the event."""

    cluster: Array
    """[hit]: its cluster, or -1: muon system, or a cluster with too few hits."""
    num_clusters: Array
    """[event]."""
    kind: Array
    """`Kind` of each cluster, at the event's first hit + cluster index: never more than hits."""
    track: Array
    """Track of each cluster or -1, in the same place."""
    is_electron: Array
    """[track]."""


@njit(cache=True)
def cluster_events(columns, hit_offsets, tracks, track_offsets, parameters, scale, calo):
    """Clusters of all events; hits and tracks (TRACK) of event i from offset i to i + 1."""
    num_events, num_hits = len(hit_offsets) - 1, len(columns.x)
    result = ClusteredHits(
        np.full(num_hits, -1, np.int64),
        np.zeros(num_events, np.int64),
        np.full(num_hits, -1, np.int64),
        np.full(num_hits, -1, np.int64),
        np.zeros(len(tracks), np.bool_),
    )
    for n in range(num_events):
        first = hit_offsets[n]
        order, hits = sorted_hits(columns, first, hit_offsets[n + 1], calo)
        own_tracks = tracks[track_offsets[n] : track_offsets[n + 1]]
        event = new_event(hits, own_tracks)
        cluster_event(event, parameters, scale, calo)
        num_tracks = len(own_tracks)
        for t in range(num_tracks):
            result.is_electron[track_offsets[n] + t] = event.clusters[t].kind == Kind.ELECTRON
        number = np.full(event.num_clusters[0], -1, np.int64)
        for c in range(event.num_clusters[0]):
            least = 1 if c < num_tracks else max(parameters.clusters.min_hits, 1)
            if event.clusters[c].num_hits >= least:
                number[c] = result.num_clusters[n]
                result.kind[first + number[c]] = event.clusters[c].kind
                result.track[first + number[c]] = c if c < num_tracks else -1
                result.num_clusters[n] += 1
        for i in range(len(order)):
            result.cluster[first + order[i]] = number[hits[i].cluster]
    return result


@njit(cache=True)
def cluster_event(event, parameters, scale, calo):
    """Take one event, whose hits are in no cluster yet, through the steps."""
    _found_clusters(event, parameters, calo)
    for c in range(event.num_clusters[0]):
        update_energy(event, c, scale)
    associate_late_tracks(event, parameters.association, scale)
    merge_soft_clusters(event, parameters.association, scale)
    recluster(event, parameters, scale, calo)
    absorb_leakage(event, parameters.neutrals, scale, calo)
    absorb_fragments(event, parameters, scale, calo)
    merge_neutrals(event, parameters.neutrals, scale, calo)
    identify_neutral_photons(event, parameters.neutrals, calo)


@njit(cache=True)
def _found_clusters(event, parameters, calo):
    """Photons and electrons from the peaks of the ECAL, cones from all other hits."""
    hits, tracks = event.hits, event.tracks
    num_ecal = 0
    while num_ecal < len(hits) and hits[num_ecal].layer < calo.ecal_groups:
        num_ecal += 1
    peak, num_peaks = find_peaks(hits[:num_ecal], parameters.peaks)
    peaks = measure_peaks(hits[:num_ecal], peak, num_peaks, parameters.photons)
    kind, electron_track = identify_peaks(peaks, tracks, parameters.photons, calo)
    cluster = np.full(num_peaks, -1, np.int64)
    for k in range(num_peaks):
        if kind[k] == PeakKind.ELECTRON:
            cluster[k] = electron_track[k]
            event.clusters[cluster[k]].kind = np.int64(Kind.ELECTRON)
        elif kind[k] == PeakKind.PHOTON:
            cluster[k] = add_cluster(event, np.int64(Kind.PHOTON))
    rest = np.empty(len(hits), np.int64)
    num_rest = 0
    for i in range(len(hits)):
        if i < num_ecal and peak[i] >= 0 and cluster[peak[i]] >= 0:
            attach(event, i, cluster[peak[i]])
        else:
            rest[num_rest] = i
            num_rest += 1
    rest = rest[:num_rest]
    seeds = np.arange(len(tracks))
    cone, num_cones = grow_cones(hits[rest], tracks, seeds, 1.0, parameters.cones, calo)
    cone_energy = np.zeros(num_cones)  # EM scale
    for a in range(num_rest):
        cone_energy[cone[a]] += hits[rest[a]].energy
    cluster_of_cone = np.arange(num_cones)
    for c in range(num_cones):
        if c >= len(seeds) or exceeds_electron(
            event.clusters[c], cone_energy[c], tracks[c].momentum, parameters.photons
        ):
            cluster_of_cone[c] = add_cluster(event, np.int64(Kind.NEUTRAL))
    for a in range(num_rest):
        attach(event, rest[a], cluster_of_cone[cone[a]])
