"""One event, from its particles to tracks and energy sums per (cell, particle)."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.core.detector import FACE_NONE
from partflow.simulate.directions import Ray
from partflow.simulate.fast.electromagnetic import electromagnetic_shower
from partflow.simulate.fast.hadronic import NEVER, Hadron, hadronic_shower, meson_path_factor
from partflow.simulate.hits import accumulate
from partflow.simulate.tracker.flights import NO_END, Species, available_energy, face_of
from partflow.simulate.tracker.tracking import find_tracks

_BEHIND_FACE = 0.01  # mm; keeps rounding from leaving a particle in front of the calorimeter


@njit(cache=True, error_model="numpy")
def simulate_event(rng, flights, constants, spots, stack, slots, used, counts):
    """(tracks, number of contributions in `slots`, whether the work space was large enough).

    `counts` [flight] becomes the number of contributions after each flight. The last five
    arguments are work space. If it was too small, the event has to be repeated with more of it
    and with a fresh random generator; the result does not depend on its size.
    """
    tracks = find_tracks(rng, flights, constants.shower.geometry, constants.tracker)
    count = np.int64(0)  # for a literal 0, numba would compile `accumulate` a second time
    for i in range(len(flights)):
        num_spots, is_complete = _shower(rng, flights[i], constants.shower, spots, stack)
        if not is_complete or num_spots > len(spots):
            return tracks, count, False
        count = accumulate(slots, used, count, spots, num_spots, constants.grid, flights[i].origin)
        if count > len(used):
            return tracks, count, False
        counts[i] = count
    return tracks, count, True


@njit(cache=True, error_model="numpy")
def _shower(rng, flight, constants, spots, stack):
    """Write the spots of one flight in the calorimeter: (number, whether `stack` sufficed)."""
    if flight.species == Species.INVISIBLE or flight.end < NO_END:
        return 0, True
    face, x, y, z, px, py, pz = face_of(flight, constants.geometry)
    if face == FACE_NONE:
        return 0, True
    momentum = math.sqrt(px * px + py * py + pz * pz)
    dx, dy, dz = px / momentum, py / momentum, pz / momentum
    ray = Ray(x + dx * _BEHIND_FACE, y + dy * _BEHIND_FACE, z + dz * _BEHIND_FACE, dx, dy, dz)
    none = np.int64(0)  # as above
    if flight.species == Species.PHOTON or flight.species == Species.ELECTRON:
        is_photon = flight.species == Species.PHOTON
        return electromagnetic_shower(
            rng, spots, none, constants, ray, flight.energy, is_photon
        ), True
    if flight.species == Species.MUON:
        energy, path_factor, leading = flight.energy - flight.mass, NEVER, 0.0
    else:
        energy = available_energy(flight)
        path_factor, leading = 1.0, constants.cascade.leading_weight
        if flight.species == Species.MESON:
            path_factor = meson_path_factor(constants.cascade, energy)
            leading = 0.0
    if energy <= 0.0:
        return 0, True
    hadron = Hadron(ray, energy, float(flight.charge), path_factor, leading)
    return hadronic_shower(rng, spots, none, stack, constants, hadron)
