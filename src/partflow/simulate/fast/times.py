"""Times of contributions: when a particle's first deposit in a cell is, after the collision.

A particle flies to the calorimeter with its own speed; its shower continues with the speed of
light, straight to the centre of the cell. A part of the deposits of hadrons is late, from
neutrons. What comes later than WINDOW, above all the capture of neutrons, is not simulated: the
energies are those within it, as in CLIC's reconstruction.
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

WINDOW = 10.0
"""Time after the arrival of light within which deposits are counted [ns]."""
# Fitted to the cells of K0L, pions and neutrons of 2 to 10 GeV in Geant4 11.4 (FTFP_BERT).
_LATE_SHARE = (0.15, 0.28)  # of the contributions, [ECAL, HCAL]
_LATE_DELAY = 4.0  # ns, mean of the exponential distribution that ends at WINDOW


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
        x, y, z, subdetector, _, _ = cell_centre(grid, cell)
        path = math.sqrt(
            (x - from_x[flight]) ** 2 + (y - from_y[flight]) ** 2 + (z - from_z[flight]) ** 2
        )
        times[i] = start[flight] + path / LIGHT_SPEED_MM_PER_NS + error
        if flights[flight].species >= Species.MESON and rng.random() < _LATE_SHARE[subdetector]:
            times[i] += (_LATE_DELAY * rng.standard_exponential()) % WINDOW
    return times
