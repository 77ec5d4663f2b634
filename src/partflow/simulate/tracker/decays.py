"""Decays in flight: charged pions and kaons that decay in front of the calorimeter.

Lifetimes are those of the Particle Data Group. Pions decay to mu nu; kaons to mu nu, pi pi0,
pi pi pi, pi0 e nu, pi0 mu nu, pi pi0 pi0 (branching fractions: PDG 2024). Two-body decays are
exact. Three-body decays conserve energy and momentum, but the mass of the second and third
daughter is uniform between its limits instead of following the matrix element. Decays behind the
face of the calorimeter and decays of secondaries are left out, and so are those of muons (of
1 GeV, 1 in 3000 within 2 m) and of neutral kaons.
"""

from __future__ import annotations

import math
from enum import IntEnum
from functools import cache

import numpy as np
from numba import njit
from particle import Particle

from partflow.core.helix import MIN_PT, path_to_cylinder
from partflow.core.particles import ELECTRON_MASS, MUON_MASS, PION0_MASS, PION_MASS
from partflow.core.records import Array
from partflow.simulate.directions import Ray, circle_point
from partflow.simulate.tracker.flights import FLIGHT, Decay, Species, add_secondary, end_of


class Product(IntEnum):
    """Daughters of a decay."""

    NOTHING, NEUTRINO, PHOTON, PION0, PION, MUON, ELECTRON = range(7)


_MASS = np.array([0.0, 0.0, 0.0, PION0_MASS, PION_MASS, MUON_MASS, ELECTRON_MASS])  # by Product
_SPECIES = np.array(
    [
        Species.INVISIBLE, Species.INVISIBLE, Species.PHOTON, Species.INVISIBLE,
        Species.MESON, Species.MUON, Species.ELECTRON,
    ]
)  # fmt: skip

_KAON_MODES = np.array(
    [
        [Product.MUON, Product.NEUTRINO, Product.NOTHING],
        [Product.PION, Product.PION0, Product.NOTHING],
        [Product.PION, Product.PION, Product.PION],
        [Product.ELECTRON, Product.PION0, Product.NEUTRINO],
        [Product.MUON, Product.PION0, Product.NEUTRINO],
        [Product.PION, Product.PION0, Product.PION0],
    ]
)
"""[mode, daughter]: the first has the kaon's charge, the last of three pions the opposite one."""
_KAON_FRACTIONS = np.array([0.6356, 0.2067, 0.05583, 0.0507, 0.03352, 0.01760])
_KAON_CUMULATIVE = np.cumsum(_KAON_FRACTIONS) / _KAON_FRACTIONS.sum()
_PION_MODE = np.array([Product.MUON, Product.NEUTRINO, Product.NOTHING])
_MAX_DAUGHTERS = 5  # one charged and two neutral pions


@cache
def decay_lengths() -> Array:
    """Proper decay lengths c tau [mm], [Decay]; infinite for what does not decay."""
    lengths = np.full(len(Decay), np.inf)
    for kind, pdg_id in ((Decay.PION, 211), (Decay.KAON, 321)):
        lengths[kind] = Particle.from_pdgid(pdg_id).ctau
    return lengths


@njit(cache=True, error_model="numpy")
def end_by_decay(rng, particles, geometry, lengths):
    """A copy of the flights in which those that decay in the tracker end there.

    The `decay` of all others becomes NONE.
    """
    flights = particles.copy()
    for i in range(len(flights)):
        flight = flights[i]
        if flight.decay == Decay.NONE:
            continue
        pt = math.hypot(flight.px, flight.py)
        # the mean path is c tau p/m; the mean transverse path has pt instead of p
        path = rng.standard_exponential() * lengths[flight.decay] * pt / flight.mass
        if pt > MIN_PT and _is_in_tracker(geometry, flight, path):
            flight.end = path
        else:
            flight.decay = Decay.NONE
    return flights


@njit(cache=True, error_model="numpy")
def _is_in_tracker(geometry, flight, path):
    """Whether a flight has not reached the calorimeter after the transverse `path` [mm]."""
    if math.hypot(flight.x, flight.y) >= geometry.barrel_r or path > geometry.max_path:
        return False
    to_barrel = path_to_cylinder(
        geometry.bending,
        flight.x, flight.y, flight.px, flight.py, flight.charge, geometry.barrel_r,
    )  # fmt: skip
    z = flight.z + path * flight.pz / math.hypot(flight.px, flight.py)
    return path < to_barrel and abs(z) < geometry.endcap_z


