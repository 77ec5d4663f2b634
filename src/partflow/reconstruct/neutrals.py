"""Neutral clusters: leakage of photons, merging of neutral hadrons, photons among them."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.reconstruct.event_state import (
    ClusterKind,
    box_distance,
    centroid,
    em_energy,
    em_energy_in_ecal,
    hit_distance,
    merge_clusters,
)
from partflow.reconstruct.photons import expected_depth, square_to_axis


@njit(cache=True)
def absorb_leakage(event, config, scale, calo):
    """Merge small HCAL clusters into the nearest energetic photon in front of them.

    `config` is a NeutralConfig.
    """
    clusters, num_tracks, num_clusters = event.clusters, len(event.tracks), event.num_clusters[0]
    for c in range(num_tracks, num_clusters):
        cluster = clusters[c]
        if cluster.kind != ClusterKind.NEUTRAL or cluster.first_layer < calo.num_ecal_groups:
            continue
        x, y, z = centroid(cluster)
        radius = math.sqrt(x * x + y * y + z * z)
        leakage = em_energy(cluster)
        best, photon = config.leakage_distance, np.int64(-1)
        for d in range(num_tracks, num_clusters):
            if clusters[d].kind != ClusterKind.PHOTON:
                continue
            energy = em_energy_in_ecal(clusters[d])
            if energy < config.leakage_min_energy or leakage > config.leakage_max_fraction * energy:
                continue
            px, py, pz = centroid(clusters[d])
            r = math.sqrt(px * px + py * py + pz * pz)
            dx, dy, dz = x / radius - px / r, y / radius - py / r, z / radius - pz / r
            distance = radius * math.sqrt(dx * dx + dy * dy + dz * dz)
            if distance < best:
                best, photon = distance, np.int64(d)
        if photon >= 0:
            merge_clusters(event, c, photon, scale)


@njit(cache=True)
def merge_neutrals(event, config, scale, calo):
    """Merge each neutral cluster into the nearest one of more energy, if that is near enough.

    `config` is a NeutralConfig.
    """
    clusters, num_tracks, num_clusters = event.clusters, len(event.tracks), event.num_clusters[0]
    for c in range(num_tracks, num_clusters):
        cluster = clusters[c]
        if cluster.kind != ClusterKind.NEUTRAL:
            continue
        starts_in_hcal = cluster.first_layer >= calo.num_ecal_groups
        best = config.merge_distance_hcal if starts_in_hcal else config.merge_distance_ecal
        nearest = np.int64(-1)
        for d in range(num_tracks, num_clusters):
            if (
                d != c
                and clusters[d].kind == ClusterKind.NEUTRAL
                and clusters[d].energy_hadronic >= cluster.energy_hadronic
                and box_distance(cluster, clusters[d]) < best
            ):
                distance = hit_distance(event, c, d, 0.0, best)
                if distance < best:
                    best, nearest = distance, np.int64(d)
        if nearest >= 0:
            merge_clusters(event, c, nearest, scale)


@njit(cache=True)
def identify_neutral_photons(event, config, calo):
    """Change neutral clusters that look like an electromagnetic shower into photons.

    `config` is a NeutralConfig.
    """
    for c in range(len(event.tracks), event.num_clusters[0]):
        cluster = event.clusters[c]
        if cluster.kind != ClusterKind.NEUTRAL:
            continue
        total = em_energy(cluster)
        if total < config.photon_min_energy:
            continue
        if em_energy_in_ecal(cluster) <= config.photon_min_ecal_fraction * total:
            continue
        x, y, z = centroid(cluster)
        depth, core = 0.0, 0.0
        i = cluster.first_hit
        while i >= 0:
            hit = event.hits[i]
            depth += hit.energy_em * hit.layer / total
            if square_to_axis(hit, x, y, z) < config.photon_core_radius**2:
                core += hit.energy_em / total
            i = hit.next_hit
        has_depth = abs(depth - expected_depth(total, calo)) < config.photon_depth_window
        if has_depth and core > config.photon_min_core:
            cluster.kind = np.int64(ClusterKind.PHOTON)
