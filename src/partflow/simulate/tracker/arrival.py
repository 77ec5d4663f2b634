"""When and where particles reach the calorimeter."""

from __future__ import annotations

import math

from numba import njit

from partflow.core.helix import MIN_PT, path_to_cylinder
from partflow.core.units import LIGHT_SPEED_MM_PER_NS
from partflow.simulate.tracker.flights import face_of, time_after


@njit(cache=True, error_model="numpy")
def arrival(flight, geometry):
    """(time [ns], x, y, z [mm]) at which a flight reaches the calorimeter."""
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
