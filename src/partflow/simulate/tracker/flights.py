"""Flights: the particles of one event, and the secondaries made in the tracker, as records."""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np
from numba import njit

from partflow.core.helix import advance, to_calorimeter
from partflow.core.particles import is_neutrino
from partflow.core.records import Array, Collection
from partflow.core.units import LIGHT_SPEED_MM_PER_NS
from partflow.simulate.directions import Ray


class Species(IntEnum):
    """Kinds of particles that behave differently in matter."""

    INVISIBLE, PHOTON, ELECTRON, MUON, MESON, BARYON, ANTIBARYON = range(7)


class Decay(IntEnum):
    """Particles that decay in flight; NONE for all others."""

    NONE, PION, KAON = range(3)


FLIGHT = np.dtype(
    [
        ("px", "f8"),  # GeV
        ("py", "f8"),
        ("pz", "f8"),
        ("energy", "f8"),
        ("mass", "f8"),
        ("x", "f8"),  # mm, where it starts
        ("y", "f8"),
        ("z", "f8"),
        ("end", "f8"),  # mm, transverse path after which it ends in the tracker; NO_END
        ("origin", "i4"),  # index in the event of the generator particle it descends from
        ("charge", "i8"),
        ("pdg_id", "i8"),
        ("species", "i8"),
        ("is_primary", "i1"),  # 0 for secondaries
        ("decay", "i8"),  # Decay
        ("successor", "i8"),  # row of the electron after it radiated, or NO_SUCCESSOR
        ("is_continuation", "b1"),  # the successor of another row, whose track it continues
        ("time", "f8"),  # ns after the signal's collision, where it starts
    ],
    align=True,
)
"""A generator particle or a secondary made in the tracker."""

NO_END = 1e30
"""The `end` of a flight that does not end in the tracker."""
NO_SUCCESSOR = -1
"""The `successor` of a flight that has none."""


def flights_of(particles: Collection) -> Array:
    """Rows of FLIGHT, one for each of the PARTICLES."""
    rows = np.zeros(len(particles), dtype=FLIGHT)
    for name in ("px", "py", "pz", "energy", "mass", "charge"):
        rows[name] = particles.columns[name]
    for name, vertex in (("x", "vx"), ("y", "vy"), ("z", "vz")):
        rows[name] = particles.columns[vertex]
    rows["end"] = NO_END
    rows["origin"] = np.arange(len(particles)) - np.repeat(particles.offsets[:-1], particles.counts)
    rows["pdg_id"] = particles.pdg_id
    rows["species"] = species(particles.pdg_id)
    rows["is_primary"] = 1
    kind = np.abs(particles.pdg_id)
    rows["decay"] = np.select([kind == 211, kind == 321], [Decay.PION, Decay.KAON], Decay.NONE)
    rows["successor"] = NO_SUCCESSOR
    # PARTICLES has no production time: take that at which light from the collision arrives.
    rows["time"] = np.sqrt(rows["x"] ** 2 + rows["y"] ** 2 + rows["z"] ** 2) / LIGHT_SPEED_MM_PER_NS
    rows["time"] += particles.collision_time
    return rows


def species(pdg_id: Array) -> Array:
    """Species of each PDG id: a hadron unless it is a photon, a lepton or a neutrino.

    >>> species(np.array([22, -11, 14, 130, -2112, 1000020040])).tolist()
    [1, 2, 0, 4, 6, 5]
    """
    kind = np.abs(pdg_id)
    baryon = np.where(np.asarray(pdg_id) > 0, Species.BARYON, Species.ANTIBARYON)
    return np.select(
        [is_neutrino(pdg_id), kind == 22, kind == 11, kind == 13, kind > 1000],
        [Species.INVISIBLE, Species.PHOTON, Species.ELECTRON, Species.MUON, baryon],
        Species.MESON,
    )


@njit(cache=True, error_model="numpy")
def available_energy(flight):
    """Energy [GeV] that a hadron can deposit.

    A baryon keeps its mass; an antibaryon releases it twice; a charged meson that stops loses half
    of it to neutrinos.
    """
    if flight.species == Species.BARYON:
        return max(flight.energy - flight.mass, 0.0)
    if flight.species == Species.ANTIBARYON:
        return flight.energy + flight.mass
    if flight.charge != 0:
        return flight.energy - 0.5 * flight.mass
    return flight.energy


@njit(cache=True, error_model="numpy")
def time_after(flight, path):
    """Time [ns] of a flight after the transverse `path` [mm]; not for flights along the beam."""
    pt = math.hypot(flight.px, flight.py)
    return flight.time + path * flight.energy / (pt * LIGHT_SPEED_MM_PER_NS)


@njit(cache=True, error_model="numpy")
def face_of(flight, geometry):
    """Where a flight that does not end in the tracker enters the calorimeter: `to_calorimeter`."""
    return to_calorimeter(geometry, flight)


@njit(cache=True, error_model="numpy")
def end_of(flights, i, bending):
    """The Ray on which flight `i` ends: its last point and direction."""
    flight = flights[i]
    x, y, z, px, py = advance(bending, flight, flight.end)
    momentum = math.sqrt(px * px + py * py + flight.pz * flight.pz)
    return Ray(x, y, z, px / momentum, py / momentum, flight.pz / momentum)


@njit(cache=True, error_model="numpy")
def _secondary_pdg_id(species, charge):
    """PDG id of a secondary: a photon, electron, muon, charged pion or K0L."""
    if species == Species.PHOTON:
        return 22
    if species == Species.ELECTRON:
        return -11 * charge
    if species == Species.MUON:
        return -13 * charge
    return 211 * charge if charge != 0 else 130


@njit(cache=True, error_model="numpy")
def add_secondary(flights, count, parent, ray, energy, mass, charge, species):
    """Append a secondary on a ray from where flight `parent` ends; returns the new count."""
    momentum = math.sqrt(max(energy * energy - mass * mass, 1e-8))
    flight = flights[count]
    flight.px, flight.py, flight.pz = momentum * ray.dx, momentum * ray.dy, momentum * ray.dz
    flight.energy, flight.mass = energy, mass
    flight.x, flight.y, flight.z = ray.x, ray.y, ray.z
    flight.end = NO_END
    flight.origin = flights[parent].origin
    flight.charge = charge
    flight.pdg_id = _secondary_pdg_id(species, charge)
    flight.species = species
    flight.is_primary = 0
    flight.decay = Decay.NONE
    flight.successor = NO_SUCCESSOR
    flight.is_continuation = False
    flight.time = time_after(flights[parent], flights[parent].end)
    return count + 1
