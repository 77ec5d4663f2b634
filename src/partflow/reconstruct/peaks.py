"""Density peaks among the ECAL hits: where a photon may have been.

The idea is CLUE's (Rovere et al., arXiv:2001.09761): a hit follows the nearest hit of higher
density, and one that has none nearby starts a peak. Distances are projective, the chord
between the directions from the origin times the smaller of the two radii, because photons
come from the origin and their showers point to it.

Why not the library: CLUEstering 2.11.0 (serial backend, one core, its best bin size) took
6.2 ms for the 3200 ECAL hits of a ttbar event, this file 0.72 ms, in turns on one machine;
`python -m benchmarks.peaks` times both. It knows no projective metric, so that hits would have
to be projected onto a sphere and lose the smaller radius, nor our kernel; 1 % of the energy
then lies in other peaks. And it comes without wheels, to be built with Boost and alpaka.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.records import Array
from partflow.reconstruct.grid import (
    angle_to_row,
    angular_grid,
    max_runs,
    reach_of_rows,
    row_of,
    runs_around,
)


class Directions(NamedTuple):
    """Hits in the order of the grid: arrays [hit], which the inner loops run along."""

    x: Array
    """Unit vector from the origin."""
    y: Array
    z: Array
    radius: Array
    energy: Array
    theta: Array
    phi: Array
    number: Array
    """Number of the hit before."""


@njit(cache=True)
def find_peaks(hits, config):
    """Peak of each of the HIT array `hits` (-1: none) and the number of peaks.

    Of two hits of the same density the later one counts as denser.
    """
    peak = np.full(len(hits), -1, np.int64)
    if len(hits) == 0:
        return peak, 0
    nearest = np.inf
    for hit in hits:
        nearest = min(nearest, math.sqrt(hit.x * hit.x + hit.y * hit.y + hit.z * hit.z))
    grid = angular_grid(hits, _angle(config.follow_distance, nearest))
    directions = _directions(hits, grid)
    density = _densities(directions, grid, nearest, config)
    leader = _leaders(directions, density, grid, nearest, config)
    num_peaks = 0
    for a in range(len(leader)):
        if leader[a] == a:
            peak[directions.number[a]] = num_peaks
            num_peaks += 1
    for a in range(len(leader)):
        top = a
        while leader[top] >= 0 and leader[top] != top:
            top = leader[top]
        peak[directions.number[a]] = peak[directions.number[top]]
        b = a
        while leader[b] >= 0 and leader[b] != b:  # the next chain through here is short
            after = leader[b]
            leader[b] = top
            b = after
    return peak, num_peaks


@njit(cache=True)
def _angle(distance, radius):
    """Angle whose chord at `radius` is `distance` [rad]: no pair is farther apart in angle."""
    return 2 * math.asin(min(distance / (2 * radius), 1.0))


@njit(cache=True)
def _directions(hits, grid):
    """The hits in the order of the grid."""
    n = len(hits)
    columns = np.empty((7, n))
    for a in range(n):
        hit = hits[grid.member[a]]
        radius = math.sqrt(hit.x * hit.x + hit.y * hit.y + hit.z * hit.z)
        columns[0, a], columns[1, a], columns[2, a] = hit.x / radius, hit.y / radius, hit.z / radius
        columns[3, a], columns[4, a] = radius, hit.energy
        columns[5, a], columns[6, a] = hit.theta, hit.phi
    return Directions(
        columns[0], columns[1], columns[2], columns[3], columns[4], columns[5], columns[6],
        grid.member,
    )  # fmt: skip


@njit(cache=True)
def _densities(directions, grid, nearest, config):
    """Energy around each hit, weighted with 1 - (d/radius)^2 [GeV]."""
    angle = _angle(config.density_radius, nearest)
    reach = reach_of_rows(grid, angle)
    runs = np.empty((max_runs(grid, angle), 3), np.int64)
    num_runs = 0
    x, y, z, radius = directions.x, directions.y, directions.z, directions.radius
    theta, energy = directions.theta, directions.energy
    weight = 1.0 / config.density_radius**2
    density = np.zeros(len(x))
    for a in range(len(x)):
        if a == 0 or grid.cell[a] != grid.cell[a - 1]:
            row = row_of(theta[a], grid.height, len(reach))
            num_runs = runs_around(grid, row, grid.cell[a], angle, reach, runs)
        for k in range(num_runs):
            begin, end = np.uint64(runs[k, 0]), np.uint64(runs[k, 1])
            density[a] += _density_in_run(
                x, y, z, radius, energy, x[a], y[a], z[a], radius[a], weight, begin, end
            )
    return density


@njit(cache=True, fastmath={"reassoc"})
def _density_in_run(x, y, z, radius, energy, xa, ya, za, ra, weight, begin, end):
    """What the hits of a run add to the density at one hit.

    No branch, unsigned indices (they cannot wrap around) and leave to sum in any order: the
    compiler needs all three to use vector instructions, which are twice as fast.
    """
    total = 0.0
    for b in range(begin, end):
        dx, dy, dz, smaller = x[b] - xa, y[b] - ya, z[b] - za, min(radius[b], ra)
        square = (dx * dx + dy * dy + dz * dz) * smaller * smaller
        total += energy[b] * max(1.0 - square * weight, 0.0)
    return total


@njit(cache=True)
def _leaders(directions, density, grid, nearest, config):
    """The hit that each one follows: itself if it starts a peak, -1 if it is alone.

    Rows are searched outwards; those that are farther away than the best are left out.
    """
    angle = _angle(config.follow_distance, nearest)
    reach = reach_of_rows(grid, angle)
    runs = np.empty((max_runs(grid, angle), 3), np.int64)
    num_runs = 0
    x, y, z, radius = directions.x, directions.y, directions.z, directions.radius
    leader = np.full(len(x), -1, np.int64)
    for a in range(len(x)):
        theta = directions.theta[a]
        if a == 0 or grid.cell[a] != grid.cell[a - 1]:
            row = row_of(theta, grid.height, len(reach))
            num_runs = runs_around(grid, row, grid.cell[a], angle, reach, runs)
        best = config.follow_distance**2
        for k in range(num_runs):
            gap = angle_to_row(grid, runs[k, 2], theta)
            chord = gap - gap * gap * gap / 24.0  # not above 2 sin(gap/2)
            if (chord * nearest) ** 2 < best:
                begin, end = np.uint64(runs[k, 0]), np.uint64(runs[k, 1])
                square, b = _nearest_denser(
                    x, y, z, radius, density, directions.number, a, best, begin, end
                )
                if square < best:
                    best, leader[a] = square, b
        alone = leader[a] < 0 or best > config.seed_distance**2
        if alone and density[a] > config.min_density:
            leader[a] = a
    return leader


@njit(cache=True)
def _nearest_denser(x, y, z, radius, density, number, a, limit, begin, end):
    """Squared projective distance [mm^2] and number of the nearest denser hit in a run.

    The loop has no branch, most of which would be mispredicted; what it finds is looked up.
    """
    xa, ya, za, ra, da, na = x[a], y[a], z[a], radius[a], density[a], number[a]
    best = np.inf
    for b in range(begin, end):
        dx, dy, dz, smaller = x[b] - xa, y[b] - ya, z[b] - za, min(radius[b], ra)
        square = (dx * dx + dy * dy + dz * dz) * smaller * smaller
        is_denser = (density[b] > da) | ((density[b] == da) & (number[b] > na))
        best = min(best, square if is_denser else np.inf)
    if best < limit:
        for b in range(begin, end):
            dx, dy, dz, smaller = x[b] - xa, y[b] - ya, z[b] - za, min(radius[b], ra)
            square = (dx * dx + dy * dy + dz * dz) * smaller * smaller
            is_denser = (density[b] > da) | ((density[b] == da) & (number[b] > na))
            if is_denser & (square == best):
                return best, np.int64(b)
    return np.inf, np.int64(-1)
