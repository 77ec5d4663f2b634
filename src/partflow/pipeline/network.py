"""A network: trained on labelled events, then at work on others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from partflow.core.errors import InputError
from partflow.core.features import ELEMENT_SETS
from partflow.core.progress import progress
from partflow.core.provenance import provenance
from partflow.core.records import Collection, Events
from partflow.core.store import EventWriter, holds, iterate_events, num_events
from partflow.pipeline.common import BASELINE, PACKED, check_elements, say_done

NO_LIMIT = 1_000_000
"""More epochs than any run sees."""


def train(
    labelled: Path,
    output: Path,
    preset: str = "small",
    max_minutes: float | None = None,
    epochs: int | None = None,
    seed: int = 1,
    threads: int | None = None,
    resume: bool = False,
    backbone: Literal["transformer", "gnn_lsh", "favor"] = "transformer",
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
    model = replace(chosen.model, elements=dataset.elements, backbone=backbone)
    settings = {"preset": preset, "model": asdict(model), "train": asdict(config)}
    record = provenance("model", settings, seed, [labelled])
    return train_model(dataset, model, config, output, resume=resume, record=record)


def reconstruct(events: Path, model: str, output: Path, overwrite: bool = False) -> None:
    """Events -> candidates of a trained model, or of the rule-based baseline."""
    num = num_events(events, "events")
    find: Callable[[Events], Collection]
    if model == BASELINE:
        find, needed, inputs = _baseline_candidates, [BASELINE], [events]
        elements = "final"
    else:
        find, elements = _network(Path(model))
        check_elements(events, elements)
        needed, inputs = ["tracks", ELEMENT_SETS[elements][0]], [events, Path(model)]
    record = provenance(
        "candidates", {"model": Path(model).name, "elements": elements}, inputs=inputs
    )
    if holds(output, record, overwrite):
        return say_done(output)
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
