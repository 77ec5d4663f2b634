"""Interactions in the tracker's material: photon conversions and nuclear interactions.

Where a path interacts is drawn in `tracker_material`. The amount of material is the detector's,
the multiplicities of the secondaries are choices of ours. Secondaries neither interact again nor
decay. Energy and charge are conserved: what the secondaries do not carry stays in the nucleus.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.core.helix import MIN_PT
from partflow.core.particles import ELECTRON_MASS, KAON0_MASS, PION_MASS
from partflow.simulate.directions import Ray, tilted
from partflow.simulate.tracker.flights import (
    FLIGHT,
    NO_END,
    Decay,
    Species,
    add_secondary,
    available_energy,
    end_of,
)
from partflow.simulate.tracker.tracker_material import path_after

_PAIR_FACTOR = 7.0 / 9.0  # pair production per radiation length
_MIN_MOMENTUM = 0.2  # GeV
_PAIR_SHARE_MIN = 0.02
_MIN_PAIR_ENERGY = 0.002  # GeV
_HADRONIC_SHARE = 0.92
_MULTIPLICITY_SLOPE = 1.2
_MAX_SECONDARIES = 40
_MIN_SECONDARY = 0.15  # GeV, total energy; lower energies stay in the nucleus
_MIN_KINETIC = 0.01  # GeV
_TRANSVERSE_MOMENTUM = 0.35  # GeV
_MAX_SINE = 0.95
_NEUTRAL_PION, _NEUTRAL_HADRON = 0.28, 0.14


@njit(cache=True, error_model="numpy")
def interact(rng, particles, geometry, material):
    """The flights of one event, followed by the secondaries made in the tracker's material.

    A particle that interacts ends there (`end`) and does not decay; its secondaries start there
    and carry its `origin`. The input is not changed.
    """
    num_particles = len(particles)
    ends = np.full(num_particles, NO_END)
    num_interacting = 0
    for i in range(num_particles):
        path = _interaction_path(rng, particles[i], geometry, material)
        if path < particles[i].end:
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
def _interaction_path(rng, flight, geometry, material):
    """Transverse path [mm] to an interaction, or NO_END."""
    pt = math.hypot(flight.px, flight.py)
    if pt < MIN_PT or math.hypot(pt, flight.pz) < _MIN_MOMENTUM:
        return NO_END
    if flight.species == Species.PHOTON:
        mean_number = _PAIR_FACTOR * material.radiation_lengths
    elif flight.species >= Species.MESON:
        mean_number = material.interaction_lengths
    else:
        return NO_END
    if mean_number == 0.0:
        return NO_END
    return path_after(rng.standard_exponential() / mean_number, flight, geometry, material)


@njit(cache=True, error_model="numpy")
def _convert(rng, flights, count, parent, bending):
    """Convert a photon to an electron and a positron in its direction; returns the new count."""
    ray = end_of(flights, parent, bending)
    share = _PAIR_SHARE_MIN + (1.0 - 2.0 * _PAIR_SHARE_MIN) * rng.random()
    for charge in (-1, 1):
        energy = flights[parent].energy * (share if charge < 0 else 1.0 - share)
        if energy > _MIN_PAIR_ENERGY:
            count = add_secondary(
                flights, count, parent, ray, energy, ELECTRON_MASS, charge, Species.ELECTRON
            )
    return count


@njit(cache=True, error_model="numpy")
def _break_up(rng, flights, count, parent, bending):
    """Break up a hadron to pions, photons (for neutral pions) and neutral hadrons; the new count.

    The charges of the secondaries sum to the hadron's, if there are any secondaries.
    """
    energies = _energies(rng, flights[parent])
    charged = rng.random(len(energies)) >= _NEUTRAL_PION + _NEUTRAL_HADRON
    charges = _charges(rng, charged, flights[parent].charge)
    ray = end_of(flights, parent, bending)
    for k in range(len(energies)):
        pt = _TRANSVERSE_MOMENTUM * math.sqrt(rng.standard_exponential())
        sine = min(pt / energies[k], _MAX_SINE)
        dx, dy, dz = tilted(rng, ray.dx, ray.dy, ray.dz, math.sqrt(1.0 - sine * sine))
        mass, species = PION_MASS, Species.MESON
        if charges[k] == 0:
            is_hadron = rng.random() * (_NEUTRAL_PION + _NEUTRAL_HADRON) < _NEUTRAL_HADRON
            if is_hadron and energies[k] > KAON0_MASS + _MIN_KINETIC:
                mass = KAON0_MASS
            else:
                mass, species = 0.0, Species.PHOTON
        direction = Ray(ray.x, ray.y, ray.z, dx, dy, dz)
        count = add_secondary(
            flights, count, parent, direction, energies[k], mass, charges[k], species
        )
    return count


@njit(cache=True, error_model="numpy")
def _energies(rng, flight):
    """Total energies [GeV] of the secondaries of a hadron, in sum below `available_energy`."""
    number = 2 + rng.poisson(_MULTIPLICITY_SLOPE * math.log(1.0 + flight.energy))
    weights = np.empty(min(number, _MAX_SECONDARIES))
    for k in range(len(weights)):
        weights[k] = rng.standard_exponential() ** 1.4
    weights *= _HADRONIC_SHARE * available_energy(flight) / weights.sum()
    return weights[weights >= _MIN_SECONDARY]


@njit(cache=True, error_model="numpy")
def _charges(rng, charged, total):
    """Charges [secondary] that sum to `total`: +-1 for those `charged`, 0 for the others.

    Where that is impossible, the last secondaries are made charged or neutral until it is possible.
    """
    charges = np.zeros(len(charged), dtype=np.int64)
    if len(charged) == 0:
        return charges
    number, missing = charged.sum(), abs(total)
    for k in range(len(charged) - 1, -1, -1):
        if number < missing and not charged[k]:
            charged[k] = True
            number += 1
    for k in range(len(charged) - 1, -1, -1):
        if (number - missing) % 2 == 0:
            break
        number += -1 if charged[k] else 1
        charged[k] = not charged[k]
    num_positive = (number + total) // 2
    left = number
    for k in range(len(charged)):
        if charged[k]:
            # drawn without replacement: all orders of the signs are equally likely
            positive = rng.random() * left < num_positive
            charges[k] = 1 if positive else -1
            num_positive -= positive
            left -= 1
    return charges
