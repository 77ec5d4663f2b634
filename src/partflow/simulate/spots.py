"""Spots: points with an EM-scale energy, what showers are made of before there are cells.

The kernels that make spots write into a caller's array of SPOT. Beyond its end they count on and
overwrite its last place, so that the caller sees how much room was wanted and repeats the event
with more.
"""

from __future__ import annotations

import numpy as np
from numba import njit

SPOT = np.dtype([("x", "f8"), ("y", "f8"), ("z", "f8"), ("energy", "f8"), ("cell", "i8")])
"""Position [mm] and EM-scale energy [GeV]; the cell's key, once it is known."""


@njit(cache=True, error_model="numpy")
def add_spot(spots, count, x, y, z, energy):
    """Write one spot behind `count` others; returns the new count."""
    # no branch: numba then counts no references to `spots`, which would cost as much as a spot
    spot = spots[min(count, len(spots) - 1)]
    spot.x = x
    spot.y = y
    spot.z = z
    spot.energy = energy
    return count + 1


@njit(cache=True, error_model="numpy")
def scale_spots(spots, start, stop, total):
    """Scale the energies of spots `start` to `stop` so that they sum to `total` [GeV]."""
    stop = min(stop, len(spots))
    drawn = 0.0
    for i in range(start, stop):
        drawn += spots[i].energy
    if drawn > 0.0:
        factor = total / drawn
        for i in range(start, stop):
            spots[i].energy *= factor
