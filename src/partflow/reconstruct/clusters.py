"""The final clusters as a Collection: sums and moments of their hits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.cluster_shapes import cluster_shapes
from partflow.core.detector import ECAL, HCAL, Detector
from partflow.core.hadron_scale import HadronScale
from partflow.core.records import Array, Collection, offsets_from_counts
from partflow.core.schemas import CLUSTERS, HIT_SPECTRUM


class ClusterIdentity(NamedTuple):
    """What the clustering says about each cluster besides its hits, parallel to the clusters."""

    kind: Array
    """[cluster], ClusterKind."""
    track_index: Array
    """[cluster], index in the event of its track, or -1."""


def build_clusters(
    hits: Collection,
    hit_clusters: Collection,
    num_clusters: Array,
    scale: HadronScale,
    detector: Detector,
) -> Collection:
    """CLUSTERS from the hits of each cluster; an event has `num_clusters` [event], none empty."""
    offsets = offsets_from_counts(num_clusters)
    total = int(offsets[-1])
    row = np.where(
        hit_clusters.cluster_index < 0,
        -1,
        np.repeat(offsets[:-1], hits.counts) + hit_clusters.cluster_index,
    )
    moments = _moments(row, total, hits.x, hits.y, hits.z, hits.energy_em, hits.subdetector)
    columns: dict[str, Array] = {}
    for axis, mean, spread in zip("xyz", moments.mean.T, moments.spread.T, strict=True):
        columns |= {axis: mean, f"sigma_{axis}": np.sqrt(spread)}
    columns |= cluster_shapes(hits, row, total, detector)
    columns |= {
        "energy_em": moments.energy_em,
        "theta": np.arctan2(np.hypot(columns["x"], columns["y"]), columns["z"]),
        "phi": np.arctan2(columns["y"], columns["x"]),
        "energy_em_ecal": moments.energy_em_ecal,
        "energy_em_hcal": moments.energy_em_hcal,
        "energy_em_other": np.zeros(total),  # hits of the muon system are in no cluster
        "num_hits": moments.num_hits,
        "energy_hadronic": scale.energy(np.stack([columns[name] for name in HIT_SPECTRUM], axis=1)),
    }
    return Collection(CLUSTERS, offsets, columns)


class _Moments(NamedTuple):
    """Sums over the hits of each cluster, [cluster] and [cluster, axis]; GeV and mm."""

    energy_em: Array
    energy_em_ecal: Array
    energy_em_hcal: Array
    num_hits: Array
    mean: Array
    """Energy-weighted mean position."""
    spread: Array
    """Energy-weighted mean squared distance from the mean position."""


@njit(cache=True, error_model="numpy")
def _moments(row, total, x, y, z, energy, subdetector):
    """Moments of `total` clusters; `row` [hit] is the cluster of each hit, or -1."""
    sums, ecal, hcal = np.zeros(total), np.zeros(total), np.zeros(total)
    count = np.zeros(total, np.int64)
    mean, spread = np.zeros((total, 3)), np.zeros((total, 3))
    for h in range(len(row)):
        c = row[h]
        if c < 0:
            continue
        e = np.float64(energy[h])
        sums[c] += e
        count[c] += 1
        ecal[c] += e * (subdetector[h] == ECAL)
        hcal[c] += e * (subdetector[h] == HCAL)
        mean[c, 0] += e * np.float64(x[h])
        mean[c, 1] += e * np.float64(y[h])
        mean[c, 2] += e * np.float64(z[h])
    for c in range(total):
        for k in range(3):
            mean[c, k] /= sums[c]
    for h in range(len(row)):
        c = row[h]
        if c < 0:
            continue
        e = np.float64(energy[h])
        dx = np.float64(x[h]) - mean[c, 0]
        dy = np.float64(y[h]) - mean[c, 1]
        dz = np.float64(z[h]) - mean[c, 2]
        spread[c, 0] += e * (dx * dx)
        spread[c, 1] += e * (dy * dy)
        spread[c, 2] += e * (dz * dz)
    for c in range(total):
        for k in range(3):
            spread[c, k] /= sums[c]
    return _Moments(sums, ecal, hcal, count, mean, spread)
