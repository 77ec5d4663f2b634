"""Density peaks among the ECAL hits: the candidates for photons.

The algorithm is that of CLUE (Rovere et al., arXiv:2001.09761): a hit follows the nearest hit of
higher density, and a hit without a denser one nearby starts a peak. Distances are projective, the
chord between the directions from the origin times the smaller of the two radii, because photons
come from the origin and their showers point to it.

Why not the library: CLUEstering 2.11.0 (serial backend, one core, its best bin size) took 6.2 ms
for the 3200 ECAL hits of a ttbar event, this file 0.72 ms when both were run alternately on one
machine, and half of that since its loops are vectorised (`python -m benchmarks.peaks` times both).
CLUEstering has neither our kernel nor a projective metric: hits would have to be projected onto a
sphere, which ignores the smaller radius, and 1 % of the energy then lies in other peaks. And it has
no wheels: it has to be built with Boost and alpaka.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.reconstruct.grid import (
    angle_to_row,
    angular_grid,
    max_delta_phi_of_rows,
    max_ranges,
    ranges_around,
    row_of,
)

X, Y, Z, RADIUS, ENERGY, THETA, DENSITY, NUMBER = range(8)
"""Rows of the array [row, hit] of the hits in the order of the grid: unit vector from the origin,
radius [mm], EM-scale energy [GeV], polar angle [rad], density [GeV], index of the hit."""
_BLOCK = 32
"""Ranges are searched in whole blocks, with vector instructions: an incomplete block would take as
long as all blocks before it."""
_INDEX_BITS = 20
"""Lowest bits of a squared distance that are replaced by an index, which changes it by 1 in 4e9."""
_INDEX_MASK = (1 << _INDEX_BITS) - 1


class _Hit(NamedTuple):
    """The hit that others are compared with: a column of the array [row, hit]."""

    x: float
    y: float
    z: float
    radius: float
    density: float
    number: float


@njit(cache=True)
def find_peaks(hits, config):
    """Peak of each hit of the ECAL, [hit] (-1: in no peak), and the number of peaks.

    `hits` are [hit] of HIT, `config` is a PeakConfig. Of two hits of the same density the later
    one counts as denser.
    """
    peak = np.full(len(hits), -1, np.int64)
    if len(hits) == 0:
        return peak, 0
    min_radius = np.inf
    for hit in hits:
        min_radius = min(min_radius, math.sqrt(hit.x * hit.x + hit.y * hit.y + hit.z * hit.z))
    grid = angular_grid(hits, _angle(config.follow_distance, min_radius))
    directions = _directions(hits, grid)
    _set_densities(directions, grid, min_radius, config)
    leader = _leaders(directions, grid, min_radius, config)
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
        while leader[b] >= 0 and leader[b] != b:  # shorten the path for the hits that follow
            after = leader[b]
            leader[b] = top
            b = after
    return peak, num_peaks


@njit(cache=True)
def _angle(distance, radius):
    """Angle [rad] whose chord at `radius` has the length `distance` [mm]."""
    return 2 * math.asin(min(distance / (2 * radius), 1.0))


@njit(cache=True)
def _directions(hits, grid):
    """Hits in the order of the grid, [row, hit], followed by an empty block."""
    n = len(hits)
    directions = np.zeros((8, n + _BLOCK))
    for a in range(n):
        hit = hits[grid.member[a]]
        radius = math.sqrt(hit.x * hit.x + hit.y * hit.y + hit.z * hit.z)
        directions[X, a] = hit.x / radius
        directions[Y, a] = hit.y / radius
        directions[Z, a] = hit.z / radius
        directions[RADIUS, a], directions[ENERGY, a] = radius, hit.energy_em
        directions[THETA, a], directions[NUMBER, a] = hit.theta, grid.member[a]
    for a in range(n, n + _BLOCK):
        directions[DENSITY, a] = -np.inf
    return directions


@njit(cache=True, error_model="numpy")
def _hit(directions, a):
    """The hit in column `a`."""
    return _Hit(
        directions[X, a],
        directions[Y, a],
        directions[Z, a],
        directions[RADIUS, a],
        directions[DENSITY, a],
        directions[NUMBER, a],
    )


@njit(cache=True, error_model="numpy")
def _set_densities(directions, grid, min_radius, config):
    """Set the density of each hit: the energy around it, weighted with 1 - (d/radius)^2 [GeV]."""
    angle = _angle(config.density_radius, min_radius)
    delta_phi = max_delta_phi_of_rows(grid, angle)
    ranges = np.empty((max_ranges(grid, angle), 3), np.int64)
    num_ranges = 0
    weight = 1.0 / config.density_radius**2
    for a in range(len(grid.member)):
        if a == 0 or grid.cell[a] != grid.cell[a - 1]:
            row = row_of(directions[THETA, a], grid.height, len(delta_phi))
            num_ranges = ranges_around(grid, row, grid.cell[a], angle, delta_phi, ranges)
        hit, total = _hit(directions, a), 0.0
        for k in range(num_ranges):
            total += _density_in_range(directions, hit, ranges[k, 0], ranges[k, 1], weight)
        directions[DENSITY, a] = total


@njit(cache=True, error_model="numpy")
def _end_of_blocks(begin, end):
    """End of the whole blocks that start at `begin` and contain the range up to `end`."""
    return np.uint64(begin + (end - begin + _BLOCK - 1) // _BLOCK * _BLOCK)


@njit(cache=True, error_model="numpy", fastmath={"reassoc"})
def _density_in_range(directions, hit, begin, end, weight):
    """Contribution of the hits `begin` to `end` - 1 to the density at `hit` [GeV].

    The compiler uses vector instructions, several times as fast, only if there is no branch, the
    indices are unsigned (they cannot wrap around), and it may sum in any order.
    """
    x, y, z, radius = hit.x, hit.y, hit.z, hit.radius
    total, stop = 0.0, np.uint64(end)
    for b in range(np.uint64(begin), _end_of_blocks(begin, end)):
        dx, dy, dz = directions[X, b] - x, directions[Y, b] - y, directions[Z, b] - z
        smaller = min(directions[RADIUS, b], radius)
        square = (dx * dx + dy * dy + dz * dz) * smaller * smaller
        energy = directions[ENERGY, b] if b < stop else 0.0
        total += energy * max(1.0 - square * weight, 0.0)
    return total


@njit(cache=True, error_model="numpy")
def _leaders(directions, grid, min_radius, config):
    """Hit that each hit follows, [hit]: itself if it starts a peak, -1 if there is none.

    The rows of the grid are searched outwards; rows beyond the nearest denser hit so far are
    skipped.
    """
    angle = _angle(config.follow_distance, min_radius)
    delta_phi = max_delta_phi_of_rows(grid, angle)
    ranges = np.empty((max_ranges(grid, angle), 3), np.int64)
    num_ranges = 0
    leader = np.full(len(grid.member), -1, np.int64)
    for a in range(len(leader)):
        hit, theta = _hit(directions, a), directions[THETA, a]
        if a == 0 or grid.cell[a] != grid.cell[a - 1]:
            row = row_of(theta, grid.height, len(delta_phi))
            num_ranges = ranges_around(grid, row, grid.cell[a], angle, delta_phi, ranges)
        best = config.follow_distance**2
        for k in range(num_ranges):
            gap = angle_to_row(grid, ranges[k, 2], theta)
            chord = gap - gap * gap * gap / 24.0  # not above 2 sin(gap/2)
            if (chord * min_radius) ** 2 < best:
                square, b = _nearest_denser(directions, hit, ranges[k, 0], ranges[k, 1])
                if square < best:
                    best, leader[a] = square, b
        is_isolated = leader[a] < 0 or best > config.seed_distance**2
        if is_isolated and hit.density > config.min_density:
            leader[a] = a
    return leader


@njit(cache=True, error_model="numpy")
def _nearest_denser(directions, hit, begin, end):
    """Nearest hit of the range that is denser than `hit`: squared distance [mm^2] and index.

    Hits behind the range, in its last block, are compared too. The bits of a positive float
    increase with its value, and the compiler finds the smallest integer with vector instructions,
    but not the smallest float. With the index in the lowest bits it finds both at once.
    """
    x, y, z, radius = hit.x, hit.y, hit.z, hit.radius
    density, number = hit.density, hit.number
    least, first = np.float64(np.inf).view(np.int64), np.uint64(begin)
    for b in range(first, _end_of_blocks(begin, end)):
        dx, dy, dz = directions[X, b] - x, directions[Y, b] - y, directions[Z, b] - z
        smaller = min(directions[RADIUS, b], radius)
        square = (dx * dx + dy * dy + dz * dz) * smaller * smaller
        is_denser = (directions[DENSITY, b] > density) | (
            (directions[DENSITY, b] == density) & (directions[NUMBER, b] > number)
        )
        bits = np.float64(square if is_denser else np.inf).view(np.int64)
        least = min(least, (bits & ~_INDEX_MASK) | np.int64(b - first))
    return np.int64(least & ~_INDEX_MASK).view(np.float64), begin + (least & _INDEX_MASK)
