"""Beam-induced background: events of another sample laid over a signal event.

A bunch train brings further collisions of photons to hadrons into the time in which a detector
integrates a signal event. How many, and which ones of a background sample, is drawn for each
signal event from its own identity: the same ones whatever other events stand beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from partflow.core.errors import ConfigError, InputError
from partflow.core.records import Array, Collection, offsets_from_counts

STREAM = 0x66
"""Sets these random numbers apart from others that are seeded by the same event."""


@dataclass(frozen=True)
class OverlayConfig:
    """How many background events come with a signal event, and when.

    The crossings are those that a public steering file of CLICdet's reconstruction overlays at
    380 GeV: 30 crossings 0.5 ns apart, the signal in the tenth, with 0.18 events per crossing: a
    mean of 5.4.
    """

    mean: float
    """Mean number of background events per signal event; their number is Poisson."""
    num_crossings: int = 30
    """Bunch crossings that are seen; a background event is in any of them alike."""
    signal_crossing: int = 10
    """The crossing of the signal, from 1 on."""
    spacing: float = 0.5
    """Time between crossings [ns]."""

    def __post_init__(self) -> None:
        for name in ("mean", "spacing"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(
                    f"overlay: {name} = {getattr(self, name)}; it cannot be negative or infinite"
                )
        if not 1 <= self.signal_crossing <= self.num_crossings:
            raise ConfigError(
                f"overlay: signal_crossing = {self.signal_crossing}; it must be one of the "
                f"{self.num_crossings} crossings, from 1 on"
            )


def overlay(
    particles: Collection, event_id: Array, background: Collection, config: OverlayConfig
) -> Collection:
    """The PARTICLES of each signal event, and behind them those of its background events.

    The signal's keep their places and all their values; the others are marked (`is_overlay`)
    and carry the time of their crossing (`collision_time`). Events of `background` may serve
    more than once. Raises InputError where it holds none.
    """
    if background.num_events == 0:
        raise InputError("overlay: the background holds no event; generate some first")
    num, drawn, time = _draws(event_id, background.num_events, config)
    signal_event = np.repeat(np.arange(particles.num_events), num)
    laid_over = background.take(drawn)
    columns = {
        **laid_over.columns,
        "is_overlay": np.ones(len(laid_over), dtype=np.int8),
        "collision_time": np.repeat(time, laid_over.counts),
    }
    event = np.concatenate([particles.event_index, np.repeat(signal_event, laid_over.counts)])
    order = np.argsort(event, kind="stable")
    merged = {
        name: np.concatenate([values, columns[name]])[order]
        for name, values in particles.columns.items()
    }
    counts = np.bincount(event, minlength=particles.num_events)
    return Collection(particles.schema, offsets_from_counts(counts), merged)


def _draws(event_id: Array, num_background: int, config: OverlayConfig) -> tuple[Array, ...]:
    """Background events per signal event [event], which they are and their times [drawn] (ns)."""
    num: list[int] = []
    drawn: list[Array] = [np.empty(0, dtype=np.int64)]
    time: list[Array] = [np.empty(0)]
    for identity in np.asarray(event_id, dtype=np.int64).tolist():
        seed = np.random.SeedSequence(identity % (1 << 64), spawn_key=(STREAM,))
        rng = np.random.default_rng(seed)
        num.append(int(rng.poisson(config.mean)))
        drawn.append(rng.integers(num_background, size=num[-1]))
        crossing = rng.integers(1, config.num_crossings + 1, size=num[-1])
        time.append((crossing - config.signal_crossing) * config.spacing)
    return np.array(num, dtype=np.int64), np.concatenate(drawn), np.concatenate(time)
