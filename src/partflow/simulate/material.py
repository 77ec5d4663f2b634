"""Interactions in the tracker's material: photon conversions and nuclear interactions.

The material is not placed in layers: a particle that interacts does so at a random transverse
path, 30 % of them in beam pipe and vertex detector, the rest in the outer tracker, taken to be
that of CLICdet, or smaller. That and the multiplicities are choices of ours; the amount of
material is the detector's. Secondaries neither interact again nor decay.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.core.helix import MIN_PT, advance
from partflow.core.particles import KAON0_MASS, PION_MASS
from partflow.simulate.flights import (
    FLIGHT,
    NO_END,
    NO_SUCCESSOR,
    Decay,
    Species,
    available_energy,
    time_after,
)
from partflow.simulate.frame import tilted

ELECTRON_MASS = 0.00051099895  # GeV
MAX_SECANT = 3.0
"""Cap on 1/sin(theta), the factor by which slanted tracks see more material."""
_PAIR_FACTOR = 7.0 / 9.0  # pair production per radiation length
_INNER_SHARE, _INNER, _MIDDLE = 0.3, 28.0, 120.0  # mm
_MAX_Z = 2250.0  # mm
_TO_FACE = 50.0  # mm, from the last material to the calorimeter
_MIN_MOMENTUM = 0.2  # GeV
_PAIR_SHARE_MIN = 0.02
_MIN_PAIR_ENERGY = 0.002  # GeV
_HADRONIC_SHARE = 0.92
_MULTIPLICITY_SLOPE = 1.2
_MAX_SECONDARIES = 40
_MIN_SECONDARY = 0.15  # GeV
_TRANSVERSE_MOMENTUM = 0.35  # GeV
_MAX_SINE = 0.95
_NEUTRAL_PION, _NEUTRAL_HADRON = 0.28, 0.14


@njit(cache=True, error_model="numpy")
def interact(rng, particles, geometry, radiation_lengths, interaction_lengths):
    """The flights of one event, followed by the secondaries made in the tracker's material.

    A particle that interacts ends there (`end`) and does not decay, its secondaries start there
    and carry its `origin`. The input is left as it is.
    """
    num_particles = len(particles)
    ends = np.full(num_particles, NO_END)
    num_interacting = 0
    for i in range(num_particles):
        flight = particles[i]
        path = _interaction_path(rng, flight, geometry, radiation_lengths, interaction_lengths)
        if path < flight.end and in_material(geometry, flight, path):
            ends[i] = path
            num_interacting += 1
    flights = np.empty(num_particles + _MAX_SECONDARIES * num_interacting, dtype=FLIGHT)
    count = num_particles
    for i in range(num_particles):
        flights[i] = particles[i]
        if ends[i] == NO_END:
            continue
        flights[i].end = ends[i]
        flights[i].decay = Decay.NONE
        if particles[i].species == Species.PHOTON:
            count = _convert(rng, flights, count, i, geometry.bending)
        else:
            count = _break_up(rng, flights, count, i, geometry.bending)
    return flights[:count]


@njit(cache=True, error_model="numpy")
def _interaction_path(rng, flight, geometry, radiation_lengths, interaction_lengths):
    """Transverse path [mm] to an interaction, or NO_END."""
    pt = math.hypot(flight.px, flight.py)
    momentum = math.hypot(pt, flight.pz)
    if pt < MIN_PT or momentum < _MIN_MOMENTUM:
        return NO_END
    if flight.species == Species.PHOTON:
        thickness = _PAIR_FACTOR * radiation_lengths
    elif flight.species >= Species.MESON:
        thickness = interaction_lengths
    else:
        return NO_END
    if rng.random() < math.exp(-thickness * min(momentum / pt, MAX_SECANT)):
        return NO_END
    return place_in_material(rng, geometry)


@njit(cache=True, error_model="numpy")
def place_in_material(rng, geometry):
    """A random transverse path [mm] from the beam to material: pipe and vertex detector, or
    anywhere behind.
    """
    if rng.random() < _INNER_SHARE:
        return _INNER + (_MIDDLE - _INNER) * rng.random()
    return _MIDDLE + (geometry.barrel_r - _TO_FACE - _MIDDLE) * rng.random()


@njit(cache=True, error_model="numpy")
def in_material(geometry, flight, path):
    """Whether a flight is in the tracker after the transverse `path` [mm]."""
    x, y, z, _, _ = advance(
        geometry.bending,
        flight.x, flight.y, flight.z,
        flight.px, flight.py, flight.pz,
        flight.charge, path,
    )  # fmt: skip
    return math.hypot(x, y) < geometry.barrel_r - _TO_FACE and abs(z) < min(
        _MAX_Z, geometry.endcap_z - _TO_FACE
    )


@njit(cache=True, error_model="numpy")
def end_of(flights, i, bending):
    """Position and unit direction (x, y, z, dx, dy, dz) where flight `i` ends."""
    flight = flights[i]
    x, y, z, px, py = advance(
        bending,
        flight.x, flight.y, flight.z,
        flight.px, flight.py, flight.pz,
        flight.charge, flight.end,
    )  # fmt: skip
    momentum = math.sqrt(px * px + py * py + flight.pz * flight.pz)
    return x, y, z, px / momentum, py / momentum, flight.pz / momentum


@njit(cache=True, error_model="numpy")
def add_secondary(flights, count, parent, x, y, z, dx, dy, dz, energy, mass, charge, species):
    """Append a secondary, made where `parent` ends; returns the new count."""
    momentum = math.sqrt(max(energy * energy - mass * mass, 1e-8))
    flight = flights[count]
    flight.px, flight.py, flight.pz = momentum * dx, momentum * dy, momentum * dz
    flight.energy, flight.mass = energy, mass
    flight.x, flight.y, flight.z = x, y, z
    flight.end = NO_END
    flight.origin = flights[parent].origin
    flight.charge = charge
    flight.species = species
    flight.is_primary = 0
    flight.decay = Decay.NONE
    flight.successor = NO_SUCCESSOR
    flight.is_continuation = False
    flight.time = time_after(flights[parent], flights[parent].end)
    return count + 1


@njit(cache=True, error_model="numpy")
def _convert(rng, flights, count, parent, bending):
    """Photon to electron and positron in the photon's direction."""
    x, y, z, dx, dy, dz = end_of(flights, parent, bending)
    share = _PAIR_SHARE_MIN + (1.0 - 2.0 * _PAIR_SHARE_MIN) * rng.random()
    for charge in (-1, 1):
        energy = flights[parent].energy * (share if charge < 0 else 1.0 - share)
        if energy > _MIN_PAIR_ENERGY:
            count = add_secondary(
                flights, count, parent, x, y, z, dx, dy, dz,
                energy, ELECTRON_MASS, charge, Species.ELECTRON,
            )  # fmt: skip
    return count


