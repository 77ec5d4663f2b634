"""The whole way, room by room: the only file that calls every one of them.

Each function is one stage: it reads what the stage before wrote and writes its own output
whole or not at all. A stage that is finished already (same configuration, inputs, version)
is skipped; a folder that was cut short is taken up where it stopped.

Rooms that load torch, fastjet or matplotlib are imported by the stage that needs them: a
worker that simulates should not wait for them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from partflow.core.detector import Detector, detector
from partflow.core.errors import InputError
from partflow.core.hadron_scale import load_hadron_scale
from partflow.core.outputs import growing_folder, write_text
from partflow.core.progress import console, progress
from partflow.core.provenance import Provenance, provenance
from partflow.core.records import PARTICLES, Collection, Events
from partflow.core.store import (
    EventWriter,
    holds,
    iterate_events,
    num_events,
    num_groups,
    read_group,
    read_provenance,
    shards,
    write_events,
)
from partflow.core.stream import CandidateStream
from partflow.core.workers import in_processes
from partflow.generate.config import GenerationConfig
from partflow.reconstruct.reconstruction import reconstruct as rule_based
from partflow.simulate.config import SimulationConfig
from partflow.simulate.simulation import simulate as fast_simulation

SHARD_EVENTS = 100
"""Events per shard: the unit of memory, of work, and of what a restart can keep."""
BASELINE = "baseline"
PACKED = "packed"
"""Folder of the flat arrays beside the labelled shards."""
NO_LIMIT = 1_000_000
"""More epochs than any run sees."""


# --- generate -----------------------------------------------------------------------------


def generate(config: GenerationConfig, output: Path, overwrite: bool = False) -> None:
    """Generator particles of `config.num_events` events -> one Parquet file."""
    from partflow.generate.generation import generate as generate_events

    record = provenance("generated", config, config.seed)
    if holds(output, record, overwrite):
        return _say_done(output)
    with (
        EventWriter(output, "generated", record) as writer,
        progress(f"generate {config.process}", config.num_events) as advance,
    ):
        for events in generate_events(config, SHARD_EVENTS):
            writer.write(events)
            advance(len(events))


# --- simulate -----------------------------------------------------------------------------


def simulate(
    inputs: Sequence[Path],
    output: Path,
    detector_name: str = "clic",
    config: SimulationConfig | None = None,
    workers: int = 1,
    overwrite: bool = False,
) -> None:
    """Generated events -> hits, tracks, clusters, baseline candidates and their truth.

    Shard boundaries and random numbers depend on the input alone, so the output is the same
    with any number of workers.
    """
    config, setup = config or SimulationConfig(), detector(detector_name)
    files = [file for path in inputs for file in shards(path, "generated")]
    settings = {"detector": detector_name, "simulation": asdict(config)}
    record = provenance("events", settings, inputs=inputs)
    with growing_folder(output, record, overwrite) as folder:
        if folder is None:
            return _say_done(output)
        groups = [(file, group) for file in files for group in range(num_groups(file))]
        tasks = [
            (file, group, folder / f"events-{number:05d}.parquet")
            for number, (file, group) in enumerate(groups)
        ]
        work = partial(_simulate_shard, setup=setup, config=config, record=record)
        total = sum(num_events(file, "generated") for file in files)
        with progress("simulate", total) as advance:
            for done in in_processes(work, tasks, workers, partial(compile_kernels, config)):
                advance(done)


def simulate_events(generated: Events, setup: Detector, config: SimulationConfig) -> Events:
    """Simulation and rule-based reconstruction of events with the collection `particles`."""
    simulated = fast_simulation(generated.particles, generated.event_id, setup, config)
    found = rule_based(simulated.hits, simulated.tracks, setup)
    return generated.with_collections(
        hits=simulated.hits,
        tracks=simulated.tracks,
        clusters=found.clusters,
        hit_clusters=found.hit_clusters,
        contributions=simulated.contributions,
        track_particles=simulated.track_particles,
        baseline=found.candidates,
    )


def _simulate_shard(
    file: Path,
    group: int,
    shard: Path,
    setup: Detector,
    config: SimulationConfig,
    record: Provenance,
) -> int:
    generated = read_group(file, group, "generated")
    if not shard.exists():  # an earlier, interrupted run may have made it
        write_events(shard, simulate_events(generated, setup, config), "events", record)
    return len(generated)


def compile_kernels(config: SimulationConfig) -> None:
    """Compile once before the workers start, so that each finds the kernels in the cache."""
    nothing = Events(np.zeros(1), np.array(["none"]), {"particles": Collection.empty(PARTICLES, 1)})
    simulate_events(nothing, detector("clic"), config)


# --- label --------------------------------------------------------------------------------


def label(events: Path, output: Path, overwrite: bool = False) -> None:
    """Events -> elements and the particle each should become, plus flat arrays for training."""
    from partflow.dataset.packing import pack
    from partflow.label.report import LabelReport

    num = num_events(events, "events")
    record = provenance("labelled", {"definition": "closed"}, inputs=[events])
    with growing_folder(output, record, overwrite) as folder:
        if folder is None:
            return _say_done(output)
        report = LabelReport()
        with progress("label", num) as advance:
            for number, run in enumerate(iterate_events(events, "events")):
                labelled, of_run = label_events(run)
                shard = folder / f"labelled-{number:05d}.parquet"
                write_events(shard, labelled, "labelled", record)
                report = report + of_run
                advance(len(run))
        write_text(folder / "label-report.json", json.dumps(report.to_dict(), indent=1))
        pack(iterate_events(folder, "labelled"), folder / PACKED, record)


def label_events(events: Events) -> tuple[Events, Any]:
    """Labelled events of `events`, and the report on what was labelled."""
    from partflow.core.features import build_elements
    from partflow.label.labelling import label as label_targets

    labels = label_targets(
        events.particles,
        events.tracks,
        events.clusters,
        events.hit_clusters,
        events.contributions,
        events.track_particles,
        events.event_id,
    )
    collections = {
        "elements": build_elements(events.tracks, events.clusters),
        "targets": labels.targets,
        "gen_jets": labels.gen_jets,
        "target_jets": labels.target_jets,
        "gen_met": labels.gen_met,
    }
    return Events(events.event_id, events.process, collections), labels.report


# --- train --------------------------------------------------------------------------------


def train(
    labelled: Path,
    output: Path,
    preset: str = "small",
    max_minutes: float | None = None,
    epochs: int | None = None,
    seed: int = 1,
    threads: int | None = None,
    resume: bool = False,
) -> Any:
    """Labelled events -> a trained model in `output`; returns `train.trainer.TrainResult`."""
    from partflow.dataset.packed import PackedDataset
    from partflow.presets import preset as named
    from partflow.train.trainer import train as train_model

    chosen = named(preset)
    if epochs is None:  # with a time limit alone, the clock ends the run
        epochs = chosen.train.epochs if max_minutes is None else NO_LIMIT
    config = replace(
        chosen.train, epochs=epochs, max_minutes=max_minutes, seed=seed, threads=threads
    )
    dataset = PackedDataset.open(labelled / PACKED)
    settings = {"preset": preset, "model": asdict(chosen.model), "train": asdict(config)}
    record = provenance("model", settings, seed, [labelled])
    return train_model(dataset, chosen.model, config, output, resume=resume, record=record)


# --- reconstruct --------------------------------------------------------------------------


def reconstruct(events: Path, model: str, output: Path, overwrite: bool = False) -> None:
    """Events -> candidates of a trained model, or of the rule-based baseline."""
    num = num_events(events, "events")
    find: Callable[[Events], Collection]
    if model == BASELINE:
        find, needed, inputs = _baseline_candidates, [BASELINE], [events]
    else:
        find, needed, inputs = _network(Path(model)), ["tracks", "clusters"], [events, Path(model)]
    record = provenance("candidates", {"model": Path(model).name}, inputs=inputs)
    if holds(output, record, overwrite):
        return _say_done(output)
    with (
        EventWriter(output, "candidates", record) as writer,
        progress("reconstruct", num) as advance,
    ):
        for run in iterate_events(events, "events", needed):
            writer.write(Events(run.event_id, run.process, {"candidates": find(run)}))
            advance(len(run))


def _baseline_candidates(events: Events) -> Collection:
    return events.baseline


def _network(folder: Path) -> Callable[[Events], Collection]:
    from partflow.core.features import build_elements
    from partflow.infer.reconstruction import reconstruct as infer
    from partflow.model.folder import load_model

    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such model folder; give the output of `partflow train`, or 'baseline'"
        )
    model = load_model(folder)
    return lambda events: infer(model, build_elements(events.tracks, events.clusters))


# --- evaluate -----------------------------------------------------------------------------


def evaluate(
    events: Path,
    candidates: Mapping[str, Path],
    output: Path,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Judge candidates beside baseline, perfect and target PF -> metrics, plots, report."""
    from partflow.evaluate.evaluation import Evaluator, write_evaluation

    taken = {BASELINE, "perfect", "target"} & set(candidates)
    if taken:
        raise InputError(f"candidates {taken.pop()!r}: this name is always there; choose another")
    num = num_events(events, "events")
    for path in candidates.values():
        shards(path, "candidates")
    record = provenance(
        "report", {"candidates": sorted(candidates)}, inputs=[events, *candidates.values()]
    )
    with growing_folder(output, record, overwrite) as folder:
        if folder is None:
            _say_done(output)
            return dict(json.loads((output / "metrics.json").read_text()))
        setup = _detector_of(events)
        streams = {name: CandidateStream(name, path) for name, path in candidates.items()}
        evaluator = Evaluator()
        with progress("evaluate", num) as advance:
            for run in iterate_events(events, "events"):
                sets = {name: stream.take(run.event_id) for name, stream in streams.items()}
                targets, columns = reference_candidates(run, setup)
                evaluator.add(
                    run.particles, targets, run.tracks, run.clusters,
                    {**sets, BASELINE: run.baseline, **columns}, run.process, run.event_id,
                )  # fmt: skip
                advance(len(run))
        for stream in streams.values():
            stream.expect_end()
        with console.status("figures and page") as status:
            return write_evaluation(
                evaluator, folder, record, lambda part: status.update(f"written: {part}")
            )


