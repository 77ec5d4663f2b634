"""Samples to summaries, chunk by chunk, on as many processes as wanted.

A chunk that is done leaves a small file; a run that was cut short goes on behind the last one.
What a chunk holds depends on its sample alone, so the result is the same with any number of
workers.
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
"""Folders of what is needed only while a validation runs."""


def summarise_samples(
    samples: Sequence[SampleConfig], folder: Path, detector: Detector, workers: int
) -> dict[str, Summary]:
    """The summary of every sample, by its name; what `folder` holds already is not made again."""
    for sample in samples:
        file = generated_file(folder, sample)
        if sample.study == Study.COLLISIONS and not file.exists():
            pipeline.generate(sample.generation, file)
    for study in Study:
        of_study = [sample for sample in samples if sample.study == study]
        _run(study, of_study, folder, detector, workers)
    return {
        sample.name: concatenate(
            [load(_chunk_file(folder, sample, i)) for i in range(_num_chunks(sample, folder))]
        )
        for sample in samples
    }


def generated_file(folder: Path, sample: SampleConfig) -> Path:
    """Where the generator particles of a collision sample are while a validation runs."""
    return folder / GENERATED / f"{sample.name}.parquet"


def _run(
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
    """Simulate one chunk and leave its summary; returns the number of its events."""
    generated = _generated_chunk(sample, number, folder)
    tables = _summarise(sample.study, generated, detector)
    save(_chunk_file(folder, sample, number), Summary(len(generated), tables))
    return len(generated)


def _summarise(study: Study, generated: Events, detector: Detector) -> dict[str, Sample]:
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
    if sample.study == Study.COLLISIONS:
        return read_row_group(generated_file(folder, sample), number, GENERATED)
    # A gun makes its particles faster than a file could be read.
    for i, events in enumerate(generate_events(sample.generation, CHUNK_SIZE)):
        if i == number:
            return events
    raise IndexError(number)


def _num_chunks(sample: SampleConfig, folder: Path) -> int:
    if sample.study == Study.COLLISIONS:  # Pythia may give up events: a chunk may be smaller
        return num_row_groups(generated_file(folder, sample))
    return -(-sample.generation.num_events // CHUNK_SIZE)


def _chunk_file(folder: Path, sample: SampleConfig, number: int) -> Path:
    return folder / CHUNKS / f"{sample.name}-{number:05d}.npz"
