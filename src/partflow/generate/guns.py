"""Particle guns: events with a single particle."""

from __future__ import annotations

import numpy as np

from partflow.core.errors import ConfigError
from partflow.core.particles import charges, masses
from partflow.core.records import Collection
from partflow.core.schemas import PARTICLES
from partflow.generate.config import GenerationConfig


def gun_particles(config: GenerationConfig) -> Collection:
    """One particle from the origin in each of `config.num_events` events.

    Raises ConfigError for an energy below the particle's mass.
    """
    gun, num_events = config.gun, config.num_events
    rng = np.random.default_rng(config.seed)
    pdg_id = np.full(num_events, gun.pdg_id)
    mass = masses(np.array([gun.pdg_id]))[0]
    low, high = np.log(gun.energy)
    # One row of random numbers per event: an event does not depend on the number of events.
    energy_draw, angle_draw, phi_draw = rng.random((num_events, 3)).T
    energy = np.exp(low + (high - low) * energy_draw)
    if np.any(energy < mass):
        raise ConfigError(
            f"gun energy from {gun.energy[0]} GeV is below the mass of {gun.pdg_id} "
            f"({mass:.4g} GeV); raise the lowest energy"
        )
    first, last = gun.cos_theta
    cos_theta = first + (last - first) * angle_draw
    sin_theta, phi = np.sqrt(1 - cos_theta**2), 2 * np.pi * phi_draw
    momentum = np.sqrt(energy**2 - mass**2)
    origin = np.zeros(num_events)
    columns = {
        "pdg_id": pdg_id,
        "charge": charges(pdg_id),
        "px": momentum * sin_theta * np.cos(phi),
        "py": momentum * sin_theta * np.sin(phi),
        "pz": momentum * cos_theta,
        "energy": energy,
        "mass": np.full(num_events, mass),
        "vx": origin,
        "vy": origin,
        "vz": origin,
    }
    return Collection(PARTICLES, np.arange(num_events + 1), columns)
