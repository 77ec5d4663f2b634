"""Readout cells: a 64-bit number for the cell of a point, and back to its centre.

In the barrel a cell is (layer group, azimuth, z), in the endcaps (side, layer group, x, y).
A key packs, from high bits to low, subdetector, region, side, layer group, u and v; keys sort
by detector part and depth. HCAL endcap groups count from the first group of the ring that
surrounds the ECAL endcap, so that groups of ring and endcap at the same z have the same number.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.detector import BARREL, ECAL, ENDCAP, HCAL, Detector
from partflow.core.errors import ConfigError

_V_BITS, _U_BITS, _LAYER_BITS = 13, 14, 7
_U_SHIFT = _V_BITS
_LAYER_SHIFT = _U_SHIFT + _U_BITS
_SIDE_SHIFT = _LAYER_SHIFT + _LAYER_BITS
_REGION_SHIFT = _SIDE_SHIFT + 1
_SUBDETECTOR_SHIFT = _REGION_SHIFT + 1
KEY_BITS = _SUBDETECTOR_SHIFT + 1
_CENTRE = 1 << (_V_BITS - 1)
"""Added to signed cell numbers."""
NO_CELL = -1


class CellGrid(NamedTuple):
    """Cells and thresholds of the calorimeters of a detector, for kernels. Lengths in mm."""

    barrel_r: float
    endcap_z: float
    front_tolerance: float
    """A deposit this far in front of the face still counts for the first layer."""
    hcal_depth: float
    """Depth of the HCAL's front behind the ECAL's."""
    boundary_depth: float
    """Depth in the middle of the gap: deposits in the gap go to the nearer calorimeter."""
    ecal_group: float
    hcal_group: float
    groups_per_ecal_mm: float
    """1/`ecal_group`; as the other inverses it is here because kernels multiply faster than they
    divide."""
    groups_per_hcal_mm: float
    ecal_groups: int
    hcal_groups: int
    ring_groups: int
    """HCAL groups of the ring in front of the first group of the HCAL endcap."""
    ecal_cell: float
    hcal_cell: float
    cells_per_ecal_mm: float
    cells_per_hcal_mm: float
    ring_r: float
    """Radius between ECAL endcap and ring."""
    endcap_inner_r: float
    endcap_outer_r: float
    ecal_threshold: float
    """EM-scale energy above which a cell gives a hit [GeV]."""
    hcal_threshold: float


def cell_grid(detector: Detector) -> CellGrid:
    """The cells of a detector.

    Raises ConfigError if there are more cells than a key can number.
    """
    geometry = detector.geometry()
    hcal_depth = geometry.ecal_depth + geometry.gap
    ring = (geometry.endcap_z + hcal_depth - geometry.ring_z) / geometry.hcal_group
    ring_groups = max(math.ceil(ring - 1e-9), 0)  # 1e-9: a whole number may come out above itself
    grid = CellGrid(
        barrel_r=geometry.barrel_r,
        endcap_z=geometry.endcap_z,
        front_tolerance=3.0 * detector.ecal.moliere_radius,
        hcal_depth=hcal_depth,
        boundary_depth=geometry.ecal_depth + geometry.gap / 2,
        ecal_group=geometry.ecal_group,
        hcal_group=geometry.hcal_group,
        groups_per_ecal_mm=1.0 / geometry.ecal_group,
        groups_per_hcal_mm=1.0 / geometry.hcal_group,
        ecal_groups=geometry.ecal_groups,
        hcal_groups=geometry.hcal_groups,
        ring_groups=ring_groups,
        ecal_cell=geometry.ecal_cell,
        hcal_cell=geometry.hcal_cell,
        cells_per_ecal_mm=1.0 / geometry.ecal_cell,
        cells_per_hcal_mm=1.0 / geometry.hcal_cell,
        ring_r=geometry.ecal_endcap_r + geometry.gap / 2,
        endcap_inner_r=geometry.endcap_material_r,
        endcap_outer_r=geometry.hcal_endcap_r,
        ecal_threshold=float(detector.ecal.threshold),
        hcal_threshold=float(detector.hcal.threshold),
    )
    _check_counts(detector.name, grid)
    return grid


@njit(cache=True, error_model="numpy", inline="always")
def num_azimuths(radius, density):
    """Number of cells around the barrel at a radius [mm], for `density` cells per mm."""
    return int(2.0 * math.pi * radius * density)


def _check_counts(name: str, grid: CellGrid) -> None:
    """Raise ConfigError unless every cell number fits its bits."""
    smaller_cell = min(grid.ecal_cell, grid.hcal_cell)
    counts = (
        ("azimuth", num_azimuths(grid.endcap_outer_r, 1.0 / smaller_cell), 1 << _U_BITS),
        ("z, x or y", max(grid.endcap_z, grid.endcap_outer_r) / smaller_cell + 1, _CENTRE),
        ("depth", max(grid.ecal_groups, grid.hcal_groups + grid.ring_groups), 1 << _LAYER_BITS),
    )
    for direction, count, limit in counts:
        if count > limit:
            raise ConfigError(
                f"{name}: {int(count)} cells in {direction}, at most {limit} can be numbered; "
                "choose larger cells or layer groups"
            )


@njit(cache=True, error_model="numpy", inline="always")
def _key(subdetector, region, side, layer, u, v):
    """The key of a cell: its numbers in the bits of one integer."""
    return (
        (subdetector << _SUBDETECTOR_SHIFT)
        | (region << _REGION_SHIFT)
        | (side << _SIDE_SHIFT)
        | (layer << _LAYER_SHIFT)
        | (u << _U_SHIFT)
        | v
    )


@njit(cache=True, error_model="numpy", inline="always")
def cell_key(grid, x, y, z):
    """Key of the cell at a point [mm], or NO_CELL where nothing is read out."""
    radius = math.sqrt(x * x + y * y)
    abs_z = abs(z)
    if abs_z < grid.endcap_z and radius > grid.barrel_r - grid.front_tolerance:
        return _barrel_key(grid, x, y, z, radius - grid.barrel_r)
    depth = abs_z - grid.endcap_z
    if depth < -grid.front_tolerance or radius < grid.endcap_inner_r:
        return NO_CELL
    return _endcap_key(grid, x, y, z, radius, depth)


@njit(cache=True, error_model="numpy")
def cell_keys(grid, x, y, z):
    """`cell_key` of arrays of points [mm], [point]."""
    keys = np.empty(len(x), np.int64)
    for i in range(len(x)):
        keys[i] = cell_key(grid, x[i], y[i], z[i])
    return keys


@njit(cache=True, error_model="numpy", inline="always")
def azimuth(y, x):
    """Azimuth in [0, 2 pi), to 2e-8 rad: at 10 m, 0.2 um.

    The arctangent is polynomial 4.4.49 of Abramowitz and Stegun. Unlike math.atan2 it is inlined,
    so that the processor works on several points at a time.
    """
    across, along = abs(y), abs(x)
    longer = max(across, along)
    t = min(across, along) / longer if longer > 0.0 else 0.0
    s = t * t
    phi = 0.1065626393 + s * (
        -0.0752896400 + s * (0.0429096138 + s * (-0.0161657367 + s * 0.0028662257))
    )
    phi = t * (1.0 + s * (-0.3333314528 + s * (0.1999355085 + s * (-0.1420889944 + s * phi))))
    if across > along:
        phi = 0.5 * math.pi - phi
    if x < 0.0:
        phi = math.pi - phi
    return 2.0 * math.pi - phi if y < 0.0 else phi


@njit(cache=True, error_model="numpy", inline="always")
def _barrel_key(grid, x, y, z, depth):
    """Key of the cell of the barrel at a point, `depth` [mm] behind the face; or NO_CELL."""
    if depth < grid.boundary_depth:
        subdetector = ECAL
        density = grid.cells_per_ecal_mm
        layer = min(int(max(depth, 0.0) * grid.groups_per_ecal_mm), grid.ecal_groups - 1)
        middle = grid.barrel_r + (layer + 0.5) * grid.ecal_group
    else:
        subdetector = HCAL
        density = grid.cells_per_hcal_mm
        layer = int(max(depth - grid.hcal_depth, 0.0) * grid.groups_per_hcal_mm)
        if layer >= grid.hcal_groups:
            return NO_CELL
        middle = grid.barrel_r + grid.hcal_depth + (layer + 0.5) * grid.hcal_group
    around = num_azimuths(middle, density)
    u = min(int(azimuth(y, x) * (1.0 / (2.0 * math.pi)) * around), around - 1)
    v = math.floor(z * density) + _CENTRE
    return _key(subdetector, BARREL, 0, layer, u, v)


@njit(cache=True, error_model="numpy", inline="always")
def _endcap_key(grid, x, y, z, radius, depth):
    """Key of the cell of an endcap at a point, `depth` [mm] behind the face; or NO_CELL."""
    if radius < grid.ring_r and depth < grid.boundary_depth:
        subdetector = ECAL
        layer = min(int(max(depth, 0.0) * grid.groups_per_ecal_mm), grid.ecal_groups - 1)
        density = grid.cells_per_ecal_mm
    else:
        if radius > grid.endcap_outer_r:
            return NO_CELL
        subdetector = HCAL
        first = grid.ring_groups if radius < grid.ring_r else 0
        group = math.floor((depth - grid.hcal_depth) * grid.groups_per_hcal_mm) + grid.ring_groups
        layer = max(group, first)
        if layer >= grid.hcal_groups + grid.ring_groups:
            return NO_CELL
        density = grid.cells_per_hcal_mm
    u = math.floor(x * density) + _CENTRE
    v = math.floor(y * density) + _CENTRE
    return _key(subdetector, ENDCAP, 1 if z > 0.0 else 0, layer, u, v)


@njit(cache=True, error_model="numpy", inline="always")
def cell_subdetector(key):
    """ECAL or HCAL, from the key of a cell."""
    return key >> _SUBDETECTOR_SHIFT


@njit(cache=True, error_model="numpy", inline="always")
def threshold_of(grid, subdetector):
    """EM-scale energy [GeV] above which a cell of the ECAL or HCAL gives a hit."""
    return grid.ecal_threshold if subdetector == ECAL else grid.hcal_threshold


@njit(cache=True, error_model="numpy")
def cell_centre(grid, key):
    """(x, y, z, subdetector, region, layer) of a cell; its depth is the middle of its group."""
    v = key & ((1 << _V_BITS) - 1)
    u = (key >> _U_SHIFT) & ((1 << _U_BITS) - 1)
    layer = (key >> _LAYER_SHIFT) & ((1 << _LAYER_BITS) - 1)
    side = (key >> _SIDE_SHIFT) & 1
    region = (key >> _REGION_SHIFT) & 1
    subdetector = cell_subdetector(key)
    cell, density = grid.hcal_cell, grid.cells_per_hcal_mm
    if subdetector == ECAL:
        cell, density = grid.ecal_cell, grid.cells_per_ecal_mm
    if region == BARREL:
        if subdetector == ECAL:
            radius = grid.barrel_r + (layer + 0.5) * grid.ecal_group
        else:
            radius = grid.barrel_r + grid.hcal_depth + (layer + 0.5) * grid.hcal_group
        phi = (u + 0.5) * 2.0 * math.pi / num_azimuths(radius, density)
        z = (v - _CENTRE + 0.5) * cell
        return radius * math.cos(phi), radius * math.sin(phi), z, subdetector, region, layer
    if subdetector == ECAL:
        depth = (layer + 0.5) * grid.ecal_group
    else:
        depth = grid.hcal_depth + (layer - grid.ring_groups + 0.5) * grid.hcal_group
    z = grid.endcap_z + depth
    x, y = (u - _CENTRE + 0.5) * cell, (v - _CENTRE + 0.5) * cell
    return x, y, z if side else -z, subdetector, region, layer