@njit(cache=True, error_model="numpy")
def _break_up(rng, flights, count, parent, bending):
    """Hadron to a few pions, photons (for neutral pions) and neutral hadrons."""
    x, y, z, dx, dy, dz = end_of(flights, parent, bending)
    energy = flights[parent].energy
    shared = _HADRONIC_SHARE * available_energy(flights[parent])
    number = min(2 + rng.poisson(_MULTIPLICITY_SLOPE * math.log(1.0 + energy)), _MAX_SECONDARIES)
    weights = np.empty(number)
    for k in range(number):
        weights[k] = rng.standard_exponential() ** 1.4
    weights *= shared / weights.sum()
    for k in range(number):
        part = weights[k]
        if part < _MIN_SECONDARY:
            continue
        pt = _TRANSVERSE_MOMENTUM * math.sqrt(rng.standard_exponential())
        sine = min(pt / part, _MAX_SINE)
        ex, ey, ez = tilted(rng, dx, dy, dz, math.sqrt(1.0 - sine * sine))
        kind = rng.random()
        if kind < _NEUTRAL_PION:
            mass, charge, species = 0.0, 0, Species.PHOTON
        elif kind < _NEUTRAL_PION + _NEUTRAL_HADRON:
            mass, charge, species = KAON0_MASS, 0, Species.MESON
        else:
            mass, charge, species = PION_MASS, 1 if rng.random() < 0.5 else -1, Species.MESON
        count = add_secondary(
            flights, count, parent, x, y, z, ex, ey, ez,
            max(part, mass + 0.01), mass, charge, species,
        )  # fmt: skip
    return count
