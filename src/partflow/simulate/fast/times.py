"""Times of contributions: when a particle's first deposit in a cell is, after the collision.

A particle flies to the calorimeter with its own speed; its shower continues with the speed of
light, straight to the centre of the cell. A part of the deposits of hadrons is late, from
neutrons: share and delay are a choice of ours, of the order of what CALICE T3B measured within
some tens of ns (arXiv:1404.6454). The later capture of neutrons is not simulated.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.core.units import LIGHT_SPEED_MM_PER_NS
from partflow.simulate.cells import cell_centre
from partflow.simulate.hits import cell_of
from partflow.simulate.tracker.arrival import arrival
from partflow.simulate.tracker.flights import Species

_LATE_SHARE = 0.1
_LATE_DELAY = 8.0  # ns, mean


@njit(cache=True, error_model="numpy")
def contribution_times(rng, keys, flight_index, flights, geometry, grid, resolution):
    """Times [contribution] (ns) of contributions with sorted `keys`.

    `flight_index` [contribution] is the flight that made it; if several flights of a particle
    deposit energy in a cell, it is the first. All times in a cell have the same measurement error.
    """
    start = np.empty(len(flights))
    from_x, from_y, from_z = np.empty(len(flights)), np.empty(len(flights)), np.empty(len(flights))
    is_known = np.zeros(len(flights), dtype=np.bool_)
    times = np.empty(len(keys))
    error = 0.0
    for i in range(len(keys)):
        cell = cell_of(keys[i])
        if i == 0 or cell_of(keys[i - 1]) != cell:
            error = resolution * rng.standard_normal()
        flight = flight_index[i]
        if not is_known[flight]:
            start[flight], from_x[flight], from_y[flight], from_z[flight] = arrival(
                flights[flight], geometry
            )
            is_known[flight] = True
        x, y, z, _, _, _ = cell_centre(grid, cell)
        path = math.sqrt(
            (x - from_x[flight]) ** 2 + (y - from_y[flight]) ** 2 + (z - from_z[flight]) ** 2
        )
        times[i] = start[flight] + path / LIGHT_SPEED_MM_PER_NS + error
        if flights[flight].species >= Species.MESON and rng.random() < _LATE_SHARE:
            times[i] += _LATE_DELAY * rng.standard_exponential()
    return times
