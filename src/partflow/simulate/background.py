"""Beam-induced background: events of another sample overlaid on each signal event.

In a bunch train, further collisions (of photons to hadrons) happen while the detector integrates a
signal event. Their number, and which events of a background sample they are, is drawn for each
signal event from its own id: it does not depend on the other events.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from partflow.core.errors import ConfigError, InputError
from partflow.core.records import Array, Collection, offsets_from_counts

_STREAM = 0x66
"""Separates these random numbers from others that are seeded by the same event."""


@dataclass(frozen=True)
class OverlayConfig:
    """Number and times of the background events of a signal event.

    The crossings are those of a public steering file of CLICdet's reconstruction at 380 GeV: 30
    crossings 0.5 ns apart, the signal in the tenth, with 0.18 events per crossing: a mean of 5.4.

    Raises ConfigError for values that are impossible.
    """

    mean: float
    """Mean number of background events per signal event; the number is Poisson distributed."""
    num_crossings: int = 30
    """Number of bunch crossings; a background event is in each with equal probability."""
    signal_crossing: int = 10
    """The crossing of the signal, from 1 on."""
    spacing: float = 0.5
    """Time between crossings [ns]."""

    def __post_init__(self) -> None:
        for name in ("mean", "spacing"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(
                    f"overlay: {name} = {getattr(self, name)}; give a finite number, not negative"
                )
        if not 1 <= self.signal_crossing <= self.num_crossings:
            raise ConfigError(
                f"overlay: signal_crossing = {self.signal_crossing}; give one of the "
                f"{self.num_crossings} crossings, counted from 1"
            )


def overlay(
    particles: Collection, event_id: Array, background: Collection, config: OverlayConfig
) -> Collection:
    """The PARTICLES of each signal event, followed by those of its background events.

    The signal's particles keep their indices and all their values. Those of the background are
    marked (`is_overlay`) and carry the time of their crossing (`collision_time` [ns]). An event of
    `background` may be used more than once; `event_id` [event] seeds the choice.

    Raises InputError where `background` has no event.
    """
    if background.num_events == 0:
        raise InputError(
            "overlay: the background holds no event; make some with `partflow generate`"
        )
    num_drawn, drawn, time = _draws(event_id, background.num_events, config)
    signal_event = np.repeat(np.arange(particles.num_events), num_drawn)
    overlaid = background.take(drawn)
    columns = {
        **overlaid.columns,
        "is_overlay": np.ones(len(overlaid), dtype=np.int8),
        "collision_time": np.repeat(time, overlaid.counts),
    }
    event = np.concatenate([particles.event_index, np.repeat(signal_event, overlaid.counts)])
    order = np.argsort(event, kind="stable")
    merged = {
        name: np.concatenate([values, columns[name]])[order]
        for name, values in particles.columns.items()
    }
    counts = np.bincount(event, minlength=particles.num_events)
    return Collection(particles.schema, offsets_from_counts(counts), merged)


def _draws(event_id: Array, num_background: int, config: OverlayConfig) -> tuple[Array, ...]:
    """Number of background events [event], their indices [drawn] and their times [drawn] (ns)."""
    num_drawn: list[int] = []
    drawn: list[Array] = [np.empty(0, dtype=np.int64)]
    time: list[Array] = [np.empty(0)]
    for identity in np.asarray(event_id, dtype=np.int64).tolist():
        seed = np.random.SeedSequence(identity % (1 << 64), spawn_key=(_STREAM,))
        rng = np.random.default_rng(seed)
        num_drawn.append(int(rng.poisson(config.mean)))
        drawn.append(rng.integers(num_background, size=num_drawn[-1]))
        crossing = rng.integers(1, config.num_crossings + 1, size=num_drawn[-1])
        time.append((crossing - config.signal_crossing) * config.spacing)
    return np.array(num_drawn, dtype=np.int64), np.concatenate(drawn), np.concatenate(time)
