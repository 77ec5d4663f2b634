"""Grid in polar angle and azimuth, to find the objects near a direction.

The rows have equal height in theta. Each row has as many columns in phi as its circumference
allows, so that all cells are about square. The objects within an angle of a direction are in the
rows within that angle and, in each of these rows, within a distance in phi that follows from the
spherical law of sines, sin(delta_phi) = sin(angle)/sin(theta).
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
    """Objects sorted by cells of direction."""

    height: float
    """Height of a row [rad]."""
    first_cell: Array
    """[row + 1], index of the first cell of each row."""
    begin: Array
    """[cell + 1], position in `member` where the objects of each cell begin."""
    member: Array
    """[object], indices of the objects, cell by cell; in one cell in their own order."""
    cell: Array
    """[object], cell of each entry of `member`."""


@njit(cache=True)
def angular_grid(objects, size):
    """Sort structured `objects` with fields theta and phi [-pi, pi] into cells of `size` [rad]."""
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
    """Row that contains `theta` [rad]; the first or the last row for angles beyond the poles."""
    return min(max(int(theta / height), 0), rows - 1)


@njit(cache=True)
def angle_to_row(grid, row, theta):
    """Smallest angle between a direction at `theta` and the directions of a row [rad]."""
    return max(row * grid.height - theta, theta - (row + 1) * grid.height, 0.0)


@njit(cache=True)
def max_delta_phi(theta, angle):
    """Largest difference in azimuth of directions within `angle` of one at `theta` [rad]."""
    if angle >= math.pi / 2 or math.sin(theta) <= math.sin(angle):
        return math.pi  # the pole is within the angle
    return math.asin(math.sin(angle) / math.sin(theta))


@njit(cache=True)
def max_delta_phi_of_rows(grid, angle):
    """Largest `max_delta_phi` of the directions of each row, [row] (rad)."""
    delta_phi = np.empty(len(grid.first_cell) - 1)
    for row in range(len(delta_phi)):  # the sine is smallest at one of the ends of the row
        delta_phi[row] = max(
            max_delta_phi(row * grid.height, angle), max_delta_phi((row + 1) * grid.height, angle)
        )
    return delta_phi


@njit(cache=True)
def ranges_around(grid, centre_row, cell, angle, delta_phi, ranges):
    """Find the ranges of `grid.member` that contain all objects within `angle` of a cell.

    Fills `ranges` [`max_ranges`, 3] with (begin, end, row) of each range and returns their number:
    first those of the cell's own row `centre_row`, then those of rows farther and farther away.
    `delta_phi` is `max_delta_phi_of_rows` for this angle.
    """
    rows = len(delta_phi)
    columns = grid.first_cell[centre_row + 1] - grid.first_cell[centre_row]
    width = 2 * math.pi / columns
    centre = (cell - grid.first_cell[centre_row] + 0.5) * width
    half_width = delta_phi[centre_row] + 0.5 * width
    span = int(angle / grid.height) + 1
    count = 0
    for step in range(2 * span + 1):  # 0, -1, 1, -2, 2, ...
        row = centre_row + (step // 2 if step % 2 == 0 else -(step + 1) // 2)
        if 0 <= row < rows:
            count = _ranges_in_row(grid, row, centre, half_width, ranges, count)
    return count


@njit(cache=True)
def max_ranges(grid, angle):
    """Largest number of ranges of `ranges_around`: two in a row, which is cut at phi = pi."""
    return 2 * (2 * (int(angle / grid.height) + 1) + 1)


@njit(cache=True)
def _ranges_in_row(grid, row, azimuth, half_width, ranges, count):
    """Append the ranges of a row within `half_width` of `azimuth` [0, 2 pi] to `count` others.

    Returns the new number of ranges.
    """
    first = grid.first_cell[row]
    columns = grid.first_cell[row + 1] - first
    scale = columns / (2 * math.pi)
    low = int((azimuth - half_width + 2 * math.pi) * scale) - columns
    high = int((azimuth + half_width + 2 * math.pi) * scale) - columns
    if high - low + 1 >= columns:
        low, high = 0, columns - 1
    for turn in (-columns, 0, columns):
        begin, end = max(low, turn), min(high, turn + columns - 1) + 1
        if begin < end:
            begin, end = grid.begin[first + begin - turn], grid.begin[first + end - turn]
            if begin < end:
                ranges[count, 0], ranges[count, 1], ranges[count, 2] = begin, end, row
                count += 1
    return count
