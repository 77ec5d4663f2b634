"""Track-cluster association: energy against momentum, track recovery, soft clusters."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.reconstruct.event_state import (
    ClusterKind,
    distance_to_line,
    em_energy,
    merge_clusters,
)
from partflow.reconstruct.grid import (
    angle_to_row,
    angular_grid,
    max_delta_phi_of_rows,
    max_ranges,
    ranges_around,
    row_of,
)
from partflow.reconstruct.sorting import stable_argsort

CELL_SIZE = 0.5
"""Side of a grid cell in units of the soft distance; it affects the speed only."""


@njit(cache=True)
def track_cluster_chi(energy_hadronic, momentum, config):
    """Deviation of energy from momentum: chi = (E - p)/sigma, sigma = stochastic_term sqrt(p).

    `energy_hadronic` and `momentum` in GeV; `config` is an AssociationConfig.
    """
    sigma = config.stochastic_term * math.sqrt(max(momentum, config.min_momentum))
    return (energy_hadronic - momentum) / sigma


@njit(cache=True)
def recover_tracks(event, config, scale):
    """Merge the neutral cluster nearest to a track into its cluster if that is nearly empty.

    Tracks of high momentum come first: their lines are straighter. `config` is an
    AssociationConfig.
    """
    hits, tracks, clusters = event.hits, event.tracks, event.clusters
    num_front = 0
    while num_front < len(hits) and hits[num_front].layer <= config.recovery_last_layer:
        num_front += 1
    falling = np.empty(len(tracks))
    for t in range(len(tracks)):
        falling[t] = -tracks[t].momentum
    for t in stable_argsort(falling):
        track = tracks[t]
        enough = config.recovery_max_fraction * min(track.momentum, config.recovery_max_momentum)
        if not track.reaches_calorimeter or em_energy(clusters[t]) > enough:
            continue
        best, nearest = config.recovery_distance, np.int64(-1)
        for i in range(num_front):
            hit = hits[i]
            if clusters[hit.cluster].kind == ClusterKind.NEUTRAL:
                distance, depth = distance_to_line(hit.x, hit.y, hit.z, track)
                if distance < best and abs(depth) < config.recovery_depth:
                    best, nearest = distance, np.int64(hit.cluster)
        if nearest >= 0:
            energy = clusters[t].energy_hadronic + clusters[nearest].energy_hadronic
            if track_cluster_chi(energy, track.momentum, config) < config.recovery_max_chi:
                merge_clusters(event, nearest, t, scale)


@njit(cache=True)
def merge_soft_clusters(event, config, scale):
    """Merge soft neutral clusters into the cluster with the nearest hit.

    Not into a photon, and not into a track's cluster that would then have too much energy.
    `config` is an AssociationConfig.
    """
    hits, tracks, clusters = event.hits, event.tracks, event.clusters
    if len(hits) == 0:
        return
    min_radius = np.inf
    for hit in hits:
        min_radius = min(min_radius, math.sqrt(hit.x * hit.x + hit.y * hit.y + hit.z * hit.z))
    angle = math.asin(min(config.soft_distance / min_radius, 1.0))
    grid = angular_grid(hits, CELL_SIZE * angle)
    delta_phi = max_delta_phi_of_rows(grid, angle)
    ranges = np.empty((max_ranges(grid, angle), 3), np.int64)
    for c in range(len(tracks), event.num_clusters[0]):
        cluster = clusters[c]
        is_soft = (
            cluster.num_hits <= config.soft_max_hits
            or cluster.energy_hadronic <= config.soft_max_energy
        )
        if cluster.kind != ClusterKind.NEUTRAL or not is_soft:
            continue
        target = _nearest_cluster(event, c, grid, angle, delta_phi, ranges, config.soft_distance)
        if target < 0:
            continue
        if clusters[target].kind == ClusterKind.CHARGED:
            energy = clusters[target].energy_hadronic + cluster.energy_hadronic
            if track_cluster_chi(energy, tracks[target].momentum, config) > config.max_chi:
                continue
        merge_clusters(event, c, target, scale)


@njit(cache=True)
def _nearest_cluster(event, c, grid, angle, delta_phi, ranges, max_distance):
    """Cluster, not a photon, with the hit nearest to any hit of cluster `c`; -1 if none is near."""
    hits, clusters = event.hits, event.clusters
    best, nearest = max_distance * max_distance, np.int64(-1)
    i = clusters[c].first_hit
    while i >= 0:
        hit = hits[i]
        row = row_of(hit.theta, grid.height, len(delta_phi))
        first = grid.first_cell[row]
        columns = grid.first_cell[row + 1] - first
        cell = first + min(int((hit.phi + math.pi) / (2 * math.pi) * columns), columns - 1)
        radius = math.sqrt(hit.x * hit.x + hit.y * hit.y + hit.z * hit.z)
        for k in range(ranges_around(grid, row, cell, angle, delta_phi, ranges)):
            row_distance = radius * math.sin(angle_to_row(grid, ranges[k, 2], hit.theta))
            if row_distance * row_distance >= best:  # all hits of the range are farther away
                continue
            for a in range(ranges[k, 0], ranges[k, 1]):
                other = hits[grid.member[a]]
                dx, dy, dz = hit.x - other.x, hit.y - other.y, hit.z - other.z
                square = dx * dx + dy * dy + dz * dz
                if square < best:
                    d = other.cluster
                    if d != c and clusters[d].kind != ClusterKind.PHOTON:
                        best, nearest = square, np.int64(d)
        i = hit.next_hit
    return nearest
