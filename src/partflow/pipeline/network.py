"""A network: trained on labelled events, then at work on others."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from partflow.core.candidate_sets import BASELINE
from partflow.core.errors import ConfigError, InputError
from partflow.core.face import CalorimeterFace
from partflow.core.features import ELEMENT_SETS
from partflow.core.outputs import growing_folder
from partflow.core.progress import progress
from partflow.core.provenance import Provenance, make_provenance
from partflow.core.records import Collection, Events
from partflow.core.store import EventWriter, is_finished, iterate_events, num_events, read_events
from partflow.pipeline.folders import (
    PACKED,
    check_elements,
    detector_of,
    say_done,
)

if TYPE_CHECKING:  # torch is imported by the stages that need it
    from partflow.infer.latents import LatentWriter
    from partflow.model.folder import Model

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
    head: Literal["direct", "sharing"] | None = None,
) -> Any:
    """Labelled events -> a trained model in `output`; returns `train.trainer.TrainResult`.

    Without a `head` it is `sharing`, the better one, if the labels hold the shares it learns from.
    """
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
    if head is None:
        head = "direct" if dataset.shares is None else "sharing"
    model = replace(chosen.model, elements=dataset.elements, backbone=backbone, head=head)
    model = model.at(dataset.face)
    settings = {"preset": preset, "model": asdict(model), "train": asdict(config)}
    record = make_provenance("model", settings, seed, [labelled])
    return train_model(dataset, model, config, output, resume=resume, record=record)


def import_checkpoint(
    checkpoint: Path, kwargs: Path, output: Path, overwrite: bool = False
) -> None:
    """A published checkpoint with its model's arguments -> a model folder."""
    from partflow.model.folder import save_model
    from partflow.model.published.checkpoint import import_checkpoint as read

    model = read(checkpoint, kwargs)  # first: it says what is wrong with the files
    record = make_provenance("model", {"architecture": "published"}, inputs=[checkpoint, kwargs])
    with growing_folder(output, record, overwrite) as folder:
        if folder is None:
            return say_done(output)
        save_model(model, folder, record)


def reconstruct(
    events: Path,
    model: str,
    output: Path,
    overwrite: bool = False,
    save_embeddings: bool = False,
    save_attention: Sequence[int] = (),
    threshold: float | None = None,
    adapt_detector: bool = False,
) -> None:
    """Events -> candidates of a trained model, or of the rule-based baseline.

    Beside `output`, on request, what the model makes of every element and its attention maps of
    the events `save_attention` (see `infer.latents`). A model with the sharing head writes the
    energy shares behind the candidates into the same file. `threshold` replaces the probability
    from which on an element becomes a particle.

    A network that was trained on another detector than that of `events` is refused, unless
    `adapt_detector` lets it count depths from their calorimeter.
    """
    num = num_events(events, "events")
    if model == BASELINE:
        has_latents = save_embeddings or bool(save_attention)
        _refuse_for_baseline(has_latents, threshold, adapt_detector)
        at_work, elements, is_adapted = None, "final", False
        needed, inputs = [BASELINE], [events]
    else:
        at_work = _network(Path(model))
        is_adapted = _adapt_to_events(at_work, Path(model), events, adapt_detector)
        if threshold is not None:
            readout = replace(at_work.config.readout, threshold=threshold)
            at_work.config = replace(at_work.config, readout=readout)
        elements = at_work.config.elements
        check_elements(events, elements)
        _check_event_ids(events, save_attention)
        needed, inputs = ["tracks", ELEMENT_SETS[elements][0]], [events, Path(model)]
    settings: dict[str, Any] = {"model": Path(model).name, "elements": elements}
    if is_adapted:
        settings["adapt_detector"] = True
    if save_embeddings or save_attention:
        settings |= {"save_embeddings": save_embeddings, "save_attention": sorted(save_attention)}
    if threshold is not None:
        settings["threshold"] = threshold
    if at_work is not None:
        settings["readout"] = _readout(at_work, Path(model), threshold is not None)
        settings["head"] = at_work.config.head
    shared = ["shares"] if settings.get("head") == "sharing" else []
    record = make_provenance("candidates", settings, inputs=inputs)
    if is_finished(output, record, overwrite):
        return say_done(output)
    with (
        EventWriter(output, "candidates", record, shared) as writer,
        _latents(at_work, output, record, save_embeddings, save_attention) as latents,
        progress("reconstruct", num) as advance,
    ):
        for run in iterate_events(events, "events", needed):
            found = (
                {"candidates": run.baseline} if at_work is None else _find(at_work, run, latents)
            )
            writer.write(Events(run.event_id, run.process, found))
            advance(len(run))


