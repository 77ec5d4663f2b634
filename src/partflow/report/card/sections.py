"""What the sections of a model card show, as values for its template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from partflow.core.engines import FAST, GEANT4
from partflow.core.features import ELEMENTS
from partflow.core.schemas import CANDIDATES, Schema
from partflow.report.card import resources, results, samples, usage
from partflow.report.card.facts import CardFacts
from partflow.report.markdown import UNKNOWN, Markdown, code, escape, fenced, table
from partflow.report.page_tables import ORIGINS
from partflow.report.tables import Cell, Table, make_table
from partflow.train.configuration import config_text

SOFTWARE_LICENCE = "Apache-2.0"
"""Licence of partflow, which is not that of the weights."""
ENGINES = {
    FAST: "fast (parametrised showers, not Geant4)",
    GEANT4: "geant4 (showers by Geant4, tracks parametrised)",
}
PARTS = ("favor", "gnn_lsh")
"""Settings of backbones: those of the network's own are shown."""
SHOWN_ELSEWHERE = ("features", "readout", "detector", "elements", *PARTS)


def model_section(facts: CardFacts) -> dict[str, Any]:
    """The network: type, size, inputs and outputs."""
    model, network = facts.model, facts.model.network
    provenance = model.provenance
    return {
        "type": "published MLPF v2.2.0" if network is None else "MLPF",
        "backbone": None if network is None else network.backbone,
        "num_parameters": None if model.num_parameters is None else f"{model.num_parameters:,}",
        "detector": None if network is None else network.detector,
        "version": model.partflow_version,
        "commit": code(provenance.commit) if provenance and provenance.commit else None,
        "software_licence": SOFTWARE_LICENCE,
        "elements": str(model.config.get("elements", UNKNOWN)),
        "readout": _readout(facts),
        "architecture": table(_architecture(facts)),
        "inputs": table(_columns(ELEMENTS, tuple(model.config.get("features", ())))),
        "outputs": table(_columns(CANDIDATES, CANDIDATES.names)),
    }


def start_section(facts: CardFacts) -> dict[str, Any]:
    """Commands and code that use the model."""
    return {
        "commands": fenced(usage.start_commands(facts), "bash"),
        "python": fenced(usage.start_python(facts), "python"),
        "has_repository": usage.repository(facts) != usage.PLACEHOLDER,
        "placeholder": code(usage.PLACEHOLDER),
        "own_code": [code(name) for _, name in usage.own_code(facts.model.network)],
    }


def training_section(facts: CardFacts) -> dict[str, Any]:
    """The events, the settings and the course of the training."""
    training = facts.training
    data, configuration = training.data, training.configuration
    command = usage.train_command(facts)
    text = ""
    if configuration is not None:
        text = config_text(configuration.model, configuration.train).rstrip("\n")
    return {
        "limits": _limits(facts),
        "events": table(samples.events_table(data)) if data and data.sources else None,
        "stages": [table(of) for of in samples.stage_tables(training.origins)],
        "initial_model": None if data is None else data.initial_model,
        "command": None if command is None else fenced(command, "bash"),
        "configuration": fenced(text, "toml") if text else None,
        "is_exact": training.resources is not None
        and all(part.device == "cpu" for part in training.resources.parts),
        "ends_by_time": configuration is not None and configuration.train.max_minutes is not None,
        "progress": _progress(training.history),
    }


def evaluation_section(facts: CardFacts) -> dict[str, Any] | None:
    """The figures of merit with their intervals; None without an evaluation."""
    evaluation = facts.evaluation
    if evaluation is None:
        return None
    metrics, name = evaluation.metrics, evaluation.candidates
    common = samples.common_samples(facts.training.origins, evaluation.origins)
    return {
        "candidates": code(name),
        "events": table(results.sample_table(metrics)),
        "stages": [table(of) for of in samples.stage_tables(evaluation.origins)],
        "common": None if common is None else [code(origin.name) for origin in common],
        "jets": results.jets_in_words(metrics),
        "percent": f"{100 * metrics['config']['confidence']:g} %",
        "tables": [_titled(of) for of in results.figure_tables(metrics, name)],
        "readout": _readout_of_candidates(metrics.get("readouts", {}).get(name, {})),
        "link": evaluation.link,
    }


def impact_section(facts: CardFacts) -> dict[str, Any] | None:
    """Machine, time and energy; None where they were not recorded."""
    found = facts.training.resources
    if found is None:
        return None
    missing = resources.unrecorded(found)
    return {
        "parts": table(resources.resource_table(found)),
        "time": resources.duration(found.minutes),
        "processor_time": resources.duration(found.processor_seconds / 60.0),
        "unrecorded": resources.duration(missing) if missing else None,
        "energy": resources.energy_sentence(found, facts.watts),
    }


