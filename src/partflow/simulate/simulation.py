"""The fast simulation: generator particles to hits, tracks and their truth links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from partflow.core.detector import Detector
from partflow.core.errors import DataError, SchemaError
from partflow.core.known_detectors import CLIC
from partflow.core.records import Array, Collection, offsets_from_counts
from partflow.core.schemas import (
    CONTRIBUTIONS,
    HITS,
    PARTICLES,
    TRACK_PARTICLES,
    TRACKS,
    Schema,
)
from partflow.simulate.config import SimulationConfig
from partflow.simulate.event import Setup, cross_tracker, event_setup, simulate_event
from partflow.simulate.extras import NO_CROSSINGS, STREAM, Deposits, Event, Extras, with_extras
from partflow.simulate.flights import flights_of
from partflow.simulate.hadronic import PENDING
from partflow.simulate.hits import (
    MAX_PARTICLES,
    build_hits,
    empty_out,
    empty_table,
    first_times,
)
from partflow.simulate.spots import SPOT
from partflow.simulate.tracker import TRACK
from partflow.simulate.yoke import with_yoke_hits

_NO_DEPOSITS = Deposits(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))
_NOBODY = np.empty(0, dtype=np.int64)
_SPOTS, _STACK, _TABLE = 1 << 15, 1 << 11, 1 << 14
"""Work space to begin with: enough for nearly every event at 380 GeV."""


class Simulated(NamedTuple):
    """What the detector gives (hits, tracks), and the truth about it, kept apart."""

    hits: Collection
    tracks: Collection
    contributions: Collection
    track_particles: Collection


@dataclass(frozen=True)
class _Workspace:
    """Memory that events reuse one after the other."""

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
    """Simulate the detector's answer to generator particles (PARTICLES).

    Everything random about an event is drawn from its `event_id` [event] alone: it comes out
    the same, bit for bit, whatever other events stand beside it. Hits are ordered by cell and
    tracks by decreasing pt, so the order holds no truth. Contributions and tracks of secondaries
    carry the index of the generator particle they descend from; fake tracks carry none. The
    contributions of a hit sum to its energy, less noise where there is any.

    Raises SchemaError if `particles` are something else, DataError if a value is not finite or
    there are not as many ids as events.
    """
    _check(particles, event_id)
    config = config or SimulationConfig()
    setup = event_setup(detector, config)
    extras = Extras.of(detector, config)
    flights = flights_of(particles)
    space = _Workspace.of_size(_SPOTS, _STACK, _TABLE)
    tracks, deposits, crossings = [], [_NO_DEPOSITS], []
    for i, identity in enumerate(np.asarray(event_id, dtype=np.int64).tolist()):
        rows = flights[particles.offsets[i] : particles.offsets[i + 1]]
        event, space = _simulate_one(identity, rows, setup, config, space)
        event = with_extras(identity, event, setup, extras, config)
        tracks.append(event.tracks)
        deposits.append(event.deposits)
        crossings.append(event.crossings)
    offsets = offsets_from_counts(np.array([len(d.keys) for d in deposits[1:]], dtype=np.int64))
    keys, energies, times = (np.concatenate(column) for column in zip(*deposits, strict=True))
    columns, shares = build_hits(keys, energies, offsets, setup.grid, setup.matter.media)
    if config.hit_times:
        time = first_times(keys, energies, times, offsets, setup.matter.media)
    else:
        time = np.zeros(len(columns[1]), dtype=np.float32)
    hits, contributions = _collection(HITS, (*columns, time)), _collection(CONTRIBUTIONS, shares)
    if config.yoke_hits:
        hits, contributions = with_yoke_hits(
            hits, contributions, crossings, detector.yoke.hit_energy, config.hit_times
        )
    return Simulated(
        hits=hits,
        tracks=_track_collection(TRACKS, tracks),
        contributions=contributions,
        track_particles=_track_collection(TRACK_PARTICLES, tracks),
    )


def _simulate_one(
    identity: int, rows: Array, setup: Setup, config: SimulationConfig, space: _Workspace
) -> tuple[Event, _Workspace]:
    """One event, and the work space it took."""
    seed = np.random.SeedSequence(identity % (1 << 64), spawn_key=(STREAM,))
    while True:
        rng = np.random.Generator(np.random.SFC64(seed))
        flights = cross_tracker(rng, rows, setup, config)
        counts = np.zeros(len(flights), dtype=np.int64)
        tracks, count, had_room = simulate_event(
            rng, flights, setup, space.spots, space.stack, space.slots, space.used, counts
        )
        if had_room:
            break
        space = space.doubled()
    keys, energies = empty_out(space.slots, space.used, count)
    order = np.argsort(keys)
    makers = np.searchsorted(counts, order, side="right") if config.hit_times else _NOBODY
    deposits = Deposits(keys[order], energies[order], np.zeros(0))
    return Event(tracks, flights, deposits, makers, NO_CROSSINGS), space


def _check(particles: Collection, event_id: Array) -> None:
    """Refuse what cannot be simulated."""
    if particles.schema.name != PARTICLES.name:
        raise SchemaError(f"simulate: got {particles.schema.name}; it takes generator particles")
    if np.shape(event_id) != (particles.num_events,):
        raise DataError(
            f"simulate: {np.size(event_id)} event ids for {particles.num_events} events"
        )
    for name, values in particles.columns.items():
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            event = event_id[np.searchsorted(particles.offsets, bad[0], side="right") - 1]
            raise DataError(
                f"event {event}: particles.{name} is {values[bad[0]]}; generate the event again"
            )
    if particles.num_events and particles.counts.max() >= MAX_PARTICLES:
        raise DataError(f"an event has {particles.counts.max()} particles, above {MAX_PARTICLES}")


def _collection(schema: Schema, offsets_and_columns: tuple[Array, ...]) -> Collection:
    """A collection from its offsets and its columns, in the order of the schema."""
    offsets, *columns = offsets_and_columns
    return Collection(schema, offsets, dict(zip(schema.names, columns, strict=True)))


def _track_collection(schema: Schema, tracks: list[Array]) -> Collection:
    """The columns of a schema out of the rows of TRACK of each event."""
    rows = [np.empty(0, dtype=TRACK), *tracks]
    offsets = offsets_from_counts(np.array([len(part) for part in tracks], dtype=np.int64))
    # column by column: numpy joins record arrays slowly
    columns = {name: np.concatenate([part[name] for part in rows]) for name in schema.names}
    return Collection(schema, offsets, columns)
