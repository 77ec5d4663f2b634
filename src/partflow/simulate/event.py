"""One event, from its particles to tracks and energy sums per (cell, particle)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.detector import FACE_NONE, Detector
from partflow.core.records import Array
from partflow.simulate.bremsstrahlung import radiate
from partflow.simulate.cells import CellGrid, cell_grid
from partflow.simulate.config import Cascade, SimulationConfig
from partflow.simulate.decays import decay, decay_lengths, end_by_decay
from partflow.simulate.electromagnetic import Matter, calorimeter_matter, electromagnetic_shower
from partflow.simulate.flights import NO_END, Species, available_energy, face_of
from partflow.simulate.hadronic import NEVER, hadronic_shower
from partflow.simulate.hits import accumulate
from partflow.simulate.material import interact
from partflow.simulate.path_length import Material, tracker_material
from partflow.simulate.tracker import TrackerConstants, find_tracks, tracker_constants

_INTO_THE_FACE = 0.01  # mm; so that rounding does not leave a particle in front of the calorimeter


class Setup(NamedTuple):
    """Detector and settings, as the event kernel takes them."""

    matter: Matter
    grid: CellGrid
    tracker: TrackerConstants
    material: Material
    cascade: Cascade


def event_setup(detector: Detector, config: SimulationConfig) -> Setup:
    """Everything the event kernel needs to know."""
    return Setup(
        matter=calorimeter_matter(detector, config.max_shower_spots),
        grid=cell_grid(detector),
        tracker=tracker_constants(detector, config),
        material=tracker_material(detector),
        cascade=config.cascade(),
    )


def cross_tracker(
    rng: np.random.Generator, particles: Array, setup: Setup, config: SimulationConfig
) -> Array:
    """The flights of one event after what befalls them in the tracker, secondaries behind.

    Apart from the kernel of the event, so that an effect that is off is not compiled.
    """
    flights = particles
    geometry = setup.matter.geometry
    if config.decays_in_flight:
        flights = end_by_decay(rng, flights, geometry, decay_lengths())
    if config.tracker_material:
        flights = interact(rng, flights, geometry, setup.material)
    if config.decays_in_flight:
        flights = decay(rng, flights, geometry.bending)
    if config.bremsstrahlung:
        flights = radiate(rng, flights, geometry, setup.material)
    return flights


@njit(cache=True, error_model="numpy")
def simulate_event(rng, flights, setup, spots, stack, slots, used, counts):
    """(tracks, number of contributions in `slots`, whether there was room enough).

    `counts` [flight] becomes the number of contributions after each flight. The last five
    arguments are work space. If it was too small the event is to be repeated with more of it
    and a fresh random generator: the result does not depend on its size.
    """
    geometry = setup.matter.geometry
    tracks = find_tracks(rng, flights, geometry, setup.tracker)
    count = np.int64(0)  # for a literal 0, numba would compile what it is passed to once more
    for i in range(len(flights)):
        num_spots, had_room = _shower(rng, flights[i], setup, spots, stack)
        if not had_room or num_spots > len(spots):
            return tracks, count, False
        count = accumulate(slots, used, count, spots, num_spots, setup.grid, flights[i].origin)
        if count > len(used):
            return tracks, count, False
        counts[i] = count
    return tracks, count, True


@njit(cache=True, error_model="numpy")
def _shower(rng, flight, setup, spots, stack):
    """Spots of one flight in the calorimeter: (number, whether `stack` sufficed)."""
    if flight.species == Species.INVISIBLE or flight.end < NO_END:
        return 0, True
    face, x, y, z, px, py, pz = face_of(flight, setup.matter.geometry)
    if face == FACE_NONE:
        return 0, True
    momentum = math.sqrt(px * px + py * py + pz * pz)
    dx, dy, dz = px / momentum, py / momentum, pz / momentum
    x += dx * _INTO_THE_FACE
    y += dy * _INTO_THE_FACE
    z += dz * _INTO_THE_FACE
    if flight.species == Species.PHOTON or flight.species == Species.ELECTRON:
        count = electromagnetic_shower(
            rng, spots, np.int64(0), setup.matter,
            x, y, z, dx, dy, dz, flight.energy, flight.species == Species.PHOTON,
        )  # fmt: skip
        return count, True
    if flight.species == Species.MUON:
        energy, path_factor = flight.energy - flight.mass, NEVER
    else:
        energy = available_energy(flight)
        path_factor = setup.cascade.meson_path_factor if flight.species == Species.MESON else 1.0
    if energy <= 0.0:
        return 0, True
    return hadronic_shower(
        rng, spots, np.int64(0), stack, setup.matter, setup.cascade,
        x, y, z, dx, dy, dz, energy, flight.charge, path_factor,
    )  # fmt: skip
