"""Simulation of the samples, in chunks and in several processes, into summaries.

The summary of each chunk is written to a file, and an interrupted run continues after the last one.
A chunk depends on its sample alone, so the result is the same with any number of workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from partflow import pipeline
from partflow.core.detector import Detector
from partflow.core.hadron_scale import load_hadron_scale
from partflow.core.progress import progress
from partflow.core.records import Events
from partflow.core.store import num_row_groups, read_row_group
from partflow.core.workers import in_processes
from partflow.evaluate.sample import Sample
from partflow.generate.generation import CHUNK_SIZE
from partflow.generate.generation import generate as generate_events
from partflow.simulate import SimulationConfig, simulate
from partflow.validate.measure.collisions import summarise_collisions
from partflow.validate.measure.particles import summarise_particles
from partflow.validate.measure.showers import summarise_showers
from partflow.validate.measure.tracks import summarise_tracks
from partflow.validate.samples import SampleConfig, Study
from partflow.validate.summaries import Summary, concatenate, load, save

WITH_MATERIAL = SimulationConfig()
WITHOUT_MATERIAL = SimulationConfig(tracker_material=False)
GENERATED, CHUNKS = "generated", "chunks"
"""Folders that are removed when a validation is finished."""


def summarise_samples(
    samples: Sequence[SampleConfig], folder: Path, detector: Detector, workers: int
) -> dict[str, Summary]:
    """The summary of each sample, by its name; finished chunks in `folder` are not made again."""
    for sample in samples:
        file = generated_file(folder, sample)
        if sample.study == Study.COLLISIONS and not file.exists():
            pipeline.generate(sample.generation, file)
    for study in Study:
        of_study = [sample for sample in samples if sample.study == study]
        _simulate_study(study, of_study, folder, detector, workers)
    return {
        sample.name: concatenate(
            [load(_chunk_file(folder, sample, i)) for i in range(_num_chunks(sample, folder))]
        )
        for sample in samples
    }


def generated_file(folder: Path, sample: SampleConfig) -> Path:
    """File of the generator particles of a collision sample in an unfinished validation."""
    return folder / GENERATED / f"{sample.name}.parquet"


def _simulate_study(
    study: Study, samples: Sequence[SampleConfig], folder: Path, detector: Detector, workers: int
) -> None:
    """Simulate and summarise the missing chunks of the samples of one study."""
    tasks = [
        (sample, number)
        for sample in samples
        for number in range(_num_chunks(sample, folder))
        if not _chunk_file(folder, sample, number).exists()
    ]
    work = partial(_summarise_chunk, folder=folder, detector=detector)
    total = sum(sample.generation.num_events // _num_chunks(sample, folder) for sample, _ in tasks)
    if tasks:
        with progress(f"validate: {study}", total) as advance:
            for done in in_processes(work, tasks, workers, pipeline.PRELOAD):
                advance(done)


def _summarise_chunk(sample: SampleConfig, number: int, folder: Path, detector: Detector) -> int:
    """Simulate one chunk and write its summary; return the number of its events."""
    generated = _generated_chunk(sample, number, folder)
    tables = _summarise(sample.study, generated, detector)
    save(_chunk_file(folder, sample, number), Summary(len(generated), tables))
    return len(generated)


def _summarise(study: Study, generated: Events, detector: Detector) -> dict[str, Sample]:
    """Simulate generated events as far as the study needs, and return their tables by name."""
    scale = load_hadron_scale(detector)
    if study == Study.COLLISIONS:
        events = pipeline.simulate_events(generated, detector, WITH_MATERIAL)
        return summarise_collisions(events, detector, scale)
    if study == Study.PARTICLES:
        events = pipeline.simulate_events(generated, detector, WITH_MATERIAL)
        return {"particles": summarise_particles(events)}
    simulated = simulate(generated.particles, generated.event_id, detector, WITHOUT_MATERIAL)
    if study == Study.SHOWERS:
        return {"showers": summarise_showers(generated, simulated.hits, detector, scale)}
    return {"tracks": summarise_tracks(generated.particles, simulated.tracks)}


def _generated_chunk(sample: SampleConfig, number: int, folder: Path) -> Events:
    """Generator particles of chunk `number`; collisions are read from their file."""
    if sample.study == Study.COLLISIONS:
        return read_row_group(generated_file(folder, sample), number, GENERATED)
    # The particles of a gun are generated faster than a file can be read.
    for i, events in enumerate(generate_events(sample.generation, CHUNK_SIZE)):
        if i == number:
            return events
    raise IndexError(number)


def _num_chunks(sample: SampleConfig, folder: Path) -> int:
    """Number of chunks of a sample."""
    if sample.study == Study.COLLISIONS:  # Pythia may skip events, which makes chunks smaller
        return num_row_groups(generated_file(folder, sample))
    return -(-sample.generation.num_events // CHUNK_SIZE)


def _chunk_file(folder: Path, sample: SampleConfig, number: int) -> Path:
    """File of the summary of a chunk."""
    return folder / CHUNKS / f"{sample.name}-{number:05d}.npz"