def _readout(facts: CardFacts) -> str:
    """How predictions become candidates, with the threshold and where it comes from."""
    readout = facts.model.config.get("readout", {})
    if readout.get("kind") == "published":
        return "published: all elements that are more probably a particle than not"
    choice = facts.model.threshold
    origin = "the default value" if choice is None else "chosen on the validation events"
    return f"{readout.get('kind', UNKNOWN)}, threshold {readout.get('threshold')} ({origin})"


def _readout_of_candidates(readout: Mapping[str, Any]) -> str | None:
    """How the evaluated candidates were read out; None where that is not known."""
    if "threshold" not in readout:
        return None
    origin = ORIGINS.get(readout.get("origin", ""), UNKNOWN)
    return f"readout {readout['kind']}, threshold {readout['threshold']} ({origin})"


def _architecture(facts: CardFacts) -> Table:
    """The settings of the network."""
    network, config = facts.model.network, facts.model.config
    settings = {n: v for n, v in config.items() if n not in SHOWN_ELSEWHERE and v != {}}
    part = None if network is None else config.get(network.backbone)
    if network is not None and network.backbone in PARTS and isinstance(part, Mapping):
        settings |= {f"{network.backbone}.{name}": value for name, value in part.items()}
    rows: list[list[Cell | str]] = [
        [Cell(code(name)), _setting(value)] for name, value in settings.items()
    ]
    return make_table(["setting", "value"], rows, "")


def _columns(schema: Schema, names: Sequence[str]) -> Table:
    """Columns of a schema with unit and meaning."""
    rows: list[list[Cell | str]] = [
        [Cell(code(field.name)), _of_both(field.unit), _of_both(field.doc)]
        for field in schema.fields
        if field.name in names
    ]
    return make_table(["column", "unit", "meaning"], rows, "")


def _of_both(text: str) -> str:
    """Unit or meaning of a column, which a schema writes as "of a track | of a cluster".

    >>> _of_both("mm|GeV"), _of_both("|GeV"), _of_both("mm")
    ('track: mm; cluster: GeV', 'cluster: GeV', 'mm')
    """
    of_track, bar, of_cluster = (part.strip() for part in text.partition("|"))
    if not bar:
        return text
    named = {
        "track": of_track.removeprefix("track "),
        "cluster": of_cluster.removeprefix("cluster "),
    }
    return "; ".join(f"{kind}: {value}" for kind, value in named.items() if value not in ("", "0"))


def _limits(facts: CardFacts) -> list[str]:
    """What the network was trained on, and is therefore limited to, in sentences."""
    data, origins = facts.training.data, facts.training.origins
    processes = [] if data is None else list(data.training)
    lists = {
        "Processes": [samples.description_of(n) for n in processes or samples.processes(origins)],
        "Energies": [f"{energy} GeV" for energy in samples.energies(origins)],
        "Detectors": samples.detectors(origins),
        "Engines of the simulation": [ENGINES.get(n, n) for n in samples.engines(origins)],
    }
    sentences = [
        f"{name} of the training events: {'; '.join(found) or UNKNOWN}."
        for name, found in lists.items()
    ]
    overlay = {True: "in some or all of them", False: "none", None: UNKNOWN}
    number = sum(data.training.values()) if data is not None else 0
    return [
        *sentences,
        f"Overlaid background in the training events: {overlay[samples.has_overlay(origins)]}.",
        f"Number of training events: {f'{number:,}' if number else UNKNOWN}.",
    ]


def _progress(history: Sequence[Mapping[str, float]]) -> Markdown | None:
    """Steps, epochs, events and losses of a training; None where there is no history."""
    if not history:
        return None
    last = history[-1]
    best = min(history, key=lambda row: row["validation_loss"])
    rows = [
        ["epochs", f"{last['epoch']:,.0f}"],
        ["optimiser steps", f"{last['steps']:,.0f}"],
        ["training events seen (an event counts each time)", f"{last['events_seen']:,.0f}"],
        ["time, without interruptions", resources.duration(last["minutes"])],
        ["training events per second", f"{last['events_per_second']:,.0f}"],
        ["training loss at the end", f"{last['training_loss']:.4f}"],
        ["lowest validation loss, that of the model", f"{best['validation_loss']:.4f}"],
        ["steps of the model", f"{best['steps']:,.0f}"],
    ]
    return table(make_table(["quantity", "value"], rows, ""))


def _titled(content: Table) -> Markdown:
    """A table with its caption in bold above it."""
    body = table(content._replace(caption=Cell("")))
    return Markdown(f"**{escape(content.caption.text)}**\n\n{body}")


def _setting(value: Any) -> str:
    """A setting as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
