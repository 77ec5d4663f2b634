"""Density peaks among the ECAL hits: where a photon may have been.

The idea is CLUE's (Rovere et al., arXiv:2001.09761): a hit follows the nearest hit of higher
density, and one that has none nearby starts a peak. Distances are projective, the chord
between the directions from the origin times the smaller of the two radii, because photons
come from the origin and their showers point to it.

Why not the library: CLUEstering 2.11.0 (serial backend, one core, its best bin size) took
6.2 ms for the 3200 ECAL hits of a ttbar event, this file 0.72 ms, in turns on one machine, and
half of that since its loops are vectorised;
`python -m benchmarks.peaks` times both. It knows no projective metric, so that hits would have
to be projected onto a sphere and lose the smaller radius, nor our kernel; 1 % of the energy
then lies in other peaks. And it comes without wheels, to be built with Boost and alpaka.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.reconstruct.grid import (
    angle_to_row,
    angular_grid,
    max_runs,
    reach_of_rows,
    row_of,
    runs_around,
)

X, Y, Z, RADIUS, ENERGY, THETA, DENSITY, NUMBER = range(8)
"""Rows of the array [row, hit] of hits in the order of the grid: unit vector from the origin,
radius [mm], energy [GeV], polar angle, density [GeV], number of the hit before."""
_BLOCK = 32
"""Runs are searched in whole blocks, with vector instructions: a rest would take as long as all
before it."""
_PLACE_BITS = 20
"""Lowest bits of a squared distance that give way to a place: 1 in 4e9 of it."""
_PLACE = (1 << _PLACE_BITS) - 1


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
    _set_densities(directions, grid, nearest, config)
    leader = _leaders(directions, grid, nearest, config)
    num_peaks = 0
    for a in range(len(leader)):
        if leader[a] == a:
            peak[grid.member[a]] = num_peaks
            num_peaks += 1
    for a in range(len(leader)):
        top = a
        while leader[top] >= 0 and leader[top] != top:
            top = leader[top]
        peak[grid.member[a]] = peak[grid.member[top]]
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
    """The hits in the order of the grid, [row, hit], and a block behind them that is empty."""
    n = len(hits)
    directions = np.zeros((8, n + _BLOCK))
    for a in range(n):
        hit = hits[grid.member[a]]
        radius = math.sqrt(hit.x * hit.x + hit.y * hit.y + hit.z * hit.z)
        directions[X, a] = hit.x / radius
        directions[Y, a] = hit.y / radius
        directions[Z, a] = hit.z / radius
        directions[RADIUS, a], directions[ENERGY, a] = radius, hit.energy
        directions[THETA, a], directions[NUMBER, a] = hit.theta, grid.member[a]
    for a in range(n, n + _BLOCK):
        directions[DENSITY, a] = -np.inf
    return directions


@njit(cache=True, error_model="numpy")
def _set_densities(directions, grid, nearest, config):
    """Set the energy around each hit, weighted with 1 - (d/radius)^2 [GeV]."""
    angle = _angle(config.density_radius, nearest)
    reach = reach_of_rows(grid, angle)
    runs = np.empty((max_runs(grid, angle), 3), np.int64)
    num_runs = 0
    weight = 1.0 / config.density_radius**2
    for a in range(len(grid.member)):
        if a == 0 or grid.cell[a] != grid.cell[a - 1]:
            row = row_of(directions[THETA, a], grid.height, len(reach))
            num_runs = runs_around(grid, row, grid.cell[a], angle, reach, runs)
        total = 0.0
        for k in range(num_runs):
            total += _density_in_run(
                directions, runs[k, 0], runs[k, 1], weight,
                directions[X, a], directions[Y, a], directions[Z, a], directions[RADIUS, a],
            )  # fmt: skip
        directions[DENSITY, a] = total


@njit(cache=True, error_model="numpy")
def _end_of_blocks(begin, end):
    """Where whole blocks from `begin` on that hold a run until `end` come to an end."""
    return np.uint64(begin + (end - begin + _BLOCK - 1) // _BLOCK * _BLOCK)


@njit(cache=True, error_model="numpy", fastmath={"reassoc"})
def _density_in_run(directions, begin, end, weight, xa, ya, za, ra):
    """What the hits of a run add to the density at one hit.

    No branch, unsigned indices (they cannot wrap around) and leave to sum in any order: the
    compiler needs all three to use vector instructions, which are several times as fast.
    """
    total, stop = 0.0, np.uint64(end)
    for b in range(np.uint64(begin), _end_of_blocks(begin, end)):
        dx, dy, dz = directions[X, b] - xa, directions[Y, b] - ya, directions[Z, b] - za
        smaller = min(directions[RADIUS, b], ra)
        square = (dx * dx + dy * dy + dz * dz) * smaller * smaller
        energy = directions[ENERGY, b] if b < stop else 0.0
        total += energy * max(1.0 - square * weight, 0.0)
    return total


@njit(cache=True, error_model="numpy")
def _leaders(directions, grid, nearest, config):
    """The hit that each one follows: itself if it starts a peak, -1 if it is alone.

    Rows are searched outwards; those that are farther away than the best are left out.
    """
    angle = _angle(config.follow_distance, nearest)
    reach = reach_of_rows(grid, angle)
    runs = np.empty((max_runs(grid, angle), 3), np.int64)
    num_runs = 0
    leader = np.full(len(grid.member), -1, np.int64)
    for a in range(len(leader)):
        theta, density = directions[THETA, a], directions[DENSITY, a]
        if a == 0 or grid.cell[a] != grid.cell[a - 1]:
            row = row_of(theta, grid.height, len(reach))
            num_runs = runs_around(grid, row, grid.cell[a], angle, reach, runs)
        best = config.follow_distance**2
        for k in range(num_runs):
            gap = angle_to_row(grid, runs[k, 2], theta)
            chord = gap - gap * gap * gap / 24.0  # not above 2 sin(gap/2)
            if (chord * nearest) ** 2 < best:
                square, place = _nearest_denser(
                    directions, runs[k, 0], runs[k, 1],
                    directions[X, a], directions[Y, a], directions[Z, a], directions[RADIUS, a],
                    density, directions[NUMBER, a],
                )  # fmt: skip
                if square < best:
                    best, leader[a] = square, place
        alone = leader[a] < 0 or best > config.seed_distance**2
        if alone and density > config.min_density:
            leader[a] = a
    return leader


@njit(cache=True, error_model="numpy")
def _nearest_denser(directions, begin, end, xa, ya, za, ra, density, number):
    """Squared projective distance [mm^2] and place of the nearest denser hit in a run.

    What lies behind the run in its last block is looked at too. The bits of a positive float
    rise with it; the compiler finds the least integer with vector instructions, but not the
    least float, and with the place in the lowest bits it has found that too.
    """
    least, first = np.float64(np.inf).view(np.int64), np.uint64(begin)
    for b in range(first, _end_of_blocks(begin, end)):
        dx, dy, dz = directions[X, b] - xa, directions[Y, b] - ya, directions[Z, b] - za
        smaller = min(directions[RADIUS, b], ra)
        square = (dx * dx + dy * dy + dz * dz) * smaller * smaller
        is_denser = (directions[DENSITY, b] > density) | (
            (directions[DENSITY, b] == density) & (directions[NUMBER, b] > number)
        )
        bits = np.float64(square if is_denser else np.inf).view(np.int64)
        least = min(least, (bits & ~_PLACE) | np.int64(b - first))
    return np.int64(least & ~_PLACE).view(np.float64), begin + (least & _PLACE)