def _refuse_for_baseline(has_latents: bool, threshold: float | None, adapts: bool) -> None:
    """Raise ConfigError where the baseline is asked for what only a network has."""
    if has_latents:
        raise ConfigError("the baseline has neither embeddings nor attention; give a model")
    if threshold is not None:
        raise ConfigError("the baseline has no probabilities to cut on; give a model")
    if adapts:
        raise ConfigError("the baseline is that of the events' own detector; give a model")


def _readout(model: Model, folder: Path, is_given: bool) -> dict[str, Any]:
    """How a network's outputs become candidates, and who chose the threshold."""
    from partflow.train.threshold import THRESHOLD_FILE

    kind, lowest = model.config.readout.kind, model.config.readout.threshold
    is_chosen = (folder / THRESHOLD_FILE).is_file()
    origin = "given" if is_given else "validation" if is_chosen else "default"
    return {"kind": kind, "threshold": lowest, "origin": origin}


def _network(folder: Path) -> Model:
    from partflow.model.folder import load_model

    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such model folder; give the output of `partflow train` or "
            "`import-checkpoint`, or 'baseline'"
        )
    return load_model(folder)


def _adapt_to_events(model: Model, folder: Path, events: Path, is_allowed: bool) -> bool:
    """Set `model` to the detector of `events`; whether that is another than it was trained on.

    Raises ConfigError where that would be needed and is not allowed. A published network counts
    nothing from the calorimeter's face.
    """
    from partflow.model.published.mlpf import PublishedMLPF

    if isinstance(model, PublishedMLPF):
        return False
    trained, found = model.config.face, CalorimeterFace.of(detector_of(events))
    if trained == found:
        return False
    if not is_allowed:
        raise ConfigError(
            f"{events}: events of {found}, but {folder} was trained on {trained}; train on events "
            f"of {found.detector}, or let the network count depths from their calorimeter with "
            "--adapt-detector"
        )
    model.config = model.config.at(found)
    return True


def _find(model: Model, events: Events, latents: LatentWriter | None) -> dict[str, Collection]:
    """Candidates of `events`, and shares where the model makes any; what it thought of them goes
    to `latents`.
    """
    from partflow.core.features import build_elements
    from partflow.infer.reconstruction import reconstruct as infer
    from partflow.infer.reconstruction import reconstruct_with_shares
    from partflow.model.published.mlpf import PublishedMLPF

    clusters = ELEMENT_SETS[model.config.elements][0]
    elements = build_elements(events.tracks, events.collections[clusters])
    found: dict[str, Collection]
    if model.config.head == "sharing":
        assert not isinstance(model, PublishedMLPF)  # its head shares nothing
        found = reconstruct_with_shares(model, elements)._asdict()
    else:
        found = {"candidates": infer(model, elements)}
    if latents is not None:
        latents.write(elements, events.event_id)
    return found


def _latents(
    model: Model | None,
    output: Path,
    record: Provenance,
    has_embeddings: bool,
    attention_events: Sequence[int],
) -> AbstractContextManager[LatentWriter | None]:
    if model is None or not (has_embeddings or attention_events):
        return nullcontext()
    from partflow.infer.latents import LatentWriter
    from partflow.model.published.mlpf import PublishedMLPF

    if isinstance(model, PublishedMLPF):
        raise ConfigError("embeddings and attention maps are of networks that were trained here")
    return LatentWriter(model, output, record, has_embeddings, set(attention_events))


def _check_event_ids(events: Path, wanted: Sequence[int]) -> None:
    """Raise ConfigError unless `events` holds all of the events `wanted`."""
    if not wanted:
        return
    held = read_events(events, "events", []).event_id
    for event in wanted:
        if event not in held:
            first = ", ".join(map(str, held[:3].tolist())) or "none"
            raise ConfigError(f"{events}: holds no event {event}; its events are {first}, ...")
