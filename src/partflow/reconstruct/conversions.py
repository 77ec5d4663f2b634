"""The legs of converted photons in the ECAL: what their tracks measure is not counted again.

A leg often points into a bundle of photons, one peak that is taken for a photon as a whole. Its
own cluster then has less energy than its momentum: the rest is in the neutral cluster with most of
the energy about its line, and is taken off there.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from partflow.core.detector import ECAL
from partflow.core.records import Array, Collection
from partflow.reconstruct.event import Kind
from partflow.reconstruct.parameters import PhotonConfig, SecondaryConfig, record_of
from partflow.reconstruct.photons import distance_to_line, electron_tolerance


def energy_of_legs(
    hits: Collection,
    lines: Array,
    clusters: Collection,
    hit_cluster: Array,
    kind: Array,
    cluster_track: Array,
    track_offsets: Array,
    config: SecondaryConfig,
    photons: PhotonConfig,
) -> Array:
    """EM-scale energy in each cluster that tracks of electrons account for [cluster] (GeV).

    `lines` [track] are rows of `event.TRACK`, `hit_cluster` [hit], `kind` and `cluster_track`
    [cluster] count in their events; only clusters without a track hold such energy.
    """
    taken = np.zeros(len(clusters))
    if not lines["is_leg"].any():
        return taken
    in_ecal = hits.subdetector == ECAL
    place = np.stack([hits.x, hits.y, hits.z], axis=1).astype(np.float64)
    _take(
        place, np.where(in_ecal, hits.energy, 0.0), hit_cluster, hits.offsets,
        lines, track_offsets, kind, cluster_track, clusters.energy, clusters.offsets,
        record_of(config), record_of(photons), taken,
    )  # fmt: skip
    return taken


@njit(cache=True, error_model="numpy")
def _take(
    place, energy, hit_cluster, hit_offsets, lines, track_offsets, kind, cluster_track,
    cluster_energy, cluster_offsets, config, photons, taken,
):  # fmt: skip
    for event in range(len(hit_offsets) - 1):
        first, last = cluster_offsets[event], cluster_offsets[event + 1]
        near = np.zeros(last - first)
        for t in range(track_offsets[event], track_offsets[event + 1]):
            line = lines[t]
            if not line.is_leg or not line.reaches:
                continue
            missing = line.momentum
            for c in range(first, last):
                near[c - first] = 0.0
                if cluster_track[c] == t - track_offsets[event]:
                    missing -= cluster_energy[c]
            if missing < electron_tolerance(line.momentum, photons):
                continue
            for i in range(hit_offsets[event], hit_offsets[event + 1]):
                c = hit_cluster[i]
                if c < 0 or energy[i] == 0.0:
                    continue
                if kind[first + c] == Kind.PHOTON or kind[first + c] == Kind.NEUTRAL:
                    aside, along = distance_to_line(place[i, 0], place[i, 1], place[i, 2], line)
                    if aside < config.leg_distance and abs(along) < config.leg_depth:
                        near[c] += energy[i]
            host = np.argmax(near) if len(near) else -1
            if host >= 0 and near[host] > 0.0:
                left = cluster_energy[first + host] - taken[first + host]
                taken[first + host] += min(missing, max(left, 0.0))
