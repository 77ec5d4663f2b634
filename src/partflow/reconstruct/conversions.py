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
        _take(
            _Hits(
                hits.x, hits.y, hits.z, hits.energy_em, hits.subdetector, hit_cluster, hits.offsets
            ),
            _Clusters(clusters.energy_em, kind, cluster_track, clusters.offsets),
            lines,
            is_leg & lines["reaches"],
            track_offsets,
            record_of(config),
            found,
        )
    return found


class _Hits(NamedTuple):
    x: Array
    y: Array
    z: Array
    energy_em: Array
    subdetector: Array
    cluster: Array
    offsets: Array


class _Clusters(NamedTuple):
    energy_em: Array
    kind: Array
    track: Array
    offsets: Array


@njit(cache=True, error_model="numpy")
def _take(hits, clusters, lines, is_leg, track_offsets, config, found):
    for event in range(len(hits.offsets) - 1):
        first, last = clusters.offsets[event], clusters.offsets[event + 1]
        near = np.zeros(last - first)
        for t in range(track_offsets[event], track_offsets[event + 1]):
            if not is_leg[t]:
                continue
            missing = lines[t].momentum
            for c in range(first, last):
                near[c - first] = 0.0
                if clusters.track[c] == t - track_offsets[event]:
                    missing -= clusters.energy_em[c]
            if missing < config.leg_min_missing:
                continue
            for i in range(hits.offsets[event], hits.offsets[event + 1]):
                c = hits.cluster[i]
                if c < 0 or hits.subdetector[i] != ECAL:
                    continue
                kind = clusters.kind[first + c]
                if kind == Kind.PHOTON or kind == Kind.NEUTRAL:
                    aside, along = distance_to_line(hits.x[i], hits.y[i], hits.z[i], lines[t])
                    if aside < config.leg_distance and abs(along) < config.leg_depth:
                        near[c] += hits.energy_em[i]
            if len(near) == 0 or near.max() == 0.0:
                continue
            host = first + np.argmax(near)
            left = clusters.energy_em[host] - found.of_cluster[host]
            found.of_cluster[host] += min(missing, max(left, 0.0))
            found.is_settled[t] = True
