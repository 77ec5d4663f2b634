"""Random streams of one event: one for the simulation, one for each effect added to it."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

_STREAM = 0x51A
"""Separates these streams from others that are seeded by the same event."""

_PARTICLES = 0x51B
"""Separates the seeds of particles from the streams of the event."""


class Effect(IntEnum):
    """Effects with a random stream of their own: one that is switched on changes no other."""

    YOKE, FAKES, TIMES, NOISE = range(4)


def event_stream(event_id: int) -> np.random.Generator:
    """The random numbers of the simulation of one event, from their beginning."""
    return _generator(event_id, (_STREAM,))


def effect_stream(event_id: int, effect: Effect) -> np.random.Generator:
    """The random numbers of one effect in one event, from their beginning."""
    return _generator(event_id, (_STREAM, int(effect)))


def particle_seed(event_id: int, row: int) -> int:
    """A seed for an engine that follows each particle of an event with random numbers of its own.

    `row` is that of the particle among the flights of the event. 1 to 2^63 - 1.
    """
    seed = np.random.SeedSequence(event_id % (1 << 64), spawn_key=(_PARTICLES, row))
    return max(int(seed.generate_state(1, np.uint64)[0] >> np.uint64(1)), 1)


def _generator(event_id: int, key: tuple[int, ...]) -> np.random.Generator:
    seed = np.random.SeedSequence(event_id % (1 << 64), spawn_key=key)
    return np.random.Generator(np.random.SFC64(seed))
