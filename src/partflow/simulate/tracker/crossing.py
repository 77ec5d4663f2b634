"""Particles on their way to the calorimeter: all processes of the tracker, one after the other."""

from __future__ import annotations

import numpy as np

from partflow.core.detector import Geometry
from partflow.core.records import Array
from partflow.simulate.config import SimulationConfig
from partflow.simulate.tracker.bremsstrahlung import radiate
from partflow.simulate.tracker.decays import decay, decay_lengths, end_by_decay
from partflow.simulate.tracker.interactions import interact
from partflow.simulate.tracker.tracker_material import TrackerMaterial


def cross_tracker(
    rng: np.random.Generator,
    particles: Array,
    geometry: Geometry,
    material: TrackerMaterial,
    config: SimulationConfig,
) -> Array:
    """The flights of one event after decays and interactions in the tracker, secondaries last.

    This is not part of a kernel, so that effects that are off are not compiled.
    """
    flights = particles
    if config.decays_in_flight:
        flights = end_by_decay(rng, flights, geometry, decay_lengths())
    if config.tracker_material:
        flights = interact(rng, flights, geometry, material)
    if config.decays_in_flight:
        flights = decay(rng, flights, geometry.bending)
    if config.bremsstrahlung:
        flights = radiate(rng, flights, geometry, material)
    return flights
