"""The fast simulation: generator particles to hits, tracks and their truth links."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partflow.core.detector import Detector
from partflow.core.known_detectors import CLIC
from partflow.core.records import Array, Collection
from partflow.simulate.config import SimulationConfig
from partflow.simulate.digitisation import (
    NO_YOKE_HITS,
    Contributions,
    DigitisationConstants,
    Simulated,
    SimulatedEvent,
    digitisation_constants,
    digitised,
)
from partflow.simulate.fast.constants import EventConstants, event_constants
from partflow.simulate.fast.event import simulate_event
from partflow.simulate.fast.hadronic import PENDING
from partflow.simulate.fast.times import contribution_times
from partflow.simulate.hits import SPOT, empty_out, empty_table
from partflow.simulate.particles import check_particles
from partflow.simulate.streams import Effect, effect_stream, event_stream
from partflow.simulate.tracker.crossing import cross_tracker
from partflow.simulate.tracker.flights import flights_of
from partflow.simulate.tracker.muon_system import cross_yoke

_SPOTS, _STACK, _TABLE = 1 << 15, 1 << 11, 1 << 14
"""Initial work space: enough for nearly every event at 380 GeV."""


@dataclass(frozen=True)
class _Workspace:
    """Memory that is used by one event after the other."""

    spots: Array
    stack: Array
    slots: Array
    used: Array

    @classmethod
    def of_size(cls, spots: int, stack: int, table: int) -> _Workspace:
        return cls(np.empty(spots, dtype=SPOT), np.empty(stack, dtype=PENDING), *empty_table(table))

    def doubled(self) -> _Workspace:
        return self.of_size(2 * len(self.spots), 2 * len(self.stack), 2 * len(self.slots))


def simulate(
    particles: Collection,
    event_id: Array,
    detector: Detector = CLIC,
    config: SimulationConfig | None = None,
) -> Simulated:
    """Simulate the response of a detector to generator particles (PARTICLES).

    All random numbers of an event follow from its `event_id` [event]: the event is the same, bit
    for bit, whatever other events are simulated with it. Hits are ordered by cell and tracks by
    decreasing pt, so the order holds no truth. Contributions and tracks of secondaries carry the
    index of the generator particle they descend from; fake tracks carry -1. The contributions of
    a hit sum to its energy, without noise where noise is simulated.

    Raises SchemaError if `particles` are something else, DataError if a value is not finite or
    the number of ids is not that of events, ConfigError if the noise is too strong.
    """
    check_particles(particles, event_id)
    config = config or SimulationConfig()
    constants = event_constants(detector, config)
    digitisation = digitisation_constants(detector, config)
    flights = flights_of(particles)
    space = _Workspace.of_size(_SPOTS, _STACK, _TABLE)
    events = []
    for i, identity in enumerate(np.asarray(event_id, dtype=np.int64).tolist()):
        rows = flights[particles.offsets[i] : particles.offsets[i + 1]]
        event, space = _simulate_one(identity, rows, constants, digitisation, config, space)
        events.append(event)
    return digitised(event_id, events, detector, digitisation, config)


def _simulate_one(
    event_id: int,
    particles: Array,
    constants: EventConstants,
    digitisation: DigitisationConstants,
    config: SimulationConfig,
    space: _Workspace,
) -> tuple[SimulatedEvent, _Workspace]:
    """One event before digitisation, and the work space it needed."""
    while True:
        rng = event_stream(event_id)
        flights = cross_tracker(
            rng, particles, constants.shower.geometry, constants.material, config
        )
        counts = np.zeros(len(flights), dtype=np.int64)
        tracks, count, is_complete = simulate_event(
            rng, flights, constants, space.spots, space.stack, space.slots, space.used, counts
        )
        if is_complete:
            break
        space = space.doubled()
    keys, energies = empty_out(space.slots, space.used, count)
    order = np.argsort(keys)
    keys, times, yoke_hits = keys[order], np.zeros(0), NO_YOKE_HITS
    if config.hit_times:
        flight_index = np.searchsorted(counts, order, side="right")
        times = contribution_times(
            effect_stream(event_id, Effect.TIMES), keys, flight_index, flights,
            constants.shower.geometry, constants.grid, config.hit_time_resolution,
        )  # fmt: skip
    if digitisation.yoke is not None:
        yoke_hits = cross_yoke(effect_stream(event_id, Effect.YOKE), flights, digitisation.yoke)
    return SimulatedEvent(tracks, Contributions(keys, energies[order], times), yoke_hits), space
