"""Hits of one event in the order of reconstruction: outwards, and by energy within a layer.

The depth of a hit is measured from the nested box that the calorimeter's inner faces make,
max(r - r_barrel, abs(z) - z_endcap), and cut into pseudolayers as thick as the layer groups.
It does not jump where barrel and endcap meet. ECAL hits are in pseudolayers 0 to
`ecal_groups` - 1, HCAL hits in those behind; hits elsewhere are left out.

Sorted once, an event no longer depends on the order in which its hits were written.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.detector import ECAL, HCAL, Detector
from partflow.reconstruct.event import HIT


class Calorimeters(NamedTuple):
    """What the kernels need of a detector. Lengths in mm, energies in GeV."""

    barrel_r: float
    endcap_z: float
    ecal_group: float
    hcal_group: float
    hcal_depth: float
    """Depth at which the HCAL begins."""
    ecal_groups: int
    ecal_cell: float
    hcal_cell: float
    critical_energy: float
    """Of the ECAL; with the next one it places a shower's maximum."""
    radiation_lengths_per_group: float


def calorimeters(detector: Detector) -> Calorimeters:
    """The calorimeters of a detector as plain numbers."""
    ecal, hcal = detector.ecal, detector.hcal
    return Calorimeters(
        barrel_r=ecal.inner_radius,
        endcap_z=ecal.endcap_z,
        ecal_group=ecal.group_thickness,
        hcal_group=hcal.group_thickness,
        hcal_depth=ecal.depth + detector.gap,
        ecal_groups=ecal.num_groups,
        ecal_cell=ecal.cell_size,
        hcal_cell=hcal.cell_size,
        critical_energy=ecal.critical_energy,
        radiation_lengths_per_group=ecal.group_thickness / ecal.radiation_length,
    )


@njit(cache=True)
def pseudolayer(x, y, z, subdetector, calo):
    """Pseudolayer of a hit at (x, y, z) [mm]; -1 outside the calorimeters."""
    depth = max(math.sqrt(x * x + y * y) - calo.barrel_r, abs(z) - calo.endcap_z)
    if subdetector == ECAL:
        return min(max(int(depth / calo.ecal_group), 0), calo.ecal_groups - 1)
    if subdetector == HCAL:
        return calo.ecal_groups + max(int((depth - calo.hcal_depth) / calo.hcal_group), 0)
    return -1


@njit(cache=True)
def sorted_hits(columns, first, last, calo):
    """Place in the event of rows `first` to `last` of `columns`, sorted, and their HIT array.

    Hits of one layer and one energy are sorted by position: the result is the same however
    they were ordered before.
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
    for i in order:  # bits of a positive float rise with it
        falling[i] = (1 << 31) - 1 - columns.energy_bits[first + i]
    for shift in (0, 11, 22):
        order = _by_digit(order, falling >> shift, 1 << 11)
    order = _by_digit(order, layer, num_layers)
    _sort_ties(order, layer, columns, first)
    hits = np.empty(count, HIT)
    for a in range(count):
        row, hit = first + order[a], hits[a]
        hit.x, hit.y, hit.z = columns.x[row], columns.y[row], columns.z[row]
        hit.energy = columns.energy[row]
        hit.theta = math.atan2(math.sqrt(hit.x * hit.x + hit.y * hit.y), hit.z)
        hit.phi = math.atan2(hit.y, hit.x)
        hit.layer = layer[order[a]]
        hit.energy_bin = columns.energy_bin[row]
    return order, hits


@njit(cache=True)
def _by_digit(order, key, base):
    """Sort `order` by key modulo `base` (a power of 2, or more than any key), stably.

    One pass of a radix sort: four of them take a third of a comparison sort's time.
    """
    begin = np.zeros(base + 1, np.int64)
    for i in order:
        begin[key[i] % base + 1] += 1
    for k in range(base):
        begin[k + 1] += begin[k]
    result = np.empty_like(order)
    for i in order:
        digit = key[i] % base
        result[begin[digit]] = i
        begin[digit] += 1
    return result


@njit(cache=True)
def _sort_ties(order, layer, columns, first):
    """Sort hits of one layer and energy by position (insertion: they are few)."""
    for a in range(1, len(order)):
        i, b = order[a], a
        while b > 0:
            j = order[b - 1]
            is_tie = layer[j] == layer[i] and columns.energy[first + j] == columns.energy[first + i]
            if not is_tie or _is_before(columns, first + j, first + i):
                break
            order[b] = j
            b -= 1
        order[b] = i


@njit(cache=True)
def _is_before(columns, one, other):
    """Whether a row's position comes before another's, by x, then y, then z."""
    if columns.x[one] != columns.x[other]:
        return columns.x[one] < columns.x[other]
    if columns.y[one] != columns.y[other]:
        return columns.y[one] < columns.y[other]
    return columns.z[one] <= columns.z[other]
