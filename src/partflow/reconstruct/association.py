"""Energy against momentum; clusters for tracks without hits, and for the softest clusters."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.reconstruct.event import Kind, merge, rising_order, total_energy
from partflow.reconstruct.grid import (
    angle_to_row,
    angular_grid,
    max_runs,
    reach_of_rows,
    row_of,
    runs_around,
)
from partflow.reconstruct.photons import distance_to_line

CELL_SIZE = 0.5
"""Side of a grid cell in units of the soft distance: only the speed depends on it."""


@njit(cache=True)
def energy_excess(energy, momentum, config):
    """(E - p)/sigma of a charged hadron: its chi [standard deviations of the energy]."""
    sigma = config.stochastic_term * math.sqrt(max(momentum, config.min_momentum))
    return (energy - momentum) / sigma


@njit(cache=True)
def associate_late_tracks(event, config, scale):
    """Give tracks that seeded next to nothing the neutral cluster nearest to their line.

    Harder tracks come first: their lines are straighter.
    """
    hits, tracks, clusters = event.hits, event.tracks, event.clusters
    in_front = 0
    while in_front < len(hits) and hits[in_front].layer <= config.late_last_layer:
        in_front += 1
    falling = np.empty(len(tracks))
    for t in range(len(tracks)):
        falling[t] = -tracks[t].momentum
    for t in rising_order(falling):
        track = tracks[t]
        enough = config.late_max_fraction * min(track.momentum, config.late_max_momentum)
        if not track.reaches or total_energy(clusters[t]) > enough:
            continue
        best, nearest = config.late_distance, np.int64(-1)
        for i in range(in_front):
            hit = hits[i]
            if clusters[hit.cluster].kind == Kind.NEUTRAL:
                distance, along = distance_to_line(hit.x, hit.y, hit.z, track)
                if distance < best and abs(along) < config.late_depth:
                    best, nearest = distance, np.int64(hit.cluster)
        if nearest >= 0:
            energy = clusters[t].energy + clusters[nearest].energy
            if energy_excess(energy, track.momentum, config) < config.late_max_chi:
                merge(event, nearest, t, scale)


@njit(cache=True)
def merge_soft_clusters(event, config, scale):
    """Join the softest neutral clusters to the cluster with the nearest hit.

    Not to photons, and not to a track that would then have too much energy.
    """
    hits, tracks, clusters = event.hits, event.tracks, event.clusters
    if len(hits) == 0:
        return
    closest = np.inf
    for hit in hits:
        closest = min(closest, math.sqrt(hit.x * hit.x + hit.y * hit.y + hit.z * hit.z))
    angle = math.asin(min(config.soft_distance / closest, 1.0))
    grid = angular_grid(hits, CELL_SIZE * angle)
    reach = reach_of_rows(grid, angle)
    runs = np.empty((max_runs(grid, angle), 3), np.int64)
    for c in range(len(tracks), event.num_clusters[0]):
        cluster = clusters[c]
        is_soft = (
            cluster.num_hits <= config.soft_max_hits or cluster.energy <= config.soft_max_energy
        )
        if cluster.kind != Kind.NEUTRAL or not is_soft:
            continue
        target = _nearest_cluster(event, c, grid, angle, reach, runs, config.soft_distance)
        if target < 0:
            continue
        if clusters[target].kind == Kind.CHARGED:
            energy = clusters[target].energy + cluster.energy
            if energy_excess(energy, tracks[target].momentum, config) > config.max_chi:
                continue
        merge(event, c, target, scale)


@njit(cache=True)
def _nearest_cluster(event, c, grid, angle, reach, runs, max_distance):
    """Cluster, not a photon, with the hit nearest to any of cluster `c`; -1 if none is near."""
    hits, clusters = event.hits, event.clusters
    best, nearest = max_distance * max_distance, np.int64(-1)
    i = clusters[c].first_hit
    while i >= 0:
        hit = hits[i]
        row = row_of(hit.theta, grid.height, len(reach))
        first = grid.first_cell[row]
        columns = grid.first_cell[row + 1] - first
        cell = first + min(int((hit.phi + math.pi) / (2 * math.pi) * columns), columns - 1)
        radius = math.sqrt(hit.x * hit.x + hit.y * hit.y + hit.z * hit.z)
        for k in range(runs_around(grid, row, cell, angle, reach, runs)):
            aside = radius * math.sin(angle_to_row(grid, runs[k, 2], hit.theta))
            if aside * aside >= best:  # and so is every hit of the run
                continue
            for a in range(runs[k, 0], runs[k, 1]):
                other = hits[grid.member[a]]
                dx, dy, dz = hit.x - other.x, hit.y - other.y, hit.z - other.z
                square = dx * dx + dy * dy + dz * dz
                if square < best:
                    d = other.cluster
                    if d != c and clusters[d].kind != Kind.PHOTON:
                        best, nearest = square, np.int64(d)
        i = hit.next_hit
    return nearest
