"""Clustering of the hits: one event through its steps in their order, and many events in turn.

The kernel of an event gets the hits and tracks of this event only, so that no event can depend on
another.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.records import Array
from partflow.reconstruct.association import merge_soft_clusters, recover_tracks
from partflow.reconstruct.cones import grow_cones
from partflow.reconstruct.event_state import (
    ClusterKind,
    add_cluster,
    add_hit,
    new_event_state,
    update_hadronic_energy,
)
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


class ClusteredEvents(NamedTuple):
    """The clusters of many events. Hits, tracks and clusters are counted within their event.

    An event has at most as many clusters as hits: the kind and the track of cluster c of an event
    are stored in the row of its hit c.
    """

    cluster_index: Array
    """[hit], cluster of each hit; -1: in the muon system, or in a cluster with too few hits."""
    num_clusters: Array
    """[event]."""
    kind: Array
    """[hit], ClusterKind of the cluster."""
    track_index: Array
    """[hit], track of the cluster, or -1."""
    is_electron: Array
    """[track], whether the track's cluster is that of an electron."""


@njit(cache=True)
def cluster_events(columns, hit_offsets, tracks, track_offsets, parameters, scale, calo):
    """Cluster the hits of each event; returns ClusteredEvents.

    `columns` are HitColumns, `tracks` [track] of TRACK; those of event i are the rows from offset
    i to i + 1. `parameters` are the kernel constants of a BaselineConfig, `scale` those of the
    hadronic scale, `calo` Calorimeters.
    """
    num_events, num_hits = len(hit_offsets) - 1, len(columns.x)
    result = ClusteredEvents(
        np.full(num_hits, -1, np.int64),
        np.zeros(num_events, np.int64),
        np.full(num_hits, -1, np.int64),
        np.full(num_hits, -1, np.int64),
        np.zeros(len(tracks), np.bool_),
    )
    for n in range(num_events):
        first = hit_offsets[n]
        order, hits = sorted_hits(columns, first, hit_offsets[n + 1], calo)
        event = new_event_state(hits, tracks[track_offsets[n] : track_offsets[n + 1]])
        cluster_event(event, parameters, scale, calo)
        num_tracks = len(event.tracks)
        for t in range(num_tracks):
            is_electron = event.clusters[t].kind == ClusterKind.ELECTRON
            result.is_electron[track_offsets[n] + t] = is_electron
        number = np.full(event.num_clusters[0], -1, np.int64)
        for c in range(event.num_clusters[0]):
            min_hits = 1 if c < num_tracks else max(parameters.clusters.min_hits, 1)
            if event.clusters[c].num_hits >= min_hits:
                number[c] = result.num_clusters[n]
                result.kind[first + number[c]] = event.clusters[c].kind
                result.track_index[first + number[c]] = c if c < num_tracks else -1
                result.num_clusters[n] += 1
        for i in range(len(order)):
            result.cluster_index[first + order[i]] = number[hits[i].cluster]
    return result


@njit(cache=True)
def cluster_event(event, parameters, scale, calo):
    """Cluster one event, an EventState without clustered hits, in place."""
    _make_first_clusters(event, parameters, calo)
    for c in range(event.num_clusters[0]):
        update_hadronic_energy(event, c, scale)
    recover_tracks(event, parameters.association, scale)
    merge_soft_clusters(event, parameters.association, scale)
    recluster(event, parameters, scale, calo)
    absorb_leakage(event, parameters.neutrals, scale, calo)
    absorb_fragments(event, parameters, scale, calo)
    merge_neutrals(event, parameters.neutrals, scale, calo)
    identify_neutral_photons(event, parameters.neutrals, calo)


@njit(cache=True)
def _make_first_clusters(event, parameters, calo):
    """Photons and electrons from the peaks of the ECAL, and cones of all other hits."""
    hits, tracks = event.hits, event.tracks
    num_ecal = 0
    while num_ecal < len(hits) and hits[num_ecal].layer < calo.num_ecal_groups:
        num_ecal += 1
    peak, num_peaks = find_peaks(hits[:num_ecal], parameters.peaks)
    peaks = measure_peaks(hits[:num_ecal], peak, num_peaks, parameters.photons)
    kind, electron_track = identify_peaks(peaks, tracks, parameters.photons, calo)
    cluster = np.full(num_peaks, -1, np.int64)
    for k in range(num_peaks):
        if kind[k] == PeakKind.ELECTRON:
            cluster[k] = electron_track[k]
            event.clusters[cluster[k]].kind = np.int64(ClusterKind.ELECTRON)
        elif kind[k] == PeakKind.PHOTON:
            cluster[k] = add_cluster(event, np.int64(ClusterKind.PHOTON))
    others = np.empty(len(hits), np.int64)
    num_others = 0
    for i in range(len(hits)):
        if i < num_ecal and peak[i] >= 0 and cluster[peak[i]] >= 0:
            add_hit(event, i, cluster[peak[i]])
        else:
            others[num_others] = i
            num_others += 1
    _cluster_in_cones(event, others[:num_others], parameters, calo)


@njit(cache=True)
def _cluster_in_cones(event, others, parameters, calo):
    """Cluster the hits `others` [hit] in cones, seeded by all tracks.

    The hits in the cone of an electron's track make a neutral cluster if they have too much energy.
    """
    hits, tracks = event.hits, event.tracks
    seeds = np.arange(len(tracks))
    cone, num_cones = grow_cones(hits[others], tracks, seeds, 1.0, parameters.cones, calo)
    energy_em = np.zeros(num_cones)
    for a in range(len(others)):
        energy_em[cone[a]] += hits[others[a]].energy_em
    cluster = np.arange(num_cones)
    for c in range(num_cones):
        if c >= len(seeds) or exceeds_electron(
            event.clusters[c], energy_em[c], tracks[c].momentum, parameters.photons
        ):
            cluster[c] = add_cluster(event, np.int64(ClusterKind.NEUTRAL))
    for a in range(len(others)):
        add_hit(event, others[a], cluster[cone[a]])
