"""Digitisation: from what particles leave in the detector to hits and tracks with their truth.

A simulation engine makes a `SimulatedEvent`. `digitise` adds what a detector adds: hits of the
yoke to the tracks near them, fake and duplicate tracks, noise. `collect` applies the thresholds
and makes the collections of many events. Each effect has a random stream of its own: one that is
switched on changes nothing of the others, nor of the event below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from partflow.core.detector import Detector, Geometry
from partflow.core.records import Array, Collection, offsets_from_counts
from partflow.core.schemas import CONTRIBUTIONS, HITS, TRACK_PARTICLES, TRACKS, Schema
from partflow.simulate.cells import CellGrid, cell_grid
from partflow.simulate.config import SimulationConfig
from partflow.simulate.fakes import add_fakes_and_duplicates
from partflow.simulate.hits import build_hits, first_times
from partflow.simulate.noise import NoiseConstants, noise_constants, noise_of_event
from partflow.simulate.streams import Effect, effect_stream
from partflow.simulate.tracks import TRACK, TrackerConstants, tracker_constants
from partflow.simulate.yoke import (
    YOKE_HIT,
    YokeConstants,
    count_yoke_hits,
    with_yoke_hits,
    yoke_constants,
)


class Contributions(NamedTuple):
    """Energy of one event per (cell, particle), before the threshold, sorted by key."""

    keys: Array
    """[contribution]: cell and particle, see `hits.contribution_key`."""
    energies: Array
    """[contribution]: GeV, EM scale."""
    times: Array
    """[contribution]: ns; empty where times are not simulated."""


NO_CONTRIBUTIONS = Contributions(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))
NO_YOKE_HITS = np.empty(0, dtype=YOKE_HIT)


class SimulatedEvent(NamedTuple):
    """What the particles of one event leave in the detector."""

    tracks: Array
    """Rows of TRACK."""
    contributions: Contributions
    yoke_hits: Array
    """Rows of YOKE_HIT."""


class Simulated(NamedTuple):
    """What the detector measures (hits, tracks), and the truth about it in separate collections."""

    hits: Collection
    tracks: Collection
    contributions: Collection
    track_particles: Collection


@dataclass(frozen=True)
class DigitisationConstants:
    """Detector and settings of the digitisation; None for an effect that is off."""

    geometry: Geometry
    grid: CellGrid
    tracker: TrackerConstants
    noise: NoiseConstants | None
    yoke: YokeConstants | None


def digitisation_constants(detector: Detector, config: SimulationConfig) -> DigitisationConstants:
    """The constants of a detector.

    Raises ConfigError if the noise is too strong or the cells are too many.
    """
    has_noise = config.noise_ecal > 0 or config.noise_hcal > 0
    return DigitisationConstants(
        geometry=detector.geometry(),
        grid=cell_grid(detector),
        tracker=tracker_constants(detector, config),
        noise=noise_constants(detector, config) if has_noise else None,
        yoke=yoke_constants(detector) if config.yoke_hits else None,
    )


def digitise(
    event_id: int,
    event: SimulatedEvent,
    constants: DigitisationConstants,
    config: SimulationConfig,
) -> SimulatedEvent:
    """The event with every effect that is switched on, its tracks by decreasing pt."""
    tracks, contributions, yoke_hits = event
    if constants.yoke is not None:
        count_yoke_hits(tracks, yoke_hits, constants.yoke)
    if config.fake_rate > 0 or config.duplicate_rate > 0:
        tracks = add_fakes_and_duplicates(
            effect_stream(event_id, Effect.FAKES), tracks, constants.geometry, constants.tracker,
            config.fake_rate, config.duplicate_rate,
        )  # fmt: skip
    if constants.noise is not None:
        rng = effect_stream(event_id, Effect.NOISE)
        noise = noise_of_event(rng, contributions.keys, constants.noise, constants.grid)
        contributions = _merged(contributions, Contributions(*noise), config.hit_times)
    tracks = tracks[np.argsort(-tracks["pt"], kind="stable")]
    return SimulatedEvent(tracks, contributions, yoke_hits)


def _merged(first: Contributions, second: Contributions, has_times: bool) -> Contributions:
    """The contributions of both, sorted by key."""
    keys = np.concatenate([first.keys, second.keys])
    energies = np.concatenate([first.energies, second.energies])
    order = np.argsort(keys, kind="stable")
    times = np.concatenate([first.times, second.times])[order] if has_times else first.times
    return Contributions(keys[order], energies[order], times)


def digitised(
    event_id: Array,
    events: Sequence[SimulatedEvent],
    detector: Detector,
    constants: DigitisationConstants,
    config: SimulationConfig,
) -> Simulated:
    """The collections of simulated events with every effect that is switched on."""
    identities = np.asarray(event_id, dtype=np.int64).tolist()
    finished = [
        digitise(identity, event, constants, config)
        for identity, event in zip(identities, events, strict=True)
    ]
    return collect(finished, detector, constants, config)


def collect(
    events: Sequence[SimulatedEvent],
    detector: Detector,
    constants: DigitisationConstants,
    config: SimulationConfig,
) -> Simulated:
    """Hits above threshold, tracks, and their truth, of digitised events."""
    contributions = [event.contributions for event in events]
    offsets = offsets_from_counts(np.array([len(c.keys) for c in contributions], dtype=np.int64))
    columns = zip(NO_CONTRIBUTIONS, *contributions, strict=True)
    keys, energies, times = (np.concatenate(column) for column in columns)
    hit_columns, contribution_columns = build_hits(keys, energies, offsets, constants.grid)
    if config.hit_times:
        time = first_times(keys, energies, times, offsets, constants.grid)
    else:
        time = np.zeros(len(hit_columns[1]), dtype=np.float32)
    hits = _collection(HITS, (*hit_columns, time))
    links = _collection(CONTRIBUTIONS, contribution_columns)
    if config.yoke_hits:
        yoke_hits = [event.yoke_hits for event in events]
        hits, links = with_yoke_hits(
            hits, links, yoke_hits, detector.yoke.hit_energy, config.hit_times
        )
    tracks = [event.tracks for event in events]
    return Simulated(
        hits=hits,
        tracks=_track_collection(TRACKS, tracks),
        contributions=links,
        track_particles=_track_collection(TRACK_PARTICLES, tracks),
    )


def _collection(schema: Schema, offsets_and_columns: tuple[Array, ...]) -> Collection:
    """A collection from its offsets and its columns, in the order of the schema."""
    offsets, *columns = offsets_and_columns
    return Collection(schema, offsets, dict(zip(schema.names, columns, strict=True)))


def _track_collection(schema: Schema, tracks: list[Array]) -> Collection:
    """The columns of a schema from the rows of TRACK of each event."""
    rows = [np.empty(0, dtype=TRACK), *tracks]
    offsets = offsets_from_counts(np.array([len(part) for part in tracks], dtype=np.int64))
    # column by column: numpy joins record arrays slowly
    columns = {name: np.concatenate([part[name] for part in rows]) for name in schema.names}
    return Collection(schema, offsets, columns)
