"""How the energy of a cluster is spread: in depth, over its hits, about its axis.

A shower's depth and width tell photons from hadrons, its beginning tells charged from neutral,
and its hit energies are what software compensation is made of. All of it is the same after a
rotation about the beam and in a mirror.
"""

from __future__ import annotations

import numpy as np

from partflow.core.detector import ECAL, HCAL, Detector
from partflow.core.hadron_scale import bin_sums
from partflow.core.records import DEPTH_PROFILE, HIT_SPECTRUM, Array, Collection

ECAL_DEPTH_EDGES = (0.2, 0.4, 0.6)
"""Parts of the ECAL's depth: 4.4, 8.8 and 13.2 of CLIC's 22 radiation lengths."""
HCAL_DEPTH_EDGES = (2 / 15, 1 / 3, 3 / 5)
"""Parts of the HCAL's depth: 1, 2.5 and 4.5 of CLIC's 7.5 interaction lengths."""
_NUM_ECAL, _NUM_PARTS = len(ECAL_DEPTH_EDGES) + 1, len(DEPTH_PROFILE)


def cluster_shapes(
    hits: Collection, cluster: Array, num_clusters: int, detector: Detector
) -> dict[str, Array]:
    """Columns CLUSTER_SHAPE of clusters, [cluster]; 0 where a cluster has no energy.

    `cluster` [hit] is the row of each hit's cluster, or -1. Hits of the muon system are in no
    part of the depth.
    """
    cluster = np.asarray(cluster, dtype=np.int64)
    row = np.flatnonzero(cluster >= 0)
    cluster = cluster[row]
    energy = hits.energy[row].astype(np.float64)
    position = np.stack([hits.columns[axis][row].astype(np.float64) for axis in "xyz"], axis=1)
    depth = _depth(position, detector)
    subdetector = hits.subdetector[row]
    total = np.bincount(cluster, energy, num_clusters)

    def mean(values: Array) -> Array:
        sums = np.bincount(cluster, energy * values, num_clusters)
        return np.divide(sums, total, out=np.zeros(num_clusters), where=total > 0)

    centroid = np.stack([mean(position[:, i]) for i in range(3)], axis=1)
    length = np.linalg.norm(centroid, axis=1, keepdims=True)
    axis = np.divide(centroid, length, out=np.zeros_like(centroid), where=length > 0)[cluster]
    along = np.sum(position * axis, axis=1)
    aside = np.linalg.norm(position - along[:, None] * axis, axis=1)
    first, largest = np.full(num_clusters, np.inf), np.zeros(num_clusters)
    np.minimum.at(first, cluster, depth)
    np.maximum.at(largest, cluster, energy)
    profile = _profile(cluster, energy, depth, subdetector, num_clusters, detector)
    spectrum = bin_sums(hits.energy[row], subdetector, cluster, num_clusters)
    return {
        **dict(zip(DEPTH_PROFILE, profile.T, strict=True)),
        **dict(zip(HIT_SPECTRUM, spectrum.T, strict=True)),
        "length": np.sqrt(mean((along - mean(along)[cluster]) ** 2)),
        "width": np.sqrt(mean(aside**2)),
        "core_fraction": mean(aside < detector.ecal.moliere_radius),
        "first_depth": np.where(np.isfinite(first), first, 0.0),
        "max_hit_fraction": np.divide(largest, total, out=np.zeros(num_clusters), where=total > 0),
    }


def _depth(position: Array, detector: Detector) -> Array:
    """Depth of each of `position` [hit, 3] behind the nested box of the ECAL's faces [mm]."""
    radius = np.hypot(position[:, 0], position[:, 1])
    ecal = detector.ecal
    return np.maximum(radius - ecal.inner_radius, np.abs(position[:, 2]) - ecal.endcap_z)


def _profile(
    cluster: Array,
    energy: Array,
    depth: Array,
    subdetector: Array,
    num_clusters: int,
    detector: Detector,
) -> Array:
    """Energies in the parts of the depth, [cluster, part]."""
    ecal, hcal = detector.ecal, detector.hcal
    in_ecal = np.searchsorted(ECAL_DEPTH_EDGES, depth / ecal.depth, side="right")
    behind = (depth - ecal.depth - detector.gap) / hcal.depth
    in_hcal = _NUM_ECAL + np.searchsorted(HCAL_DEPTH_EDGES, behind, side="right")
    part = np.where(subdetector == ECAL, in_ecal, in_hcal)
    is_inside = np.isin(subdetector, (ECAL, HCAL))
    flat = (cluster * _NUM_PARTS + part)[is_inside]
    sums = np.bincount(flat, energy[is_inside], num_clusters * _NUM_PARTS)
    return sums.reshape(num_clusters, _NUM_PARTS)
