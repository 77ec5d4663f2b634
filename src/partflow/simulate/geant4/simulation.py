"""Generator particles to hits, tracks and their truth, with showers by Geant4.

Particles cross the tracker as in the fast simulation, with the same random numbers: the tracks of
both engines are the same. Geant4 takes over those that reach the calorimeter, at its face and at
the time of their arrival; so both engines simulate the calorimeter for the same particles. Each of
them is one event of Geant4, so that every deposit belongs to a known generator particle.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from partflow.core.detector import FACE_NONE, Detector, Geometry
from partflow.core.errors import ConfigError
from partflow.core.known_detectors import CLIC
from partflow.core.records import Array, Collection
from partflow.simulate.config import SimulationConfig
from partflow.simulate.digitisation import (
    NO_YOKE_HITS,
    DigitisationConstants,
    Simulated,
    SimulatedEvent,
    digitisation_constants,
    digitised,
)
from partflow.simulate.geant4.config import Geant4Config
from partflow.simulate.geant4.data_sets import find_data_sets, require_geant4, use
from partflow.simulate.geant4.deposits import contributions_of, smeared_times
from partflow.simulate.geant4.layers import check_layers
from partflow.simulate.geant4.shots import Shot
from partflow.simulate.particles import check_particles
from partflow.simulate.streams import Effect, effect_stream, event_stream, particle_seed
from partflow.simulate.tracker.arrival import arrival
from partflow.simulate.tracker.crossing import cross_tracker
from partflow.simulate.tracker.flights import NO_END, Species, face_of, flights_of
from partflow.simulate.tracker.muon_system import cross_yoke
from partflow.simulate.tracker.tracker_material import TrackerMaterial, tracker_material
from partflow.simulate.tracker.tracking import find_tracks

_NO_TIMES = np.zeros(0)
_processes: dict[tuple[Detector, Geant4Config], Any] = {}
"""Geant4 as it is set up in this process: at most one entry."""


@dataclass(frozen=True)
class Geant4Engine:
    """Geant4 in this process with all constants of a detector; `set_up` makes one."""

    detector: Detector
    simulation: SimulationConfig
    config: Geant4Config
    process: Any
    """Geant4Process."""
    geometry: Geometry
    material: TrackerMaterial
    digitisation: DigitisationConstants

    def simulate_event(self, event_id: int, particles: Array) -> SimulatedEvent:
        """One event, from rows of FLIGHT to what its particles leave, before digitisation.

        Raises DataError for a particle that Geant4 does not know.
        """
        rng = event_stream(event_id)
        flights = cross_tracker(rng, particles, self.geometry, self.material, self.simulation)
        tracks = find_tracks(rng, flights, self.geometry, self.digitisation.tracker)
        rows, shots = _shots(event_id, flights, self.geometry)
        contributions = contributions_of(
            self.process.shoot(shots),
            flights["origin"][rows],
            self.detector,
            self.digitisation.grid,
            self.config,
        )
        times = _NO_TIMES
        if self.simulation.hit_times:
            stream = effect_stream(event_id, Effect.TIMES)
            times = smeared_times(contributions, self.simulation.hit_time_resolution, stream)
        yoke_hits = NO_YOKE_HITS
        if self.digitisation.yoke is not None:
            stream = effect_stream(event_id, Effect.YOKE)
            yoke_hits = cross_yoke(stream, flights, self.digitisation.yoke)
        return SimulatedEvent(tracks, contributions._replace(times=times), yoke_hits)


def check_geant4(detector: Detector, config: Geant4Config) -> None:
    """Raise ConfigError unless Geant4, its data, slabs and sampling fractions are there."""
    require_geant4()
    find_data_sets(config.stand_in_data)
    check_layers(detector)
    for name, part in (("ecal", detector.ecal), ("hcal", detector.hcal)):
        if part.sampling_fractions is None:
            raise ConfigError(
                f"{detector.name}: {name}.sampling_fractions is missing; measure it with "
                "`partflow calibrate FILE.json --engine geant4`"
            )


def geant4_process(detector: Detector, config: Geant4Config) -> Any:
    """Geant4 for a detector, set up in this process.

    Raises ConfigError where it is missing, and for a second detector or configuration: Geant4 can
    be set up once in a process.
    """
    key = (detector, config)
    if key in _processes:
        return _processes[key]
    if _processes:
        raise ConfigError(
            "Geant4 runs in this process for another detector or other settings; use a new process"
        )
    require_geant4()
    use(find_data_sets(config.stand_in_data))
    from partflow.simulate.geant4.process import Geant4Process

    _processes[key] = Geant4Process(detector, config)
    return _processes[key]


@lru_cache(maxsize=1)
def set_up(detector: Detector, simulation: SimulationConfig, config: Geant4Config) -> Geant4Engine:
    """The engine for a detector in this process, made once: its data are checked for some time.

    Raises ConfigError where Geant4, its data or the detector's layers are missing.
    """
    check_geant4(detector, config)
    return Geant4Engine(
        detector,
        simulation,
        config,
        geant4_process(detector, config),
        detector.geometry(),
        tracker_material(detector),
        digitisation_constants(detector, simulation),
    )


def simulate(
    particles: Collection,
    event_id: Array,
    detector: Detector = CLIC,
    simulation: SimulationConfig | None = None,
    config: Geant4Config | None = None,
) -> Simulated:
    """Simulate generator particles (PARTICLES) in this process, as the fast simulation does.

    All random numbers of an event follow from its `event_id` [event]. A fatal error of Geant4 ends
    this process: `pipeline.simulate` uses worker processes and goes on without the event.

    Raises ConfigError where Geant4 cannot be set up, SchemaError and DataError for particles that
    cannot be simulated.
    """
    check_particles(particles, event_id)
    simulation = simulation or SimulationConfig()
    engine = set_up(detector, simulation, config or Geant4Config())
    flights = flights_of(particles)
    events = [
        engine.simulate_event(identity, flights[particles.offsets[i] : particles.offsets[i + 1]])
        for i, identity in enumerate(np.asarray(event_id, dtype=np.int64).tolist())
    ]
    return digitised(event_id, events, detector, engine.digitisation, simulation)


def _shots(event_id: int, flights: Array, geometry: Geometry) -> tuple[Array, list[Shot]]:
    """Rows of the flights that reach the calorimeter, and what Geant4 simulates of them."""
    rows, shots = [], []
    for row, flight in enumerate(flights):
        if flight["species"] == Species.INVISIBLE or flight["end"] < NO_END:
            continue
        face, x, y, z, px, py, pz = face_of(flight, geometry)
        if face == FACE_NONE:
            continue
        time, _, _, _ = arrival(flight, geometry)
        rows.append(row)
        shots.append(
            Shot(int(flight["pdg_id"]), (px, py, pz), (x, y, z), time, particle_seed(event_id, row))
        )
    return np.array(rows, dtype=np.int64), shots
