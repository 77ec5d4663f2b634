"""Input of the simulation's tests: particles given by hand, particle guns, random mixtures."""

import numpy as np
import pytest

from partflow.core.particles import charges, masses
from partflow.core.records import Collection, concatenate
from partflow.core.schemas import PARTICLES

Row = tuple[int, tuple[float, float, float], tuple[float, float, float]]


def _event_of(*rows: Row) -> Collection:
    """One event of particles given as (pdg_id, momentum, vertex)."""
    pdg_id = np.array([row[0] for row in rows], dtype=np.int64)
    momentum = np.array([row[1] for row in rows], dtype=np.float64).reshape(-1, 3)
    vertex = np.array([row[2] for row in rows], dtype=np.float64).reshape(-1, 3)
    mass = masses(pdg_id) if rows else np.empty(0)
    columns = {
        "pdg_id": pdg_id,
        "charge": charges(pdg_id) if rows else np.empty(0),
        "px": momentum[:, 0],
        "py": momentum[:, 1],
        "pz": momentum[:, 2],
        "energy": np.sqrt((momentum**2).sum(axis=1) + mass**2),
        "mass": mass,
        "vx": vertex[:, 0],
        "vy": vertex[:, 1],
        "vz": vertex[:, 2],
    }
    return Collection(PARTICLES, np.array([0, len(rows)]), columns)


def _gun(
    pdg_id: int,
    energy: float,
    num: int,
    cos_theta: tuple[float, float] = (-0.7, 0.7),
    seed: int = 1,
) -> Collection:
    """`num` events of one particle from the origin."""
    rng = np.random.default_rng(seed)
    mass = masses(np.array([pdg_id]))[0]
    momentum = np.sqrt(energy**2 - mass**2)
    cosine, phi = rng.uniform(*cos_theta, num), rng.uniform(0, 2 * np.pi, num)
    sine = np.sqrt(1 - cosine**2)
    zeros = np.zeros(num)
    columns = {
        "pdg_id": np.full(num, pdg_id),
        "charge": charges(np.full(num, pdg_id)),
        "px": momentum * sine * np.cos(phi),
        "py": momentum * sine * np.sin(phi),
        "pz": momentum * cosine,
        "energy": np.full(num, energy),
        "mass": np.full(num, mass),
        "vx": zeros,
        "vy": zeros,
        "vz": zeros,
    }
    return Collection(PARTICLES, np.arange(num + 1), columns)


def _jumble(num_events: int, num_particles: int, seed: int = 1) -> Collection:
    """Events of random particles: momenta 0.2 to 20 GeV, any direction, a fifth displaced."""
    rng = np.random.default_rng(seed)
    kinds = np.array([22, 11, -11, 13, -13, 211, -211, 321, 130, 2112, -2112, 2212, 12, 3112])
    events = []
    for _ in range(num_events):
        size = np.exp(rng.uniform(np.log(0.2), np.log(20), num_particles))
        direction = rng.normal(size=(num_particles, 3))
        direction /= np.linalg.norm(direction, axis=1)[:, None]
        far = rng.random(num_particles) < 0.2
        vertex = rng.uniform(-400, 400, (num_particles, 3)) * far[:, None]
        rows = zip(
            rng.choice(kinds, num_particles).tolist(),
            (direction * size[:, None]).tolist(),
            vertex.tolist(),
            strict=True,
        )
        events.append(_event_of(*rows))
    return concatenate(events)


@pytest.fixture
def event_of():
    return _event_of


@pytest.fixture
def gun():
    return _gun


@pytest.fixture
def jumble():
    return _jumble
