"""The shape of clusters: energy in depth, energies of the hits, spread around the axis.

Depth and width of a shower separate photons from hadrons, its first depth separates charged from
neutral particles, and software compensation uses its hit energies. None of these changes when the
event is rotated around the beam or mirrored.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.detector import ECAL, HCAL, Detector
from partflow.core.hadron_scale import NUM_BINS, energy_bin
from partflow.core.records import Array, Collection
from partflow.core.schemas import DEPTH_PROFILE, HIT_SPECTRUM

ECAL_DEPTH_EDGES = (0.2, 0.4, 0.6)
"""Ends of the first parts of the ECAL's depth: 4.4, 8.8 and 13.2 of CLIC's 22 radiation lengths."""
HCAL_DEPTH_EDGES = (2 / 15, 1 / 3, 3 / 5)
"""Ends of the first parts of the HCAL's depth: 1, 2.5 and 4.5 of CLIC's 7.5 interaction lengths."""
_NUM_ECAL, _NUM_PARTS = len(ECAL_DEPTH_EDGES) + 1, len(DEPTH_PROFILE)


def cluster_shapes(
    hits: Collection, cluster: Array, num_clusters: int, detector: Detector
) -> dict[str, Array]:
    """Columns CLUSTER_SHAPE of clusters, [cluster]; 0 where a cluster has no energy.

    `cluster` [hit] is the row of each hit's cluster, or -1. Hits of the muon system are in no part
    of the depth.
    """
    columns = _Hits(
        np.asarray(cluster, dtype=np.int64),
        hits.x,
        hits.y,
        hits.z,
        hits.energy_em,
        hits.subdetector,
        energy_bin(hits.energy_em, hits.subdetector),
    )
    sums = _sums_over_hits(columns, num_clusters, detector.geometry(), detector.ecal.moliere_radius)
    return {
        **dict(zip(DEPTH_PROFILE, sums.profile.T, strict=True)),
        **dict(zip(HIT_SPECTRUM, sums.spectrum.T, strict=True)),
        "length": sums.length,
        "width": sums.width,
        "core_fraction": sums.core_fraction,
        "first_depth": sums.first_depth,
        "max_hit_fraction": sums.max_hit_fraction,
    }


class _Hits(NamedTuple):
    """Columns of hits, [hit], as the kernel takes them."""

    cluster: Array
    x: Array
    y: Array
    z: Array
    energy_em: Array
    subdetector: Array
    spectrum_bin: Array


class _Sums(NamedTuple):
    """The columns that `cluster_shapes` returns, [cluster] or [cluster, part or bin]."""

    profile: Array
    spectrum: Array
    length: Array
    width: Array
    core_fraction: Array
    first_depth: Array
    max_hit_fraction: Array


@njit(cache=True)
def _part_of_depth(depth, subdetector, geometry):
    """Index in DEPTH_PROFILE of a hit at `depth` [mm], or -1 in the muon system."""
    if subdetector == ECAL:
        part, fraction, edges = 0, depth / geometry.ecal_depth, ECAL_DEPTH_EDGES
    elif subdetector == HCAL:
        behind = depth - geometry.ecal_depth - geometry.gap
        part, fraction, edges = _NUM_ECAL, behind / geometry.hcal_depth, HCAL_DEPTH_EDGES
    else:
        return -1
    for edge in edges:
        if fraction >= edge:
            part += 1
    return part


@njit(cache=True)
def _sums_over_hits(hits, num, geometry, moliere_radius):
    """The shapes of `num` clusters, in three passes over the hits: sums of the energy, moments
    with respect to the axis, and with respect to the mean.
    """
    cluster, x, y, z, energy = hits.cluster, hits.x, hits.y, hits.z, hits.energy_em
    profile, spectrum = np.zeros((num, _NUM_PARTS)), np.zeros((num, NUM_BINS))
    total, largest = np.zeros(num), np.zeros(num)
    first, axis = np.full(num, np.inf), np.zeros((num, 3))
    for h in range(len(cluster)):
        c = cluster[h]
        if c < 0:
            continue
        e, hx, hy, hz = np.float64(energy[h]), np.float64(x[h]), np.float64(y[h]), np.float64(z[h])
        total[c] += e
        largest[c] = max(largest[c], e)
        axis[c, 0] += e * hx
        axis[c, 1] += e * hy
        axis[c, 2] += e * hz
        depth = max(math.hypot(hx, hy) - geometry.barrel_r, abs(hz) - geometry.endcap_z)
        first[c] = min(first[c], depth)
        spectrum[c, hits.spectrum_bin[h]] += e
        part = _part_of_depth(depth, hits.subdetector[h], geometry)
        if part >= 0:
            profile[c, part] += e
    for c in range(num):
        norm = math.sqrt(axis[c, 0] ** 2 + axis[c, 1] ** 2 + axis[c, 2] ** 2)
        for i in range(3):
            axis[c, i] = axis[c, i] / norm if norm > 0.0 and total[c] > 0.0 else 0.0
    mean, width, core = np.zeros(num), np.zeros(num), np.zeros(num)
    for h in range(len(cluster)):
        c = cluster[h]
        if c < 0 or not total[c] > 0.0:
            continue
        e, hx, hy, hz = np.float64(energy[h]), np.float64(x[h]), np.float64(y[h]), np.float64(z[h])
        along = hx * axis[c, 0] + hy * axis[c, 1] + hz * axis[c, 2]
        aside_square = (
            (hx - along * axis[c, 0]) ** 2
            + (hy - along * axis[c, 1]) ** 2
            + (hz - along * axis[c, 2]) ** 2
        )
        mean[c] += e * along / total[c]
        width[c] += e * aside_square / total[c]
        if math.sqrt(aside_square) < moliere_radius:
            core[c] += e / total[c]
    length = np.zeros(num)
    for h in range(len(cluster)):
        c = cluster[h]
        if c >= 0 and total[c] > 0.0:
            along = (
                np.float64(x[h]) * axis[c, 0]
                + np.float64(y[h]) * axis[c, 1]
                + np.float64(z[h]) * axis[c, 2]
            )
            length[c] += np.float64(energy[h]) * (along - mean[c]) ** 2 / total[c]
    for c in range(num):
        length[c], width[c] = math.sqrt(length[c]), math.sqrt(width[c])
        first[c] = first[c] if math.isfinite(first[c]) else 0.0
        largest[c] = largest[c] / total[c] if total[c] > 0.0 else 0.0
    return _Sums(profile, spectrum, length, width, core, first, largest)
