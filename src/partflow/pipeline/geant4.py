"""Events simulated by Geant4: one event is one task of a separate process.

An event takes seconds, and an error inside of Geant4 ends its process. So each event is stored as
soon as it is simulated, in `OUTPUT.partial/events-NNNNN.simulated/`, until all of its shard are
there. A run that was stopped goes on where it was. An event that ends its process twice is left
out, and so is one that Geant4 cannot simulate; both are listed in `simulation-report.json`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from partflow.core.detector import Detector
from partflow.core.errors import PartflowError
from partflow.core.executors import Executor
from partflow.core.outputs import replacing, write_text
from partflow.core.progress import say
from partflow.core.records import Events
from partflow.core.store import read_row_group
from partflow.core.workers import Failure
from partflow.pipeline.background import Background, with_background
from partflow.simulate.config import SimulationConfig
from partflow.simulate.digitisation import (
    Contributions,
    Simulated,
    SimulatedEvent,
    digitisation_constants,
    digitised,
)
from partflow.simulate.geant4.config import Geant4Config
from partflow.simulate.geant4.data_sets import find_data_sets
from partflow.simulate.geant4.simulation import check_geant4, set_up
from partflow.simulate.tracker.flights import flights_of

REPORT_FILE = "simulation-report.json"
LOG_FILE = "geant4.log"
"""Messages of Geant4, kept where events are left out."""


class RowGroup(NamedTuple):
    """Generated events that become one shard."""

    file: Path
    group: int
    shard: Path


@dataclass(frozen=True)
class LostEvent:
    """An event that is not in the output."""

    event_id: int
    process: str
    reason: str


@dataclass(frozen=True)
class Geant4Run:
    """What all events of an output have in common."""

    detector: Detector
    simulation: SimulationConfig
    geant4: Geant4Config
    background: Background | None = None
    background_fingerprint: str = ""


def geant4_settings(config: Geant4Config) -> dict[str, Any]:
    """What the provenance says of Geant4: settings, version of the package, data sets."""
    return {
        **asdict(config),
        "geant4_pybind": version("geant4-pybind"),
        "data": find_data_sets(config.stand_in_data).description(),
    }


def simulate_with_geant4(
    groups: Sequence[RowGroup],
    run: Geant4Run,
    executor: Executor,
    advance: Callable[[int], None],
    finish: Callable[[Path, Events, Simulated], None],
) -> list[LostEvent]:
    """Simulate the events of all groups; returns those that are left out.

    `finish` writes a shard from its generated and its simulated events. `advance` is called with
    each number of events done. Raises ConfigError where Geant4 cannot be set up, PartflowError
    where no event is left.
    """
    check_geant4(run.detector, run.geant4)
    pending = {group.shard: _Shard(group, run) for group in groups if not group.shard.exists()}
    for group in groups:
        if group.shard not in pending:
            advance(len(read_row_group(group.file, group.group, "generated", ["particles"])))
    tasks, places = [], []
    for shard in pending.values():
        missing = shard.missing()
        advance(shard.num_events - len(missing))
        for event in missing:
            tasks.append((shard.group.file, shard.group.group, event, shard.event_file(event), run))
            places.append((shard, event))
    log = groups[0].shard.parent / LOG_FILE if groups else Path(os.devnull)
    results = executor.try_tasks(_simulate_event, tasks, print_to_file, (log,))
    for shard in list(pending.values()):
        shard.finish_if_complete(finish)
    for number, result in results:
        shard, event = places[number]
        shard.add(event, result.reason if isinstance(result, Failure) else None)
        advance(1)
        shard.finish_if_complete(finish)
    return _all_lost(groups)


def write_report(folder: Path, lost: Sequence[LostEvent], num_events: int) -> None:
    """Write the report on the events that are left out, and tell the user.

    Raises PartflowError where none is left.
    """
    if lost and len(lost) == num_events:
        raise PartflowError(
            f"{folder}: Geant4 failed in all {num_events} events ({lost[0].reason}); "
            f"its messages are in {folder / LOG_FILE}"
        )
    report = {
        "num_events": num_events,
        "num_simulated": num_events - len(lost),
        "left_out": [asdict(event) for event in lost],
    }
    write_text(folder / REPORT_FILE, json.dumps(report, indent=1) + "\n")
    for file in folder.glob("*.lost.json"):
        file.unlink()
    if not lost:
        (folder / LOG_FILE).unlink(missing_ok=True)
        return
    for event in lost[:5]:
        say(f"event {event.event_id} ({event.process}): {event.reason}; left out")
    say(f"{len(lost)} of {num_events} events are left out, see {REPORT_FILE}")


def num_left_out(folder: Path) -> int:
    """Number of events that the report of a folder of events says are left out."""
    file = folder / REPORT_FILE
    return len(json.loads(file.read_text(encoding="utf-8"))["left_out"]) if file.exists() else 0


class _Shard:
    """The events of one row group on their way to a shard."""

    def __init__(self, group: RowGroup, run: Geant4Run) -> None:
        self.group, self.run = group, run
        self.folder = group.shard.with_suffix(".simulated")
        self.folder.mkdir(exist_ok=True)
        for unfinished in self.folder.glob(".*.partial"):
            unfinished.unlink()
        generated = read_row_group(group.file, group.group, "generated", ["particles"])
        self.event_id, self.process = generated.event_id, generated.process
        self.lost: dict[int, str] = {}
        self.num_waiting = len(self.missing())
        self.is_finished = False

    @property
    def num_events(self) -> int:
        return len(self.event_id)

    def event_file(self, event: int) -> Path:
        return self.folder / f"event-{event:05d}.npz"

    def missing(self) -> list[int]:
        """Indices of the events that are not simulated yet."""
        return [i for i in range(self.num_events) if not self.event_file(i).exists()]

    def add(self, event: int, loss: str | None) -> None:
        """Note that an event is simulated, or why it is left out."""
        self.num_waiting -= 1
        if loss is not None:
            self.lost[event] = loss

    def finish_if_complete(self, finish: Callable[[Path, Events, Simulated], None]) -> None:
        """Write the shard once all of its events are simulated or left out."""
        if self.is_finished or self.num_waiting > 0:
            return
        group, run = self.group, self.run
        kept = np.array([i for i in range(self.num_events) if i not in self.lost], dtype=np.int64)
        generated = read_row_group(group.file, group.group, "generated").take(kept)
        if run.background is not None:
            generated = with_background(generated, run.background, run.background_fingerprint)
        events = [_load(self.event_file(i)) for i in kept.tolist()]
        constants = digitisation_constants(run.detector, run.simulation)
        simulated = digitised(generated.event_id, events, run.detector, constants, run.simulation)
        lost = [
            LostEvent(int(self.event_id[i]), str(self.process[i]), self.lost[i])
            for i in sorted(self.lost)
        ]
        if lost:
            text = json.dumps([asdict(event) for event in lost])
            write_text(group.shard.with_suffix(".lost.json"), text)
        finish(group.shard, generated, simulated)
        shutil.rmtree(self.folder)
        self.is_finished = True


def _all_lost(groups: Sequence[RowGroup]) -> list[LostEvent]:
    """The events that are left out of all shards, also of former runs."""
    files = [group.shard.with_suffix(".lost.json") for group in groups]
    return [
        LostEvent(**values)
        for file in files
        if file.exists()
        for values in json.loads(file.read_text(encoding="utf-8"))
    ]


def print_to_file(log: Path) -> None:
    """Let all that this process prints, also from compiled code, go to a file."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _simulate_event(file: Path, group: int, event: int, target: Path, run: Geant4Run) -> None:
    """Simulate one event of a row group and store it."""
    engine = set_up(run.detector, run.simulation, run.geant4)
    generated = _read_group(file, group)[event : event + 1]
    if run.background is not None:
        generated = with_background(generated, run.background, run.background_fingerprint)
    flights = flights_of(generated.particles)
    _store(target, engine.simulate_event(int(generated.event_id[0]), flights))


@lru_cache(maxsize=1)
def _read_group(file: Path, group: int) -> Events:
    """The particles of a row group, read once for its events."""
    return read_row_group(file, group, "generated", ["particles"])


def _store(path: Path, event: SimulatedEvent) -> None:
    """Write an event; raises OutputError where that fails."""
    keys, energies, times = event.contributions
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(
            stream, tracks=event.tracks, yoke_hits=event.yoke_hits,
            keys=keys, energies=energies, times=times,
        )  # fmt: skip


def _load(path: Path) -> SimulatedEvent:
    """The event that `_store` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        contributions = Contributions(*(stored[name] for name in Contributions._fields))
        return SimulatedEvent(stored["tracks"], contributions, stored["yoke_hits"])
