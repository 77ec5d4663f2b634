"""Flights: what the tracker and the calorimeters see of the particles of one event."""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np
from numba import njit

from partflow.core.helix import to_calorimeter
from partflow.core.particles import is_neutrino
from partflow.core.records import Array, Collection
from partflow.core.units import LIGHT_SPEED_MM_PER_NS


class Species(IntEnum):
    """How a particle behaves in matter."""

    INVISIBLE, PHOTON, ELECTRON, MUON, MESON, BARYON, ANTIBARYON = range(7)


class Decay(IntEnum):
    """How a particle decays in flight, if it does so before its flight ends."""

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
        ("species", "i8"),
        ("is_primary", "i1"),  # 0 for what was made in the tracker
        ("decay", "i8"),  # Decay
        ("successor", "i8"),  # row that goes on after an electron radiated, or NO_SUCCESSOR
        ("is_continuation", "b1"),  # a successor: part of the track of another row
        ("time", "f8"),  # ns after the signal's collision, where it starts
    ],
    align=True,
)
"""A generator particle or a secondary made in the tracker."""

NO_END = 1e30
NO_SUCCESSOR = -1


def flights_of(particles: Collection) -> Array:
    """Rows of FLIGHT, one per particle."""
    rows = np.zeros(len(particles), dtype=FLIGHT)
    for name in ("px", "py", "pz", "energy", "mass", "charge"):
        rows[name] = particles.columns[name]
    for name, vertex in (("x", "vx"), ("y", "vy"), ("z", "vz")):
        rows[name] = particles.columns[vertex]
    rows["end"] = NO_END
    rows["origin"] = np.arange(len(particles)) - np.repeat(particles.offsets[:-1], particles.counts)
    rows["species"] = species(particles.pdg_id)
    rows["is_primary"] = 1
    kind = np.abs(particles.pdg_id)
    rows["decay"] = np.select([kind == 211, kind == 321], [Decay.PION, Decay.KAON], Decay.NONE)
    rows["successor"] = NO_SUCCESSOR
    # Generators' times are not in the record; what was made apart from the collision was made
    # no earlier than light could be there.
    rows["time"] = np.sqrt(rows["x"] ** 2 + rows["y"] ** 2 + rows["z"] ** 2) / LIGHT_SPEED_MM_PER_NS
    rows["time"] += particles.collision_time
    return rows


def species(pdg_id: Array) -> Array:
    """Species of each PDG id; a hadron unless it is a photon, a lepton or a neutrino.

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
    """Energy [GeV] a hadron can leave in matter: its mass stays with a baryon, is released
    twice by an antibaryon, and half lost (to neutrinos) by a charged meson that stops.
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
    """Time [ns] of a flight after the transverse `path` [mm]; not for one along the beam."""
    pt = math.hypot(flight.px, flight.py)
    return flight.time + path * flight.energy / (pt * LIGHT_SPEED_MM_PER_NS)


@njit(cache=True, error_model="numpy")
def face_of(flight, geometry):
    """Where a flight enters the calorimeter, see `to_calorimeter`, if nothing ends it before."""
    return to_calorimeter(geometry, flight)
