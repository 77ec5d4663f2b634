"""What is laid over an event after it is simulated: yoke, ghost tracks, times, noise.

Each has a random stream of its own, so that one switched on changes nothing of the others, nor
of the event below: its hits, contributions and tracks stay what they were, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from partflow.core.detector import Detector
from partflow.core.records import Array
from partflow.simulate.config import SimulationConfig
from partflow.simulate.event import Setup
from partflow.simulate.ghosts import add_ghosts
from partflow.simulate.noise import NoiseConstants, noise_constants, noise_of_event
from partflow.simulate.times import contribution_times
from partflow.simulate.yoke import (
    YOKE_HIT,
    YokeConstants,
    count_yoke_hits,
    cross_yoke,
    yoke_constants,
)

STREAM = 0x51A
"""Sets the random streams of this room apart from others seeded by the same event."""
_YOKE, _GHOSTS, _TIMES, _NOISE = range(4)
NO_CROSSINGS = np.empty(0, dtype=YOKE_HIT)


class Deposits(NamedTuple):
    """Contributions of one event, sorted by key: who left how much in which cell."""

    keys: Array
    energies: Array
    times: Array
    """[contribution] ns; empty where times are not simulated."""


class Event(NamedTuple):
    """One event on its way to hits."""

    tracks: Array
    """Rows of TRACK, by decreasing pt once all are there."""
    flights: Array
    """Rows of FLIGHT."""
    deposits: Deposits
    makers: Array
    """[contribution] the flight that made it; empty where times are not simulated."""
    crossings: Array
    """Rows of YOKE_HIT."""


@dataclass(frozen=True)
class Extras:
    """Constants of what is switched on."""

    noise: NoiseConstants | None
    yoke: YokeConstants | None

    @classmethod
    def of(cls, detector: Detector, config: SimulationConfig) -> Extras:
        """Those of a detector.

        Raises ConfigError if the noise is too strong.
        """
        has_noise = config.noise_ecal > 0 or config.noise_hcal > 0
        return cls(
            noise_constants(detector, config) if has_noise else None,
            yoke_constants(detector) if config.yoke_hits else None,
        )


def with_extras(
    identity: int, event: Event, setup: Setup, extras: Extras, config: SimulationConfig
) -> Event:
    """The event with everything that is switched on, its tracks by decreasing pt."""
    tracks, flights, deposits, makers, crossings = event
    geometry = setup.matter.geometry
    if extras.yoke is not None:
        crossings = cross_yoke(_stream(identity, _YOKE), flights, extras.yoke)
        count_yoke_hits(tracks, crossings, extras.yoke)
    if config.fake_rate > 0 or config.duplicate_rate > 0:
        tracks = add_ghosts(
            _stream(identity, _GHOSTS), tracks, geometry, setup.tracker,
            config.fake_rate, config.duplicate_rate,
        )  # fmt: skip
    if config.hit_times:
        times = contribution_times(
            _stream(identity, _TIMES), deposits.keys, makers, flights, geometry, setup.grid,
            config.hit_time_resolution,
        )  # fmt: skip
        deposits = deposits._replace(times=times)
    if extras.noise is not None:
        rng = _stream(identity, _NOISE)
        deposits = _with_noise(rng, deposits, setup, extras.noise, config.hit_times)
    tracks = tracks[np.argsort(-tracks["pt"], kind="stable")]
    return Event(tracks, flights, deposits, makers, crossings)


def _stream(identity: int, effect: int) -> np.random.Generator:
    """The random numbers of one effect in one event."""
    seed = np.random.SeedSequence(identity % (1 << 64), spawn_key=(STREAM, effect))
    return np.random.Generator(np.random.SFC64(seed))


def _with_noise(
    rng: np.random.Generator, deposits: Deposits, setup: Setup, noise: NoiseConstants, timed: bool
) -> Deposits:
    """Deposits with those of noise among them."""
    of_noise = Deposits(*noise_of_event(rng, deposits.keys, noise, setup.grid))
    keys, energies, times = (np.concatenate(pair) for pair in zip(deposits, of_noise, strict=True))
    order = np.argsort(keys, kind="stable")
    return Deposits(keys[order], energies[order], times[order] if timed else deposits.times)
