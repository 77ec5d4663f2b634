"""Both engines' tables of all events: the stored ones, and the same ones simulated again.

The events are read and simulated one row group at a time, in several processes. The tables of each
row group are written to a file, and an interrupted comparison continues after the last one. A row
group depends on its folder alone, so the result is the same with any number of workers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from partflow import pipeline
from partflow.core import engines
from partflow.core.detector import Detector
from partflow.core.errors import InputError
from partflow.core.hadron_scale import for_engine, load_hadron_scale
from partflow.core.progress import progress
from partflow.core.records import Array, Events
from partflow.core.store import num_row_groups, read_row_group
from partflow.core.workers import in_processes
from partflow.evaluate.sample import Sample
from partflow.generate.processes import GUN
from partflow.simulate import Simulated, simulate
from partflow.validate.comparison.jet_quantities import measure_collisions
from partflow.validate.comparison.reference import Reference
from partflow.validate.comparison.shapes import measure_shapes
from partflow.validate.summaries import Summary, concatenate, load, save

REFERENCE, FAST = "reference", "fast"
"""Beginnings of the names of the tables of each engine in a summary."""
SHOWERS = "showers"
"""Name of the table of single particles."""
CHUNKS = "chunks"
"""Folder that is removed when a comparison is finished."""


@dataclass(frozen=True)
class ComparedSample:
    """Events that are compared together: those of guns, or one process at one energy."""

    process: str
    energy: float
    """Centre-of-mass energy [GeV], to three digits; 0 for guns."""
    setting: str
    """`Reference.setting_label`."""

    @property
    def is_gun(self) -> bool:
        """Whether the events are single particles."""
        return self.process == GUN

    @property
    def label(self) -> str:
        """Name of the sample: process, energy and setting."""
        energy = [] if self.is_gun else [f"{self.energy:g} GeV"]
        return ", ".join([self.process, *energy, *filter(None, [self.setting])])


class Chunk(NamedTuple):
    """The events of one process in one row group of a folder."""

    sample: ComparedSample
    reference: Reference
    file: Path
    row_group: int
    num_events: int


def plan_chunks(references: Sequence[Reference]) -> list[Chunk]:
    """All events of the folders, divided into chunks; reads their particles only.

    Raises InputError where there is nothing to compare, where two folders hold the same event, or
    where an event of a gun has several particles.
    """
    chunks: list[Chunk] = []
    ids: list[Array] = []
    for reference in references:
        parts: list[tuple[str, Path, int]] = []
        energies: dict[str, list[Array]] = {}
        for file in reference.files:
            for row_group in range(num_row_groups(file)):
                events = read_row_group(file, row_group, "events", ["particles"])
                ids.append(events.event_id)
                for process in sorted(set(events.process.tolist())):
                    part = of_process(events, process)
                    _check_guns(part, file)
                    parts.append((process, file, row_group))
                    energies.setdefault(process, []).append(total_energies(part))
        samples = {
            process: ComparedSample(
                process, _collision_energy(process, totals), reference.setting_label
            )
            for process, totals in energies.items()
        }
        for process, file, row_group in parts:
            num_events = len(energies[process].pop(0))
            chunks.append(Chunk(samples[process], reference, file, row_group, num_events))
    if not chunks:
        folders = ", ".join(str(reference.folder) for reference in references)
        raise InputError(f"{folders}: no events to compare; simulate some with `partflow simulate`")
    event_id, count = np.unique(np.concatenate(ids), return_counts=True)
    if np.any(count > 1):
        raise InputError(
            f"event {event_id[count > 1][0]} is in the folders twice; give each event once"
        )
    return chunks


def of_process(events: Events, process: str) -> Events:
    """The events of one process."""
    rows = np.flatnonzero(events.process == process)
    collections = {name: part.take(rows) for name, part in events.collections.items()}
    return Events(events.event_id[rows], events.process[rows], collections)


def total_energies(events: Events) -> Array:
    """Energy of all particles of each event, without overlaid ones, [event] (GeV)."""
    particles = events.particles.select(events.particles.is_overlay == 0)
    return np.bincount(particles.event_index, particles.energy, len(events))


def _collision_energy(process: str, totals: Sequence[Array]) -> float:
    """`ComparedSample.energy` of a process from the energies of its events."""
    return 0.0 if process == GUN else float(f"{np.median(np.concatenate(totals)):.3g}")


def _check_guns(events: Events, file: Path) -> None:
    """Raise InputError for an event of a gun without exactly one particle."""
    counts = events.particles.counts
    bad = np.flatnonzero((events.process == GUN) & (counts != 1))
    if len(bad):
        raise InputError(
            f"{file}: event {events.event_id[bad[0]]} of a gun has {counts[bad[0]]} particles; "
            "the shower of one particle is compared: simulate without --overlay"
        )


def summarise_chunks(
    chunks: Sequence[Chunk], folder: Path, detector: Detector, workers: int
) -> dict[ComparedSample, Summary]:
    """The tables of both engines of each sample; finished chunks in `folder` are not made again."""
    files = [folder / CHUNKS / f"{number:05d}.npz" for number in range(len(chunks))]
    tasks = [(chunk, file) for chunk, file in zip(chunks, files, strict=True) if not file.exists()]
    work = partial(_summarise_chunk, detector=detector)
    if tasks:
        with progress("validate: both engines", sum(c.num_events for c, _ in tasks)) as advance:
            for done in in_processes(work, tasks, workers, pipeline.PRELOAD):
                advance(done)
    parts: dict[ComparedSample, list[Summary]] = {}
    for chunk, file in zip(chunks, files, strict=True):
        parts.setdefault(chunk.sample, []).append(load(file))
    return {sample: concatenate(summaries) for sample, summaries in parts.items()}


def tables_of(summary: Summary, engine: str) -> dict[str, Any]:
    """The tables of one engine (REFERENCE or FAST) by their names."""
    prefix = f"{engine} "
    return {
        name.removeprefix(prefix): table
        for name, table in summary.tables.items()
        if name.startswith(prefix)
    }


def _summarise_chunk(chunk: Chunk, file: Path, detector: Detector) -> int:
    """Measure one chunk in both engines and write the tables; return the number of its events."""
    stored = of_process(read_row_group(chunk.file, chunk.row_group, "events"), chunk.sample.process)
    generated = replace(stored, collections={"particles": stored.particles})
    measured: Mapping[str, Mapping[str, Sample]]
    if chunk.sample.is_gun:
        measured = {
            REFERENCE: {SHOWERS: measure_shapes(stored.particles, stored.hits, detector)},
            FAST: {SHOWERS: _fast_showers(generated, chunk.reference, detector)},
        }
    else:
        config, of_fast = chunk.reference.config, for_engine(detector, engines.FAST)
        again = pipeline.reconstruct_by_rules(stored, _simulated(stored), detector, config)
        fast = pipeline.simulate_events(generated, of_fast, config)
        measured = {
            REFERENCE: measure_collisions(again, detector, load_hadron_scale(detector)),
            FAST: measure_collisions(fast, of_fast, load_hadron_scale(of_fast)),
        }
    tables = {
        f"{engine} {name}": table
        for engine, of_engine in measured.items()
        for name, table in of_engine.items()
    }
    save(file, Summary(len(stored), tables))
    return len(stored)


def _simulated(events: Events) -> Simulated:
    """What an engine made of stored events, for the present baseline to reconstruct.

    The one that is stored with the events may be of an older version.
    """
    return Simulated(events.hits, events.tracks, events.contributions, events.track_particles)


def _fast_showers(generated: Events, reference: Reference, detector: Detector) -> Sample:
    """Showers of the fast engine, which need no reconstruction."""
    particles = generated.particles
    simulated = simulate(particles, generated.event_id, detector, reference.config)
    return measure_shapes(particles, simulated.hits, detector)
