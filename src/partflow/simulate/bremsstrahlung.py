"""Bremsstrahlung: electrons radiate in the tracker's material.

Spectrum of photons in a thin radiator, per radiation length, for energy fractions y = k/E
(complete screening, PDG review "Passage of particles through matter"):

    dN/dy = (4/3 - 4/3 y + y^2) / y,   whose mean loss is E per radiation length.

Photons above 10 MeV are followed (the rest, 0.1 to 1 % of the loss, stays with the electron).
They leave in the electron's direction from places drawn like those of other interactions, carry
the electron's `origin`, and do not convert. The track goes on: `successor` links its parts, the
last of which showers; what the fit sees of it is `fitted_pt`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.core.helix import MIN_PT
from partflow.simulate.flights import FLIGHT, NO_END, NO_SUCCESSOR, Species
from partflow.simulate.material import (
    ELECTRON_MASS,
    MAX_SECANT,
    add_secondary,
    end_of,
    in_material,
    place_in_material,
)

MIN_PHOTON = 0.01
"""Energy from which on photons are followed [GeV]."""
_MIN_ELECTRON = 0.1  # GeV, before and after


@njit(cache=True, error_model="numpy")
def photons_per_radiation_length(smallest):
    """Mean number of photons with an energy fraction above `smallest`."""
    return -4.0 / 3.0 * (math.log(smallest) + 1.0 - smallest) + 0.5 * (1.0 - smallest**2)


@njit(cache=True, error_model="numpy")
def energy_fraction(rng, smallest):
    """A photon's energy over the electron's, above `smallest`."""
    while True:
        y = smallest ** rng.random()
        if rng.random() < 1.0 - y + 0.75 * y * y:
            return y


@njit(cache=True, error_model="numpy")
def radiate(rng, particles, geometry, radiation_lengths):
    """The flights of one event, followed by photons and the parts of tracks behind them."""
    numbers = np.zeros(len(particles), dtype=np.int64)
    for i in range(len(particles)):
        flight = particles[i]
        pt = math.hypot(flight.px, flight.py)
        if flight.species != Species.ELECTRON or flight.end < NO_END:
            continue
        if pt < MIN_PT or flight.energy < _MIN_ELECTRON:
            continue
        thickness = radiation_lengths * min(math.hypot(pt, flight.pz) / pt, MAX_SECANT)
        mean = thickness * photons_per_radiation_length(MIN_PHOTON / flight.energy)
        numbers[i] = rng.poisson(mean)
    flights = np.empty(len(particles) + 2 * numbers.sum(), dtype=FLIGHT)
    for i in range(len(particles)):
        flights[i] = particles[i]
    count = len(particles)
    for i in range(len(particles)):
        if numbers[i] > 0:
            count = _radiate_one(rng, flights, count, i, geometry, numbers[i])
    return flights[:count]


@njit(cache=True, error_model="numpy")
def _radiate_one(rng, flights, count, electron, geometry, number):
    """Append photons and the further parts of one electron; the new count."""
    places = np.empty(number)
    for k in range(number):
        place = place_in_material(rng, geometry)
        j = k
        while j > 0 and places[j - 1] > place:  # few: numba's own sort takes half a second
            places[j] = places[j - 1]
            j -= 1
        places[j] = place
    smallest = MIN_PHOTON / flights[electron].energy
    start = math.hypot(flights[electron].x, flights[electron].y)
    part = electron
    for place in places:
        path = place - start
        energy = flights[part].energy
        radiated = energy * energy_fraction(rng, smallest)
        if path <= 0.0 or energy - radiated < _MIN_ELECTRON:
            continue
        if not in_material(geometry, flights[part], path):
            continue
        flights[part].end = path
        x, y, z, dx, dy, dz = end_of(flights, part, geometry.bending)
        count = add_secondary(
            flights, count, part, x, y, z, dx, dy, dz, radiated, 0.0, 0, Species.PHOTON
        )
        flights[part].successor = count
        count = add_secondary(
            flights, count, part, x, y, z, dx, dy, dz,
            energy - radiated, ELECTRON_MASS, flights[part].charge, Species.ELECTRON,
        )  # fmt: skip
        flights[count - 1].is_continuation = True
        part = count - 1
        start = place
    return count


@njit(cache=True, error_model="numpy")
def fitted_pt(flights, electron, last_layer, geometry):
    """Transverse momentum [GeV] that a fit finds for a track that radiates.

    A parabola fitted to measurements evenly spaced over u = 0..1 has the curvature
    int 30 u^2 (1-u)^2 kappa(u) du: what is lost at u counts with 1 - u^3 (10 - 15 u + 6 u^2).
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
