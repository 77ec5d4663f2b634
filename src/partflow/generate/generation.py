"""Generated events with their ids, chunk by chunk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from partflow.core.records import Array, Collection, Events
from partflow.generate.config import GenerationConfig
from partflow.generate.processes import GUN

CHUNK_SIZE = 500
"""Events in memory at a time."""


def generate(config: GenerationConfig, chunk_size: int = CHUNK_SIZE) -> Iterator[Events]:
    """Events with the collection `particles`, in chunks of at most `chunk_size` events.

    The events do not depend on the chunk size. Raises ConfigError where Pythia cannot make them.

    >>> (events,) = generate(GenerationConfig("gun", num_events=3, seed=5))
    >>> len(events), events.particles.pdg_id.tolist()
    (3, [22, 22, 22])
    """
    ids = event_ids(config)
    start = 0
    for particles in _particle_chunks(config, chunk_size):
        stop = start + particles.num_events
        process = np.full(particles.num_events, config.process, dtype=object)
        yield Events(ids[start:stop], process, {"particles": particles})
        start = stop


def event_ids(config: GenerationConfig) -> Array:
    """The id of each event, [event]: 63 bits from the configuration and the event's number.

    It depends neither on the number of events nor on the detector that they are made for. All later
    stages seed their random numbers with it.
    """
    ignored = ("num_events", "decay_radius", "decay_half_length")
    settings = {key: value for key, value in asdict(config).items() if key not in ignored}
    text = json.dumps(settings, sort_keys=True).encode()
    key = np.uint64(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little"))
    number = np.arange(1, config.num_events + 1, dtype=np.uint64)
    return (_mix(key + number * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(1)).astype(np.int64)


def _mix(x: Array) -> Array:
    """Finaliser of splitmix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _particle_chunks(config: GenerationConfig, chunk_size: int) -> Iterator[Collection]:
    """Particles of the process or the gun, at most `chunk_size` events at a time."""
    # Imported where needed: the gun does not need Pythia, and `--help` needs neither.
    if config.process == GUN:
        from partflow.generate.guns import gun_particles

        particles = gun_particles(config)
        for start in range(0, config.num_events, chunk_size):
            yield particles[start : start + chunk_size]
    else:
        from partflow.generate.pythia import pythia_particles

        yield from pythia_particles(config, chunk_size)
