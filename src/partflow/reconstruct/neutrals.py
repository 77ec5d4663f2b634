"""What the neutral clusters are: leaked from photons, pieces of each other, photons themselves."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.core.hadron_scale import ECAL_BIN_EDGES
from partflow.reconstruct.event import (
    Kind,
    box_distance,
    centroid,
    hit_distance,
    merge,
    total_energy,
)
from partflow.reconstruct.photons import axis_square, expected_depth

_NUM_ECAL_BINS = len(ECAL_BIN_EDGES) + 1  # they come before the HCAL's


@njit(cache=True)
def ecal_energy(cluster):
    """EM-scale energy of a cluster in the ECAL [GeV]."""
    total = 0.0
    for b in range(_NUM_ECAL_BINS):
        total += cluster.bin_sums[b]
    return total


@njit(cache=True)
def absorb_leakage(event, config, scale, calo):
    """Add small clusters of the HCAL to the hard photon in front of them, the nearest one."""
    clusters, num_tracks, size = event.clusters, len(event.tracks), event.num_clusters[0]
    for c in range(num_tracks, size):
        cluster = clusters[c]
        if cluster.kind != Kind.NEUTRAL or cluster.first_layer < calo.ecal_groups:
            continue
        x, y, z = centroid(cluster)
        radius = math.sqrt(x * x + y * y + z * z)
        leaked = total_energy(cluster)
        best, photon = config.leakage_distance, np.int64(-1)
        for d in range(num_tracks, size):
            if clusters[d].kind != Kind.PHOTON:
                continue
            energy = ecal_energy(clusters[d])
            if energy < config.leakage_min_energy or leaked > config.leakage_max_fraction * energy:
                continue
            px, py, pz = centroid(clusters[d])
            r = math.sqrt(px * px + py * py + pz * pz)
            dx, dy, dz = x / radius - px / r, y / radius - py / r, z / radius - pz / r
            distance = radius * math.sqrt(dx * dx + dy * dy + dz * dz)
            if distance < best:
                best, photon = distance, np.int64(d)
        if photon >= 0:
            merge(event, c, photon, scale)


@njit(cache=True)
def merge_neutrals(event, config, scale, calo):
    """Join each neutral cluster to the nearest one of more energy, if that is near enough."""
    clusters, num_tracks, size = event.clusters, len(event.tracks), event.num_clusters[0]
    for c in range(num_tracks, size):
        cluster = clusters[c]
        if cluster.kind != Kind.NEUTRAL:
            continue
        in_hcal = cluster.first_layer >= calo.ecal_groups
        best = config.merge_distance_hcal if in_hcal else config.merge_distance_ecal
        nearest = np.int64(-1)
        for d in range(num_tracks, size):
            if (
                d != c
                and clusters[d].kind == Kind.NEUTRAL
                and clusters[d].energy >= cluster.energy
                and box_distance(cluster, clusters[d]) < best
            ):
                distance = hit_distance(event, c, d, 0.0, best)
                if distance < best:
                    best, nearest = distance, np.int64(d)
        if nearest >= 0:
            merge(event, c, nearest, scale)


@njit(cache=True)
def identify_neutral_photons(event, config, calo):
    """Call photons the neutral clusters that look like an electromagnetic shower."""
    for c in range(len(event.tracks), event.num_clusters[0]):
        cluster = event.clusters[c]
        if cluster.kind != Kind.NEUTRAL:
            continue
        total = total_energy(cluster)
        if total < config.photon_min_energy:
            continue
        if ecal_energy(cluster) <= config.photon_min_ecal_fraction * total:
            continue
        x, y, z = centroid(cluster)
        depth, core = 0.0, 0.0
        i = cluster.first_hit
        while i >= 0:
            hit = event.hits[i]
            depth += hit.energy * hit.layer / total
            if axis_square(hit, x, y, z) < config.photon_core_radius**2:
                core += hit.energy / total
            i = hit.next_hit
        in_depth = abs(depth - expected_depth(total, calo)) < config.photon_depth_window
        if in_depth and core > config.photon_min_core:
            cluster.kind = np.int64(Kind.PHOTON)