# --- demo ---------------------------------------------------------------------------------

DEMO_PROCESSES = ("ttbar", "qq", "ww")
DEMO_TRAINING_EVENTS, DEMO_TEST_EVENTS = 900, 200  # of each process
DEMO_TRAINING_MINUTES = 2.5


def demo(output: Path, workers: int = 2, seed: int = 1) -> dict[str, Any]:
    """The whole way on fresh events; the network is judged on events it has not seen."""
    sets = {"train": (seed, DEMO_TRAINING_EVENTS), "test": (seed + 1, DEMO_TEST_EVENTS)}
    for name, (own_seed, num) in sets.items():
        files = [output / name / f"{process}.parquet" for process in DEMO_PROCESSES]
        for process, file in zip(DEMO_PROCESSES, files, strict=True):
            generate(GenerationConfig(process, num, own_seed), file)
        simulate(files, output / name / "events", workers=workers)
    events, model = output / "test" / "events", output / "model"
    label(output / "train" / "events", output / "train" / "labelled")
    train(
        output / "train" / "labelled",
        model,
        preset="tiny",
        max_minutes=DEMO_TRAINING_MINUTES,
        seed=seed,
        threads=workers,
    )
    reconstruct(events, str(model), output / "mlpf.parquet")
    return evaluate(events, {"mlpf": output / "mlpf.parquet"}, output / "report")


def reference_candidates(
    events: Events, setup: Detector
) -> tuple[Collection, dict[str, Collection]]:
    """Targets of simulated events, and the candidates made from truth: perfect and target PF."""
    from partflow.label.candidates import perfect_candidates, target_candidates

    labelled, _ = label_events(events)
    perfect = perfect_candidates(
        events.particles,
        events.tracks,
        events.hits,
        events.hit_clusters,
        events.contributions,
        events.track_particles,
        load_hadron_scale(setup),
    )
    target = target_candidates(labelled.targets, events.tracks, events.clusters)
    return labelled.targets, {"perfect": perfect, "target": target}


def _detector_of(events: Path) -> Detector:
    record = read_provenance(shards(events, "events")[0])
    return detector(str(record.config.get("detector", "")))


def _say_done(output: Path) -> None:
    console.print(f"{output}: finished already, nothing to do (--overwrite makes it again)")
