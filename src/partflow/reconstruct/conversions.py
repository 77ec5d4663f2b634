"""Converted photons in the ECAL: energy that is measured by a track is subtracted from clusters.

An electron of a conversion may point into a bundle of photons, one peak that is identified as a
single photon. The cluster of its track then has less energy than its momentum. The missing energy
is in the neutral cluster with the most energy near the line of the track, and is subtracted there.
An electron that lacks little is left to the energy balance, as any other track.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.detector import ECAL
from partflow.core.records import Array, Collection
from partflow.reconstruct.clusters import ClusterIdentity
from partflow.reconstruct.event_state import ClusterKind, distance_to_line, track_states
from partflow.reconstruct.parameters import SecondaryConfig, kernel_constants


class ConversionEnergy(NamedTuple):
    """Energy of conversion electrons in the clusters of other particles."""

    in_cluster: Array
    """EM-scale energy of conversion electrons in each neutral cluster, [cluster] (GeV)."""
    is_subtracted: Array
    """Whether energy of the track was found in a neutral cluster, [track]."""


class _Hits(NamedTuple):
    """Columns of the hits, each [hit], and their offsets."""

    x: Array
    y: Array
    z: Array
    energy_em: Array
    subdetector: Array
    cluster_index: Array
    offsets: Array


class _Clusters(NamedTuple):
    """Columns of the clusters, each [cluster], and their offsets."""

    energy_em: Array
    kind: Array
    track_index: Array
    offsets: Array


class _Tracks(NamedTuple):
    """The states of tracks and which are conversion electrons, each [track], and their offsets."""

    states: Array
    is_conversion: Array
    offsets: Array


def find_conversion_energy(
    hits: Collection,
    hit_clusters: Collection,
    clusters: Collection,
    identity: ClusterIdentity,
    tracks: Collection,
    is_conversion: Array,
    config: SecondaryConfig,
) -> ConversionEnergy:
    """Energy of conversion electrons in neutral clusters.

    `identity` is parallel to the clusters, `is_conversion` [track] (see `secondary_tracks`) to the
    tracks.
    """
    result = ConversionEnergy(np.zeros(len(clusters)), np.zeros(len(tracks), np.bool_))
    if is_conversion.any():
        states = track_states(tracks)
        _add_conversion_energy(
            _Hits(
                hits.x,
                hits.y,
                hits.z,
                hits.energy_em,
                hits.subdetector,
                hit_clusters.cluster_index,
                hits.offsets,
            ),
            _Clusters(clusters.energy_em, identity.kind, identity.track_index, clusters.offsets),
            _Tracks(states, is_conversion & states["reaches_calorimeter"], tracks.offsets),
            kernel_constants(config),
            result,
        )
    return result


@njit(cache=True, error_model="numpy")
def _add_conversion_energy(hits, clusters, tracks, config, result):
    """Fill `result` with the missing energy of each conversion electron."""
    max_distance, max_depth = config.conversion_distance, config.conversion_depth
    for event in range(len(hits.offsets) - 1):
        first, last = clusters.offsets[event], clusters.offsets[event + 1]
        near = np.zeros(last - first)
        for t in range(tracks.offsets[event], tracks.offsets[event + 1]):
            if not tracks.is_conversion[t]:
                continue
            track = tracks.states[t]
            missing = track.momentum
            for c in range(first, last):
                near[c - first] = 0.0
                if clusters.track_index[c] == t - tracks.offsets[event]:
                    missing -= clusters.energy_em[c]
            if missing < config.conversion_min_missing:
                continue
            for i in range(hits.offsets[event], hits.offsets[event + 1]):
                c = hits.cluster_index[i]
                if c < 0 or hits.subdetector[i] != ECAL:
                    continue
                kind = clusters.kind[first + c]
                if kind == ClusterKind.PHOTON or kind == ClusterKind.NEUTRAL:
                    distance, depth = distance_to_line(hits.x[i], hits.y[i], hits.z[i], track)
                    if distance < max_distance and abs(depth) < max_depth:
                        near[c] += hits.energy_em[i]
            if len(near) == 0 or near.max() == 0.0:
                continue
            host = first + np.argmax(near)
            available = clusters.energy_em[host] - result.in_cluster[host]
            result.in_cluster[host] += min(missing, max(available, 0.0))
            result.is_subtracted[t] = True
