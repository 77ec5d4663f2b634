"""Candidates of a trained network or of the rule-based baseline."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partflow.core.candidate_sets import BASELINE
from partflow.core.engines import FAST, GEANT4, INGESTED, engine_of
from partflow.core.errors import ConfigError
from partflow.core.face import CalorimeterFace
from partflow.core.features import ELEMENT_SETS
from partflow.core.progress import progress, say, say_done
from partflow.core.provenance import Provenance, make_provenance
from partflow.core.records import Collection, Events
from partflow.core.store import EventWriter, is_finished, iterate_events, num_events, read_events
from partflow.core.threads import available_cores
from partflow.model.bundled import find_model, fitting_model
from partflow.model.files import THRESHOLD_FILE
from partflow.pipeline.element_sets import ElementSets, check_elements, needed_for
from partflow.pipeline.folders import detector_of

if TYPE_CHECKING:  # torch is imported by the stages that need it
    from partflow.infer.embeddings import EmbeddingWriter
    from partflow.infer.reconstruction import Reconstructor
    from partflow.model.dtype import Dtype
    from partflow.model.folder import Model


ORIGINS = {
    FAST: (FAST, "made by the fast simulation"),
    GEANT4: (GEANT4, "made by Geant4"),
    INGESTED: (GEANT4, "ingested from a full simulation"),
    None: (FAST, "which do not say how they were simulated: taken for the fast simulation"),
}
"""The engine whose bundled model is used, and what the user is told, by the origin of events."""


def reconstruct(
    events: Path,
    model: str | Path | None,
    output: Path,
    overwrite: bool = False,
    save_embeddings: bool = False,
    save_attention: Sequence[int] = (),
    threshold: float | None = None,
    max_background_probability: float | None = None,
    adapt_detector: bool = False,
    backbone: str | None = None,
    head: str | None = None,
    device: str = "cpu",
    threads: int | None = None,
    dtype: Dtype = "float32",
) -> None:
    """Write the candidates of a trained network, or those of the baseline.

    A network with the sharing head also writes the energy shares of the candidates.

    Args:
        events: Folder of `simulate` or `ingest`.
        model: Model folder, name of a bundled model, or "baseline". If None, the bundled model for
            the detector of the events and the engine of their simulation.
        output: Parquet file to write.
        overwrite: Whether to replace an output of other settings.
        save_embeddings: Whether to write the embeddings of all elements (`infer.embeddings`).
        save_attention: `event_id` of the events whose attention maps to write.
        threshold: Probability from which an element becomes a particle; that of the model if None.
        max_background_probability: Background probability above which candidates are left out;
            that of the model if None.
        adapt_detector: Whether to use a network that was trained on another detector, with depths
            counted from the calorimeter of these events.
        backbone: Name of the network's backbone; needed if it is package.module:Class.
        head: Name of the network's head; needed if it is package.module:Class.
        device: Device of the network, as torch names it.
        threads: CPU threads, each of which evaluates events by itself; all cores if None. The
            candidates do not depend on it.
        dtype: Type of numbers of the network's products (`model.precision`).

    Raises:
        InputError: There are no such events or no such model folder.
        ConfigError: An option does not fit the model, there is no such device, no bundled model of
            that name or for the events, or the network was trained on another detector and
            `adapt_detector` is false.
    """
    num_events(events, "events")  # first: it checks the folder
    if model == BASELINE:
        has_embeddings = save_embeddings or bool(save_attention)
        has_readout = threshold is not None or max_background_probability is not None
        _check_baseline_options(has_embeddings, has_readout, adapt_detector)
        return _write_baseline(events, output, overwrite)
    folder = _bundled_folder(events) if model is None else find_model(model)
    network = _on_device(_load_network(folder, backbone, head), device)
    is_adapted = _match_detector(network, folder, events, adapt_detector)
    given_readout = _given_readout(network, folder, threshold, max_background_probability)
    readout = replace(network.config.readout, **given_readout)
    network.config = replace(network.config, readout=readout)
    check_elements(network.config.elements)
    _check_event_ids(events, save_attention)
    settings: dict[str, Any] = {
        "model": folder.name,
        "elements": network.config.elements,
        "readout": _readout_settings(network, folder, threshold is not None),
        "head": network.config.head,
    }
    if is_adapted:
        settings["adapt_detector"] = True
    if save_embeddings or save_attention:
        settings |= {"save_embeddings": save_embeddings, "save_attention": sorted(save_attention)}
    settings |= given_readout
    if (device, dtype) != ("cpu", "float32"):  # they change the last digits
        settings |= {"device": device, "dtype": dtype}
    provenance = make_provenance("candidates", settings, inputs=[events, folder])
    if is_finished(output, provenance, overwrite):
        return say_done(output)
    if threads is None:
        threads = available_cores() if device == "cpu" else 1
    with _reconstructor(network, threads, dtype) as reconstructor:
        _write_candidates(
            reconstructor, network, events, output, provenance, save_embeddings, save_attention
        )


def _bundled_folder(events: Path) -> Path:
    """Folder of the bundled model for `events`; tells the user which it is, and why."""
    engine, made = ORIGINS[engine_of(events)]
    face = CalorimeterFace.of(detector_of(events))
    model = fitting_model(face, engine, f"{events}: events of {face.detector}, {made}")
    say(
        f"Using the bundled model {model.name}: {events} holds events of {face.detector}, {made} "
        "(--model chooses another)"
    )
    return model.folder


def _given_readout(
    network: Model,
    folder: Path,
    threshold: float | None,
    max_background_probability: float | None,
) -> dict[str, Any]:
    """The settings of the readout that the user gave, by name.

    Raises ConfigError for a cut on background that the network does not predict.
    """
    settings = {"threshold": threshold, "max_background_probability": max_background_probability}
    if max_background_probability is not None and not getattr(
        network.config, "predict_background", False
    ):
        raise ConfigError(
            f"{folder}: the network does not predict background; leave out "
            "--max-background-probability, or train with --predict-background"
        )
    return {name: value for name, value in settings.items() if value is not None}


def _check_baseline_options(has_embeddings: bool, has_readout: bool, adapt_detector: bool) -> None:
    """Raise ConfigError for options that only a network has."""
    if has_embeddings:
        raise ConfigError("the baseline has neither embeddings nor attention; give a model")
    if has_readout:
        raise ConfigError("the baseline has no probabilities to cut on; give a model")
    if adapt_detector:
        raise ConfigError("the baseline is that of the events' own detector; give a model")


def _write_baseline(events: Path, output: Path, overwrite: bool) -> None:
    """Write the candidates of the baseline, which the events hold already."""
    settings = {"model": BASELINE, "elements": "final"}
    provenance = make_provenance("candidates", settings, inputs=[events])
    if is_finished(output, provenance, overwrite):
        return say_done(output)
    with (
        EventWriter(output, "candidates", provenance) as writer,
        progress("reconstruct", num_events(events, "events")) as advance,
    ):
        for chunk in iterate_events(events, "events", [BASELINE]):
            candidates = {"candidates": chunk.baseline}
            writer.write(Events(chunk.event_id, chunk.process, candidates))
            advance(len(chunk))


def _on_device(network: Model, device: str) -> Model:
    """The network on a device; raises ConfigError where there is none of that name."""
    try:
        return network.to(device)
    except (RuntimeError, AssertionError) as error:  # torch says why in the first sentence
        reason = str(error).splitlines()[0]
        raise ConfigError(f"--device {device}: {reason}; --device cpu always exists") from error


def _reconstructor(network: Model, threads: int, dtype: Dtype) -> Reconstructor:
    """What evaluates the network."""
    from partflow.infer.reconstruction import Reconstructor

    return Reconstructor(network, threads=threads, dtype=dtype)


def _write_candidates(
    reconstructor: Reconstructor,
    network: Model,
    events: Path,
    output: Path,
    provenance: Provenance,
    save_embeddings: bool,
    save_attention: Sequence[int],
) -> None:
    """Write the candidates of a network; embeddings and attention maps on request."""
    from partflow.core.features import build_elements

    element_sets, element_set = ElementSets.of(events), network.config.elements
    extras = ["shares"] if network.shares_energy else []
    with (
        EventWriter(output, "candidates", provenance, extras) as writer,
        _embedding_writer(
            network, output, provenance, save_embeddings, save_attention
        ) as embedding_writer,
        progress("reconstruct", num_events(events, "events")) as advance,
    ):
        begun: deque[tuple[Events, Collection]] = deque()

        def elements_of_chunks() -> Iterator[Collection]:
            for chunk in iterate_events(events, "events", ["tracks", *needed_for(element_set)]):
                chunk = element_sets.add(chunk, [element_set])
                clusters = chunk.collections[ELEMENT_SETS[element_set].clusters]
                elements = build_elements(chunk.tracks, clusters)
                begun.append((chunk, elements))
                yield elements

        for candidates in reconstructor.stream(elements_of_chunks()):
            chunk, elements = begun.popleft()
            if embedding_writer is not None:
                embedding_writer.write(elements, chunk.event_id)
            writer.write(Events(chunk.event_id, chunk.process, candidates))
            advance(len(chunk))


def _load_network(folder: Path, backbone: str | None, head: str | None) -> Model:
    """The network in a model folder."""
    from partflow.model.folder import load_model

    return load_model(folder, backbone, head)


def _match_detector(network: Model, folder: Path, events: Path, is_allowed: bool) -> bool:
    """Adapt `network` to the detector of `events`; returns whether it was another.

    Raises ConfigError where the detector is another and `is_allowed` is false. Published networks
    do not depend on the face of the calorimeter.
    """
    from partflow.model.published.mlpf import PublishedMLPF

    if isinstance(network, PublishedMLPF):
        return False
    trained_face, face = network.config.face, CalorimeterFace.of(detector_of(events))
    if trained_face == face:
        return False
    if not is_allowed:
        raise ConfigError(
            f"{events}: events of {face}, but {folder} was trained on {trained_face}; train on "
            f"events of {face.detector}, or use --adapt-detector, which counts depths from their "
            "calorimeter"
        )
    network.config = network.config.at(face)
    return True


def _readout_settings(network: Model, folder: Path, is_given: bool) -> dict[str, Any]:
    """How candidates are read out, and where the threshold comes from."""
    readout = network.config.readout
    is_chosen = (folder / THRESHOLD_FILE).is_file()
    origin = "given" if is_given else "validation" if is_chosen else "default"
    return {"kind": readout.kind, "threshold": readout.threshold, "origin": origin}


def _embedding_writer(
    network: Model,
    output: Path,
    provenance: Provenance,
    save_embeddings: bool,
    save_attention: Sequence[int],
) -> AbstractContextManager[EmbeddingWriter | None]:
    """A writer of embeddings and attention maps; None where none are asked for."""
    if not (save_embeddings or save_attention):
        return nullcontext()
    from partflow.infer.embeddings import open_embedding_writer
    from partflow.model.published.mlpf import PublishedMLPF

    if isinstance(network, PublishedMLPF):
        raise ConfigError(
            "embeddings and attention maps are written for networks of `partflow train` only"
        )
    return open_embedding_writer(network, output, provenance, save_embeddings, set(save_attention))


def _check_event_ids(events: Path, event_ids: Sequence[int]) -> None:
    """Raise ConfigError unless `events` holds all of `event_ids`."""
    if not event_ids:
        return
    present = read_events(events, "events", []).event_id
    for event_id in event_ids:
        if event_id not in present:
            first = ", ".join(map(str, present[:3].tolist())) or "none"
            raise ConfigError(f"{events}: holds no event {event_id}; its events are {first}, ...")
