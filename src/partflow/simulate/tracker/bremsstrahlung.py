"""Bremsstrahlung: electrons radiate in the tracker's material.

Spectrum of photons in a thin radiator, per radiation length, for energy fractions y = k/E
(complete screening, PDG review "Passage of particles through matter"):

    dN/dy = (4/3 - 4/3 y + y^2) / y,   whose mean loss is E per radiation length.

Photons above 10 MeV are followed (the rest, 0.1 to 1 % of the loss, stays with the electron).
They are emitted in the electron's direction within the tracker's material, carry the electron's
`origin`, and do not convert. The track continues: `successor` links its parts, of which the last
one showers. `fitted_pt` is the momentum that a track fit measures.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.core.particles import ELECTRON_MASS
from partflow.simulate.tracker.flights import (
    FLIGHT,
    NO_END,
    NO_SUCCESSOR,
    Species,
    add_secondary,
    end_of,
)
from partflow.simulate.tracker.tracker_material import path_after

MIN_PHOTON = 0.01
"""Least energy of the photons that are followed [GeV]."""
_MIN_ELECTRON = 0.1  # GeV, of an electron before and after it radiates


@njit(cache=True, error_model="numpy")
def photons_per_radiation_length(smallest):
    """Mean number of photons with an energy fraction above `smallest`: integral of dN/dy."""
    return -4.0 / 3.0 * (math.log(smallest) + 1.0 - smallest) + 0.5 * (1.0 - smallest**2)


@njit(cache=True, error_model="numpy")
def energy_fraction(rng, smallest):
    """A random energy fraction y above `smallest`, with density dN/dy."""
    while True:
        y = smallest ** rng.random()
        if rng.random() < 1.0 - y + 0.75 * y * y:
            return y


@njit(cache=True, error_model="numpy")
def radiate(rng, particles, geometry, material):
    """The flights of one event, followed by the photons and by the electrons after radiation."""
    flights = np.empty(2 * len(particles) + 2, dtype=FLIGHT)
    flights[: len(particles)] = particles
    count = len(particles)
    if material.radiation_lengths == 0.0:
        return flights[:count]
    for electron in range(len(particles)):
        part = np.int64(electron)
        while part >= 0:
            if count + 2 > len(flights):
                longer = np.empty(2 * len(flights), dtype=FLIGHT)
                longer[:count] = flights[:count]
                flights = longer
            part = _radiate_once(rng, flights, count, part, geometry, material)
            count += 2 * (part >= 0)
    return flights[:count]


@njit(cache=True, error_model="numpy")
def _radiate_once(rng, flights, count, part, geometry, material):
    """Append the next photon of an electron, and the electron after it; the row of the latter.

    Returns -1 if the electron does not radiate any more.
    """
    flight = flights[part]
    if flight.species != Species.ELECTRON or flight.end < NO_END or flight.energy < _MIN_ELECTRON:
        return -1
    smallest = MIN_PHOTON / flight.energy
    number = material.radiation_lengths * photons_per_radiation_length(smallest)
    path = path_after(rng.standard_exponential() / number, flight, geometry, material)
    radiated = flight.energy * energy_fraction(rng, smallest)
    if path == NO_END or flight.energy - radiated < _MIN_ELECTRON:
        return -1
    flight.end = path
    ray = end_of(flights, part, geometry.bending)
    left = flight.energy - radiated
    add_secondary(flights, count, part, ray, radiated, 0.0, 0, Species.PHOTON)
    add_secondary(
        flights, count + 1, part, ray, left, ELECTRON_MASS, flight.charge, Species.ELECTRON
    )
    flight.successor = count + 1
    flights[count + 1].is_continuation = True
    return count + 1


@njit(cache=True, error_model="numpy")
def fitted_pt(flights, electron, last_layer, geometry):
    """Transverse momentum [GeV] that a fit finds for the track of an electron that radiates.

    A parabola fitted to measurements evenly spaced over u = 0..1 has the curvature
    int 30 u^2 (1-u)^2 kappa(u) du: a change of curvature at u has the weight
    1 - u^3 (10 - 15 u + 6 u^2).
    """
    first = flights[electron]
    start = math.hypot(first.x, first.y)
    pt = math.hypot(first.px, first.py)
    end = last_layer
    if first.pz != 0.0:
        end = min(end, geometry.endcap_z * pt / abs(first.pz))
    curvature = 1.0 / pt
    part = electron
    while flights[part].successor != NO_SUCCESSOR:
        follower = flights[flights[part].successor]
        u = (math.hypot(follower.x, follower.y) - start) / max(end - start, 1.0)
        u = min(max(u, 0.0), 1.0)
        pt_after = math.hypot(follower.px, follower.py)
        weight = 1.0 - u**3 * (10.0 - 15.0 * u + 6.0 * u * u)
        curvature += weight * (1.0 / pt_after - 1.0 / pt)
        pt = pt_after
        part = flights[part].successor
    return 1.0 / curvature
