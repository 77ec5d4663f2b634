"""Spots: the energy deposits that showers are made of before they are summed in cells.

Kernels write spots to an array of SPOT that the caller owns. Beyond its end they go on counting
and overwrite its last row: the caller sees from the count that the array was too small, and
repeats the event with a larger one.
"""

from __future__ import annotations

from numba import njit


@njit(cache=True, error_model="numpy")
def add_spot(spots, count, x, y, z, energy):
    """Write one spot after `count` others; returns the new count."""
    # without a branch numba counts no references to `spots`; those would double the time
    spot = spots[min(count, len(spots) - 1)]
    spot.x = x
    spot.y = y
    spot.z = z
    spot.energy = energy
    return count + 1


@njit(cache=True, error_model="numpy")
def scale_spots(spots, start, stop, total):
    """Scale the energies of the spots `start` to `stop` so that their sum is `total` [GeV]."""
    stop = min(stop, len(spots))
    drawn = 0.0
    for i in range(start, stop):
        drawn += spots[i].energy
    if drawn > 0.0:
        factor = total / drawn
        for i in range(start, stop):
            spots[i].energy *= factor
