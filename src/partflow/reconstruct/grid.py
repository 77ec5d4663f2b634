"""Cells in polar angle and azimuth, to find the hits near a direction.

Rows of equal height in theta; in each row as many columns in phi as its circumference
holds, so that cells are about square everywhere. What lies within an angle of a direction is
in the rows within that angle, and in each of them within a reach in phi that follows from
the spherical law of sines, sin(delta_phi) = sin(angle)/sin(theta).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.records import Array

MIN_CELL = 2e-3
"""Smallest cell [rad]: 2 million of them on the sphere."""


class AngularGrid(NamedTuple):
    """Objects sorted into cells of directions."""

    height: float
    """Height of a row [rad]."""
    first_cell: Array
    """[row + 1]: number of the first cell of each row."""
    begin: Array
    """[cell + 1]: where the cell's objects begin in `member`."""
    member: Array
    """[object]: objects, cell by cell, in their order."""
    cell: Array
    """[object]: cell of each of `member`."""


@njit(cache=True)
def angular_grid(objects, size):
    """Grid with cells of `size` [rad] of structured `objects` with theta and phi [-pi, pi]."""
    rows = max(int(math.pi / max(size, MIN_CELL)), 1)
    height = math.pi / rows
    first_cell = np.zeros(rows + 1, np.int64)
    for row in range(rows):
        circumference = 2 * math.pi * math.sin((row + 0.5) * height)
        first_cell[row + 1] = first_cell[row] + max(int(circumference / height), 1)
    cell = np.empty(len(objects), np.int64)
    begin = np.zeros(first_cell[rows] + 1, np.int64)
    for i in range(len(objects)):
        row = row_of(objects[i].theta, height, rows)
        columns = first_cell[row + 1] - first_cell[row]
        column = int((objects[i].phi + math.pi) / (2 * math.pi) * columns)
        cell[i] = first_cell[row] + min(column, columns - 1)
        begin[cell[i] + 1] += 1
    for k in range(first_cell[rows]):
        begin[k + 1] += begin[k]
    member = np.empty(len(objects), np.int64)
    filled = begin[:-1].copy()
    for i in range(len(objects)):
        member[filled[cell[i]]] = i
        filled[cell[i]] += 1
    return AngularGrid(height, first_cell, begin, member, cell[member])


@njit(cache=True)
def row_of(theta, height, rows):
    """Row that holds `theta` [rad]; the first or last one beyond the poles."""
    return min(max(int(theta / height), 0), rows - 1)


@njit(cache=True)
def angle_to_row(grid, row, theta):
    """Least angle [rad] between a direction at `theta` and those of a row."""
    return max(row * grid.height - theta, theta - (row + 1) * grid.height, 0.0)


@njit(cache=True)
def reach_in_phi(theta, angle):
    """Largest difference in azimuth [rad] of directions within `angle` of one at `theta`."""
    if angle >= math.pi / 2 or math.sin(theta) <= math.sin(angle):
        return math.pi  # the pole is within
    return math.asin(math.sin(angle) / math.sin(theta))


@njit(cache=True)
def reach_of_rows(grid, angle):
    """Largest `reach_in_phi` of the directions of each row, [row]."""
    reach = np.empty(len(grid.first_cell) - 1)
    for row in range(len(reach)):  # the sine is least at an end of the row
        reach[row] = max(
            reach_in_phi(row * grid.height, angle), reach_in_phi((row + 1) * grid.height, angle)
        )
    return reach


@njit(cache=True)
def runs_around(grid, row_here, cell, angle, reach, runs):
    """Where in `grid.member` to look for all that is within `angle` of a cell in a row.

    Fills `runs` [`max_runs`, 3] with begin, end and row of each run, the cell's own row first,
    then outwards, and returns their number. `reach` is `reach_of_rows` for that angle.
    """
    rows = len(reach)
    columns = grid.first_cell[row_here + 1] - grid.first_cell[row_here]
    width = 2 * math.pi / columns
    centre = (cell - grid.first_cell[row_here] + 0.5) * width
    half = reach[row_here] + 0.5 * width
    span = int(angle / grid.height) + 1
    count = 0
    for step in range(2 * span + 1):  # 0, -1, 1, -2, 2, ...
        row = row_here + (step // 2 if step % 2 == 0 else -(step + 1) // 2)
        if 0 <= row < rows:
            count = _runs_in_row(grid, row, centre, half, runs, count)
    return count


@njit(cache=True)
def max_runs(grid, angle):
    """Most runs that `runs_around` can find: two in a row, where it is cut at phi = pi."""
    return 2 * (2 * (int(angle / grid.height) + 1) + 1)


@njit(cache=True)
def _runs_in_row(grid, row, azimuth, reach, runs, count):
    """Add the runs of a row within `reach` of `azimuth` [0, 2 pi]; the new number of runs."""
    first = grid.first_cell[row]
    columns = grid.first_cell[row + 1] - first
    scale = columns / (2 * math.pi)
    low = int((azimuth - reach + 2 * math.pi) * scale) - columns
    high = int((azimuth + reach + 2 * math.pi) * scale) - columns
    if high - low + 1 >= columns:
        low, high = 0, columns - 1
    for turn in (-columns, 0, columns):
        begin, end = max(low, turn), min(high, turn + columns - 1) + 1
        if begin < end:
            begin, end = grid.begin[first + begin - turn], grid.begin[first + end - turn]
            if begin < end:
                runs[count, 0], runs[count, 1], runs[count, 2] = begin, end, row
                count += 1
    return count
