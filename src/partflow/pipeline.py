"""The whole way, room by room: the only file that calls every one of them.

Each function is one stage: it reads what the stage before wrote and writes its own output
whole or not at all. A stage that is finished already (same configuration, inputs, version)
is skipped; a folder that was cut short is taken up where it stopped.

Longer than a file should be: it is the list of all stages, each of them short, and the next
thing to split when one more joins.

Rooms that load torch, fastjet or matplotlib are imported by the stage that needs them: a
worker that simulates should not wait for them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from partflow.core.detector import Detector, detector
from partflow.core.errors import ConfigError, InputError
from partflow.core.features import ELEMENT_SETS
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
from partflow.core.workers import check_workers, in_processes
from partflow.generate.config import GenerationConfig
from partflow.reconstruct.fine import fine_clusters
from partflow.reconstruct.reconstruction import reconstruct as rule_based
from partflow.simulate.config import SimulationConfig
from partflow.simulate.simulation import simulate as fast_simulation

if TYPE_CHECKING:
    from partflow.label.config import LabelConfig

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
    fine_elements: bool = False,
) -> None:
    """Generated events -> hits, tracks, clusters, baseline candidates and their truth.

    With `fine_elements` finer clusters are written beside the baseline's. Shard boundaries and
    random numbers depend on the input alone, so the output is the same with any number of workers.
    """
    check_workers(workers)
    config, setup = config or SimulationConfig(), detector(detector_name)
    files = [file for path in inputs for file in shards(path, "generated")]
    settings = {
        "detector": detector_name,
        "simulation": asdict(config),
        "fine_elements": fine_elements,
    }
    record = provenance("events", settings, inputs=inputs)
    with growing_folder(output, record, overwrite) as folder:
        if folder is None:
            return _say_done(output)
        groups = [(file, group) for file in files for group in range(num_groups(file))]
        tasks = [
            (file, group, folder / f"events-{number:05d}.parquet")
            for number, (file, group) in enumerate(groups)
        ]
        work = partial(
            _simulate_shard, setup=setup, config=config, record=record, fine_elements=fine_elements
        )
        total = sum(num_events(file, "generated") for file in files)
        with progress("simulate", total) as advance:
            for done in in_processes(work, tasks, workers, partial(compile_kernels, config)):
                advance(done)


def simulate_events(
    generated: Events, setup: Detector, config: SimulationConfig, fine_elements: bool = False
) -> Events:
    """Simulation and rule-based reconstruction of events with the collection `particles`."""
    simulated = fast_simulation(generated.particles, generated.event_id, setup, config)
    found = rule_based(simulated.hits, simulated.tracks, setup)
    finer = {}
    if fine_elements:
        fine = fine_clusters(simulated.hits, setup)
        finer = {"fine_clusters": fine.clusters, "fine_hit_clusters": fine.hit_clusters}
    return generated.with_collections(
        hits=simulated.hits,
        tracks=simulated.tracks,
        clusters=found.clusters,
        hit_clusters=found.hit_clusters,
        contributions=simulated.contributions,
        track_particles=simulated.track_particles,
        baseline=found.candidates,
        **finer,
    )


def _simulate_shard(
    file: Path,
    group: int,
    shard: Path,
    setup: Detector,
    config: SimulationConfig,
    record: Provenance,
    fine_elements: bool,
) -> int:
    generated = read_group(file, group, "generated")
    if not shard.exists():  # an earlier, interrupted run may have made it
        simulated = simulate_events(generated, setup, config, fine_elements)
        write_events(shard, simulated, "events", record)
    return len(generated)


def compile_kernels(config: SimulationConfig) -> None:
    """Compile once before the workers start, so that each finds the kernels in the cache."""
    nothing = Events(np.zeros(1), np.array(["none"]), {"particles": Collection.empty(PARTICLES, 1)})
    simulate_events(nothing, detector("clic"), config)


# --- ingest and export --------------------------------------------------------------------


def ingest(
    inputs: Sequence[Path],
    output: Path,
    format: str = "edm4hep",
    detector_name: str = "clic",
    workers: int = 1,
    process: str | None = None,
    overwrite: bool = False,
) -> None:
    """Full-simulation EDM4hep files -> events; published data sets -> labelled events."""
    if format == "edm4hep":
        from partflow.ingest.ingestion import ingest as ingest_edm4hep

        ingest_edm4hep(inputs, output, detector_name, workers, process, overwrite)
        return
    from partflow.dataset.packing import pack
    from partflow.ingest.tfds.ingestion import ingest_tfds

    found = ingest_tfds(inputs, output, workers, overwrite)
    for folder in found.folders.values():
        record = read_provenance(shards(folder, "labelled")[0])
        pack(iterate_events(folder, "labelled"), folder / PACKED, record)
    found.report.raise_if_failed(str(output))


def export_dataset(
    source: Path,
    output: Path,
    format: str = "tfds",
    name: str = "",
    candidates: Mapping[str, Path] | None = None,
    overwrite: bool = False,
) -> None:
    """Labelled events -> a published data set; events -> EDM4hep files."""
    if format == "tfds":
        from partflow.ingest.tfds.writing import export_tfds

        console.print(export_tfds(source, output, name, overwrite))
        return
    from partflow.ingest.edm4hep.export import export_edm4hep

    export_edm4hep(source, output, candidates or {}, overwrite)


# --- label --------------------------------------------------------------------------------


def label(
    events: Path,
    output: Path,
    definition: str = "closed",
    overwrite: bool = False,
    elements: str = "final",
    config: LabelConfig | None = None,
) -> None:
    """Events -> elements and the particle each should become, plus flat arrays for training."""
    from partflow.dataset.packing import pack
    from partflow.label.config import LabelConfig

    num, config = num_events(events, "events"), config or LabelConfig()
    _check_elements(events, elements)
    chosen = asdict(config) if definition == config.definition else {}
    settings = {**chosen, "definition": definition, "elements": elements}
    record = provenance("labelled", settings, inputs=[events])
    with growing_folder(output, record, overwrite) as folder:
        if folder is None:
            return _say_done(output)
        report = None
        with progress("label", num) as advance:
            for number, run in enumerate(iterate_events(events, "events")):
                labelled, of_run = label_events(run, definition, elements, config)
                shard = folder / f"labelled-{number:05d}.parquet"
                write_events(shard, labelled, "labelled", record)
                report = of_run if report is None else report + of_run
                advance(len(run))
        if report is not None:
            write_text(folder / "label-report.json", json.dumps(report.to_dict(), indent=1))
        runs = iterate_events(folder, "labelled")
        pack(runs, folder / PACKED, record, elements=elements)


def label_events(
    events: Events,
    definition: str = "closed",
    elements: str = "final",
    config: LabelConfig | None = None,
) -> tuple[Events, Any]:
    """Labelled events of `events`, and the report on what was labelled."""
    from partflow.core.features import build_elements
    from partflow.label.labelling import label as label_targets
    from partflow.label.published import label_published
    from partflow.label.published_elements import baseline_on_elements

    if definition == "mlpf-2.5":
        if elements != "final":
            raise ConfigError(f"definition {definition}: it is one of the final elements only")
        return label_published(events)
    clusters, hit_clusters = (events.collections[name] for name in ELEMENT_SETS[elements])
    labels = label_targets(
        events.particles,
        events.tracks,
        clusters,
        hit_clusters,
        events.contributions,
        events.track_particles,
        events.event_id,
        events.hits,
        config,
    )
    collections = {
        "elements": build_elements(events.tracks, clusters),
        "targets": labels.targets,
        "shares": labels.shares,
        "gen_jets": labels.gen_jets,
        "target_jets": labels.target_jets,
        "gen_met": labels.gen_met,
    }
    if elements == "final":  # the baseline's candidates stand at these
        collections["baseline_targets"] = baseline_on_elements(
            events.baseline, events.tracks, clusters
        )
    return Events(events.event_id, events.process, collections), labels.report


def _check_elements(events: Path, elements: str) -> None:
    """Raise ConfigError for a set of elements that is unknown, InputError where it is missing."""
    if elements not in ELEMENT_SETS:
        raise ConfigError(f"elements {elements!r}: choose one of {', '.join(ELEMENT_SETS)}")
    if elements != "final":
        for file in shards(events, "events"):
            if not read_provenance(file).config.get("fine_elements"):
                raise InputError(
                    f"{file}: holds no fine clusters; simulate again with --fine-elements"
                )


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
    model = replace(chosen.model, elements=dataset.elements)
    settings = {"preset": preset, "model": asdict(model), "train": asdict(config)}
    record = provenance("model", settings, seed, [labelled])
    return train_model(dataset, model, config, output, resume=resume, record=record)


# --- reconstruct --------------------------------------------------------------------------


def reconstruct(events: Path, model: str, output: Path, overwrite: bool = False) -> None:
    """Events -> candidates of a trained model, or of the rule-based baseline."""
    num = num_events(events, "events")
    find: Callable[[Events], Collection]
    if model == BASELINE:
        find, needed, inputs = _baseline_candidates, [BASELINE], [events]
        elements = "final"
    else:
        find, elements = _network(Path(model))
        _check_elements(events, elements)
        needed, inputs = ["tracks", ELEMENT_SETS[elements][0]], [events, Path(model)]
    record = provenance(
        "candidates", {"model": Path(model).name, "elements": elements}, inputs=inputs
    )
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


def _network(folder: Path) -> tuple[Callable[[Events], Collection], str]:
    """The network in `folder` at work, and the set of elements that it needs."""
    from partflow.core.features import build_elements
    from partflow.infer.reconstruction import reconstruct as infer
    from partflow.model.folder import load_model

    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such model folder; give the output of `partflow train`, or 'baseline'"
        )
    model = load_model(folder)
    elements = model.config.elements
    clusters = ELEMENT_SETS[elements][0]

    def find(events: Events) -> Collection:
        return infer(model, build_elements(events.tracks, events.collections[clusters]))

    return find, elements


# --- evaluate -----------------------------------------------------------------------------


def evaluate(
    events: Path,
    candidates: Mapping[str, Path],
    output: Path,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Judge candidates beside baseline, perfect and target PF -> metrics, plots, report."""
    from partflow.evaluate.evaluation import Evaluator, write_evaluation
    from partflow.evaluate.evaluator import REFERENCES

    taken = set(REFERENCES) & set(candidates)
    if taken:
        raise InputError(f"candidates {taken.pop()!r}: this name is always there; choose another")
    num = num_events(events, "events")
    elements = {name: _elements_of(path) for name, path in candidates.items()}
    for own in elements.values():
        _check_elements(events, own)
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
                references = reference_candidates(run, setup)
                targets = references.targets
                evaluator.add(
                    run.particles, targets["final"], run.tracks, run.clusters,
                    {**sets, BASELINE: run.baseline, **references.candidates}, run.process,
                    run.event_id,
                    {n: targets[own] for n, own in (elements | references.elements).items()},
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


class References(NamedTuple):
    """What candidates are judged by, and candidates made from the truth to stand beside them."""

    targets: dict[str, Collection]
    """Targets of each set of elements that the events hold."""
    candidates: dict[str, Collection]
    """Perfect and target particle flow, perfect sharing of each set of elements."""
    elements: dict[str, str]
    """Set of elements that those candidates are made from, where it is not the final ones."""


def reference_candidates(events: Events, setup: Detector) -> References:
    """Targets of simulated events, and the ceilings as candidates."""
    from partflow.evaluate.evaluator import PERFECT, SHARING, SHARING_FINE, TARGET
    from partflow.label.candidates import (
        perfect_candidates,
        sharing_candidates,
        target_candidates,
    )

    scale = load_hadron_scale(setup)
    targets, candidates = {}, {}
    candidates[PERFECT] = perfect_candidates(
        events.particles,
        events.tracks,
        events.hits,
        events.hit_clusters,
        events.contributions,
        events.track_particles,
        scale,
    )
    for elements, name in (("final", SHARING), ("fine", SHARING_FINE)):
        if ELEMENT_SETS[elements][0] in events.collections:
            labelled, _ = label_events(events, elements=elements)
            clusters = events.collections[ELEMENT_SETS[elements][0]]
            targets[elements] = labelled.targets
            candidates[name] = sharing_candidates(
                labelled.targets, labelled.shares, events.tracks, clusters, scale
            )
    candidates[TARGET] = target_candidates(targets["final"], events.tracks, events.clusters)
    fine = {SHARING_FINE: "fine"} if SHARING_FINE in candidates else {}
    return References(targets, candidates, fine)


def _elements_of(candidates: Path) -> str:
    """The set of elements that candidates were made from."""
    record = read_provenance(shards(candidates, "candidates")[0])
    return str(record.config.get("elements", "final"))


def _detector_of(events: Path) -> Detector:
    record = read_provenance(shards(events, "events")[0])
    return detector(str(record.config.get("detector", "")))


def _say_done(output: Path) -> None:
    console.print(f"{output}: finished already, nothing to do (--overwrite makes it again)")
