"""What an engine asks of the generator particles that it simulates."""

from __future__ import annotations

import numpy as np

from partflow.core.errors import DataError, SchemaError
from partflow.core.records import Array, Collection
from partflow.core.schemas import PARTICLES
from partflow.simulate.hits import MAX_PARTICLES


def check_particles(particles: Collection, event_id: Array) -> None:
    """Raise SchemaError or DataError for particles that cannot be simulated."""
    if particles.schema.name != PARTICLES.name:
        raise SchemaError(f"simulate: got {particles.schema.name}; it takes generator particles")
    if np.shape(event_id) != (particles.num_events,):
        raise DataError(
            f"simulate: {np.size(event_id)} event ids for {particles.num_events} events; "
            "give one for each event"
        )
    for name, values in particles.columns.items():
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            event = event_id[np.searchsorted(particles.offsets, bad[0], side="right") - 1]
            raise DataError(
                f"event {event}: particles.{name} is {values[bad[0]]}; generate the event again"
            )
    crowded = np.flatnonzero(particles.counts >= MAX_PARTICLES)
    if len(crowded):
        raise DataError(
            f"event {event_id[crowded[0]]}: {particles.counts[crowded[0]]} particles, but at most "
            f"{MAX_PARTICLES - 1} can be told apart; leave the event out"
        )
