"""Pseudolayers of the calorimeters, and the hits of one event sorted by them.

The depth of a hit is its distance from the box formed by the inner faces of barrel and endcaps,

    depth = max(r - r_barrel, abs(z) - z_endcap),

in units of the thickness of a layer group (layers that are read out as one). Unlike the layer
number it is continuous where barrel and endcap meet. ECAL hits are in pseudolayers 0 to
`num_ecal_groups` - 1, HCAL hits in those behind; hits of the muon system are left out.

Hits are sorted outwards, by falling energy within a pseudolayer. The result of the reconstruction
then does not depend on the order of the hits in the file.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.detector import ECAL, HCAL, Detector
from partflow.core.hadron_scale import energy_bin
from partflow.core.records import Array, Collection
from partflow.reconstruct.event_state import HIT
from partflow.reconstruct.sorting import sort_by_digit


class Calorimeters(NamedTuple):
    """The constants of a detector that the kernels need. Lengths in mm, energies in GeV."""

    barrel_radius: float
    """Inner radius of the ECAL barrel."""
    endcap_z: float
    """Distance of the ECAL endcap's face from the origin."""
    ecal_group_thickness: float
    hcal_group_thickness: float
    hcal_depth: float
    """Depth at which the HCAL begins."""
    num_ecal_groups: int
    ecal_cell_size: float
    hcal_cell_size: float
    critical_energy: float
    """Critical energy of the ECAL."""
    radiation_lengths_per_group: float
    """Thickness of an ECAL group in radiation lengths."""


class HitColumns(NamedTuple):
    """The columns of the hits of all events that the kernels read, each [hit]."""

    x: Array
    y: Array
    z: Array
    energy_em: Array
    energy_bits: Array
    """EM-scale energy as float32, its bits read as int32."""
    subdetector: Array
    energy_bin: Array
    """Bin of the hadronic scale."""


def calorimeters(detector: Detector) -> Calorimeters:
    """The calorimeter constants of a detector."""
    ecal, hcal = detector.ecal, detector.hcal
    return Calorimeters(
        barrel_radius=ecal.inner_radius,
        endcap_z=ecal.endcap_z,
        ecal_group_thickness=ecal.group_thickness,
        hcal_group_thickness=hcal.group_thickness,
        hcal_depth=ecal.depth + detector.gap,
        num_ecal_groups=ecal.num_groups,
        ecal_cell_size=ecal.cell_size,
        hcal_cell_size=hcal.cell_size,
        critical_energy=ecal.critical_energy,
        radiation_lengths_per_group=ecal.group_thickness / ecal.radiation_length,
    )


def hit_columns(hits: Collection) -> HitColumns:
    """Columns of HITS for the kernels, in double precision."""
    return HitColumns(
        x=hits.x.astype(np.float64),
        y=hits.y.astype(np.float64),
        z=hits.z.astype(np.float64),
        energy_em=hits.energy_em.astype(np.float64),
        energy_bits=hits.energy_em.view(np.int32),
        subdetector=hits.subdetector,
        energy_bin=energy_bin(hits.energy_em, hits.subdetector).astype(np.int64),
    )


@njit(cache=True)
def pseudolayer(x, y, z, subdetector, calo):
    """Pseudolayer of a hit at (x, y, z) [mm]; -1 outside the calorimeters."""
    depth = max(math.sqrt(x * x + y * y) - calo.barrel_radius, abs(z) - calo.endcap_z)
    if subdetector == ECAL:
        return min(max(int(depth / calo.ecal_group_thickness), 0), calo.num_ecal_groups - 1)
    if subdetector == HCAL:
        groups = max(int((depth - calo.hcal_depth) / calo.hcal_group_thickness), 0)
        return calo.num_ecal_groups + groups
    return -1


@njit(cache=True)
def sorted_hits(columns, first, last, calo):
    """Sort the calorimeter hits of one event, rows `first` to `last` - 1 of `columns`.

    Returns the index in the event of each sorted hit, and the sorted hits, [hit] of HIT. Hits of
    the same layer and energy are sorted by position, so that the order is always the same.
    """
    order, layer = np.empty(last - first, np.int64), np.empty(last - first, np.int64)
    count, num_layers = 0, 1
    for i in range(last - first):
        row = first + i
        layer[i] = pseudolayer(
            columns.x[row], columns.y[row], columns.z[row], columns.subdetector[row], calo
        )
        if layer[i] >= 0:
            order[count] = i
            count += 1
            num_layers = max(num_layers, layer[i] + 1)
    order = order[:count]
    falling = np.empty(last - first, np.int64)
    for i in order:  # the bits of a positive float increase with its value
        falling[i] = (1 << 31) - 1 - columns.energy_bits[first + i]
    for shift in (0, 11, 22):
        order = sort_by_digit(order, falling >> shift, 1 << 11)
    order = sort_by_digit(order, layer, num_layers)
    _sort_ties(order, layer, columns, first)
    hits = np.empty(count, HIT)
    for a in range(count):
        row, hit = first + order[a], hits[a]
        hit.x, hit.y, hit.z = columns.x[row], columns.y[row], columns.z[row]
        hit.energy_em = columns.energy_em[row]
        hit.theta = math.atan2(math.sqrt(hit.x * hit.x + hit.y * hit.y), hit.z)
        hit.phi = math.atan2(hit.y, hit.x)
        hit.layer = layer[order[a]]
        hit.energy_bin = columns.energy_bin[row]
    return order, hits


@njit(cache=True)
def _sort_ties(order, layer, columns, first):
    """Sort hits of the same layer and energy by position, in place (insertion: they are few)."""
    energy = columns.energy_em
    for a in range(1, len(order)):
        i, b = order[a], a
        while b > 0:
            j = order[b - 1]
            is_tie = layer[j] == layer[i] and energy[first + j] == energy[first + i]
            if not is_tie or _is_before(columns, first + j, first + i):
                break
            order[b] = j
            b -= 1
        order[b] = i


@njit(cache=True)
def _is_before(columns, row, other):
    """Whether the position of `row` comes before that of `other`, by x, then y, then z."""
    if columns.x[row] != columns.x[other]:
        return columns.x[row] < columns.x[other]
    if columns.y[row] != columns.y[other]:
        return columns.y[row] < columns.y[other]
    return columns.z[row] <= columns.z[other]
