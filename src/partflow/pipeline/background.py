"""Background events that are overlaid on each event before it is simulated."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from partflow.core.records import Collection, Events, concatenate
from partflow.core.store import iterate_events
from partflow.simulate.background import OverlayConfig, overlay

MAX_BACKGROUND_EVENTS = 20_000
"""Events of a background sample that are used, about 50 MB; further ones are ignored."""


class Background(NamedTuple):
    """Events to overlay on others."""

    source: Path
    """Stage `generated`: a file or a folder."""
    config: OverlayConfig


def with_background(generated: Events, background: Background, fingerprint: str) -> Events:
    """Generated events with those of a background overlaid; each depends on its own id only.

    `fingerprint` is that of the source, so that a source with other content is read again.
    """
    pool = _background_particles(background.source, fingerprint)
    particles = overlay(generated.particles, generated.event_id, pool, background.config)
    return generated.with_collections(particles=particles)


@lru_cache(maxsize=1)
def _background_particles(source: Path, fingerprint: str) -> Collection:
    """Particles of the background events, read once in each process."""
    parts, num = [], 0
    for events in iterate_events(source, "generated", ["particles"]):
        parts.append(events.particles[: MAX_BACKGROUND_EVENTS - num])
        num += parts[-1].num_events
        if num == MAX_BACKGROUND_EVENTS:
            break
    return concatenate(parts)
