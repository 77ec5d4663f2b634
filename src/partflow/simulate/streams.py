"""Random streams of one event: one for the simulation, one for each effect added to it."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

_STREAM = 0x51A
"""Separates these streams from others that are seeded by the same event."""


class Effect(IntEnum):
    """Effects with a random stream of their own: one that is switched on changes no other."""

    YOKE, FAKES, TIMES, NOISE = range(4)


def event_stream(event_id: int) -> np.random.Generator:
    """The random numbers of the simulation of one event, from their beginning."""
    return _generator(event_id, (_STREAM,))


def effect_stream(event_id: int, effect: Effect) -> np.random.Generator:
    """The random numbers of one effect in one event, from their beginning."""
    return _generator(event_id, (_STREAM, int(effect)))


def _generator(event_id: int, key: tuple[int, ...]) -> np.random.Generator:
    seed = np.random.SeedSequence(event_id % (1 << 64), spawn_key=key)
    return np.random.Generator(np.random.SFC64(seed))
