"""Times of hits: when the first deposit in a cell comes, after the collision.

A particle flies to the calorimeter with its own speed; its shower goes on from there with that of
light, straight to the centre of the cell. Part of what hadrons leave comes late, from neutrons:
shares and delay are a choice of ours, of the order of what CALICE T3B saw within some tens of
ns (arXiv:1404.6454); later, neutrons are captured, and that is not simulated.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.core.helix import MIN_PT, path_to_cylinder
from partflow.core.units import LIGHT_SPEED_MM_PER_NS
from partflow.simulate.cells import cell_centre
from partflow.simulate.flights import Species, face_of, time_after
from partflow.simulate.hits import cell_of

_LATE_SHARE, _LATE_DELAY = 0.1, 8.0  # ns


@njit(cache=True, error_model="numpy")
def arrival(flight, geometry):
    """Time [ns] and place [mm] (time, x, y, z) at which a flight reaches the calorimeter."""
    _, x, y, z, _, _, _ = face_of(flight, geometry)
    pt = math.hypot(flight.px, flight.py)
    if pt < MIN_PT:
        speed = LIGHT_SPEED_MM_PER_NS * abs(flight.pz) / flight.energy
        return flight.time + abs(z - flight.z) / speed, x, y, z
    path = path_to_cylinder(
        geometry.bending,
        flight.x, flight.y, flight.px, flight.py, flight.charge, geometry.barrel_r,
    )  # fmt: skip
    if flight.pz != 0.0:
        face_z = geometry.endcap_z if flight.pz > 0.0 else -geometry.endcap_z
        path = min(path, (face_z - flight.z) * pt / flight.pz)
    return time_after(flight, path), x, y, z


@njit(cache=True, error_model="numpy")
def contribution_times(rng, keys, makers, flights, geometry, grid, resolution):
    """Times [ns, contribution] of contributions with sorted `keys`, made by the flights `makers`.

    Where several flights of a particle met in a cell, the first of them made it. All in a cell
    are mismeasured alike.
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
        maker = makers[i]
        if not is_known[maker]:
            start[maker], from_x[maker], from_y[maker], from_z[maker] = arrival(
                flights[maker], geometry
            )
            is_known[maker] = True
        x, y, z, _, _, _ = cell_centre(grid, cell)
        path = math.sqrt(
            (x - from_x[maker]) ** 2 + (y - from_y[maker]) ** 2 + (z - from_z[maker]) ** 2
        )
        times[i] = start[maker] + path / LIGHT_SPEED_MM_PER_NS + error
        if flights[maker].species >= Species.MESON and rng.random() < _LATE_SHARE:
            times[i] += _LATE_DELAY * rng.standard_exponential()
    return times
