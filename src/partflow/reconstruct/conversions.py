"""The legs of converted photons in the ECAL: what their tracks measure is not counted again.

A leg may point into a bundle of photons, one peak that is taken for a photon as a whole. Its own
cluster then has less energy than its momentum: what is missing is in the neutral cluster with most
of the energy about its line, and is taken off there. A leg that lacks little is left to the energy
flow, as any track.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.detector import ECAL
from partflow.core.records import Array, Collection
from partflow.reconstruct.event import Kind
from partflow.reconstruct.parameters import SecondaryConfig, record_of
from partflow.reconstruct.photons import distance_to_line


class LegEnergy(NamedTuple):
    """What the tracks of legs account for."""

    of_cluster: Array
    """EM-scale energy in each neutral cluster that is a leg's, [cluster] (GeV)."""
    is_settled: Array
    """Whether energy was taken off a cluster for a track, [track]."""


def energy_of_legs(
    hits: Collection,
    hit_cluster: Array,
    clusters: Collection,
    kind: Array,
    cluster_track: Array,
    lines: Array,
    is_leg: Array,
    track_offsets: Array,
    config: SecondaryConfig,
) -> LegEnergy:
    """The energy of legs in neutral clusters.

    `lines` [track] are rows of `event.TRACK`; `hit_cluster` [hit], `kind` and `cluster_track`
    [cluster] count in their events.
    """
    found = LegEnergy(np.zeros(len(clusters)), np.zeros(len(lines), np.bool_))
    if is_leg.any():
        place = np.stack([hits.x, hits.y, hits.z], axis=1).astype(np.float64)
        energy = np.where(hits.subdetector == ECAL, hits.energy, 0.0)
        _take(
            place, energy, hit_cluster, hits.offsets, clusters.energy, kind, cluster_track,
            clusters.offsets, lines, is_leg & lines["reaches"], track_offsets, record_of(config),
            found,
        )  # fmt: skip
    return found


@njit(cache=True, error_model="numpy")
def _take(
    place, energy, hit_cluster, hit_offsets, cluster_energy, kind, cluster_track, cluster_offsets,
    lines, is_leg, track_offsets, config, found,
):  # fmt: skip
    for event in range(len(hit_offsets) - 1):
        first, last = cluster_offsets[event], cluster_offsets[event + 1]
        near = np.zeros(last - first)
        for t in range(track_offsets[event], track_offsets[event + 1]):
            if not is_leg[t]:
                continue
            missing = lines[t].momentum
            for c in range(first, last):
                near[c - first] = 0.0
                if cluster_track[c] == t - track_offsets[event]:
                    missing -= cluster_energy[c]
            if missing < config.leg_min_missing:
                continue
            for i in range(hit_offsets[event], hit_offsets[event + 1]):
                c = hit_cluster[i]
                if c < 0 or energy[i] == 0.0:
                    continue
                if kind[first + c] == Kind.PHOTON or kind[first + c] == Kind.NEUTRAL:
                    aside, along = distance_to_line(place[i, 0], place[i, 1], place[i, 2], lines[t])
                    if aside < config.leg_distance and abs(along) < config.leg_depth:
                        near[c] += energy[i]
            if len(near) == 0 or near.max() == 0.0:
                continue
            host = first + np.argmax(near)
            left = cluster_energy[host] - found.of_cluster[host]
            found.of_cluster[host] += min(missing, max(left, 0.0))
            found.is_settled[t] = True