@njit(cache=True, error_model="numpy")
def decay(rng, particles, bending):
    """The flights of `end_by_decay`, followed by the daughters of those that decay."""
    num_decays = 0
    for i in range(len(particles)):
        num_decays += particles[i].decay != Decay.NONE
    flights = np.empty(len(particles) + _MAX_DAUGHTERS * num_decays, dtype=FLIGHT)
    count = len(particles)
    for i in range(len(particles)):
        flights[i] = particles[i]
        if particles[i].decay == Decay.NONE:
            continue
        mode = _PION_MODE
        if particles[i].decay == Decay.KAON:
            mode = _KAON_MODES[np.searchsorted(_KAON_CUMULATIVE, rng.random(), side="right")]
        count = _decay_one(rng, flights, count, i, bending, mode)
    return flights[:count]


@njit(cache=True, error_model="numpy")
def _decay_one(rng, flights, count, parent, bending, mode):
    """Append the daughters of one particle; returns the new count."""
    end = end_of(flights, parent, bending)
    flight = flights[parent]
    mass, charge = flight.mass, flight.charge
    momentum = math.sqrt(flight.px**2 + flight.py**2 + flight.pz**2)
    energy = math.hypot(momentum, mass)
    four_momentum = (momentum * end.dx, momentum * end.dy, momentum * end.dz, energy)
    first, second, third = mode[0], mode[1], mode[2]
    lightest = _MASS[second] + _MASS[third]
    pair_mass = lightest
    if third != Product.NOTHING:
        pair_mass += (mass - _MASS[first] - lightest) * rng.random()
    of_first, of_pair = two_body(rng, four_momentum, mass, _MASS[first], pair_mass)
    count = _add_product(rng, flights, count, parent, end, first, of_first, charge)
    if third == Product.NOTHING:
        return _add_product(rng, flights, count, parent, end, second, of_pair, charge)
    of_second, of_third = two_body(rng, of_pair, pair_mass, _MASS[second], _MASS[third])
    count = _add_product(rng, flights, count, parent, end, second, of_second, charge)
    return _add_product(rng, flights, count, parent, end, third, of_third, -charge)


@njit(cache=True, error_model="numpy")
def two_body(rng, four_momentum, mass, first_mass, second_mass):
    """Four-momenta (px, py, pz, energy) of two daughters, isotropic in the rest frame."""
    px, py, pz, energy = four_momentum
    rest_energy = (mass**2 + first_mass**2 - second_mass**2) / (2.0 * mass)
    rest_momentum = math.sqrt(max(rest_energy**2 - first_mass**2, 0.0))
    cosine = 2.0 * rng.random() - 1.0
    a, b = circle_point(rng)
    across = rest_momentum * math.sqrt(1.0 - cosine * cosine)
    qx, qy, qz = across * a, across * b, rest_momentum * cosine
    # Boost with p/E: E' = (E e + p.q)/m, q' = q + p (e + E')/(E + m)
    first_energy = (energy * rest_energy + px * qx + py * qy + pz * qz) / mass
    along = (rest_energy + first_energy) / (energy + mass)
    qx, qy, qz = qx + along * px, qy + along * py, qz + along * pz
    return (qx, qy, qz, first_energy), (px - qx, py - qy, pz - qz, energy - first_energy)


@njit(cache=True, error_model="numpy")
def _add_product(rng, flights, count, parent, end, product, four_momentum, charge):
    """Append a daughter, or the two photons of a pi0, or nothing; returns the new count."""
    if product == Product.NEUTRINO or product == Product.NOTHING:
        return count
    if product == Product.PION0:
        for photon in two_body(rng, four_momentum, PION0_MASS, 0.0, 0.0):
            count = _add_daughter(flights, count, parent, end, np.int64(Product.PHOTON), photon, 0)
        return count
    return _add_daughter(flights, count, parent, end, product, four_momentum, charge)


@njit(cache=True, error_model="numpy")
def _add_daughter(flights, count, parent, end, product, four_momentum, charge):
    """Append a daughter with a four-momentum, made at the point of the Ray `end`."""
    px, py, pz, energy = four_momentum
    size = math.sqrt(px * px + py * py + pz * pz)
    ray = Ray(end.x, end.y, end.z, px / size, py / size, pz / size)
    species = _SPECIES[product]
    return add_secondary(flights, count, parent, ray, energy, _MASS[product], charge, species)
