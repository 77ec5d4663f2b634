"""Candidates judged, beside what can be made with the truth."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from partflow.core.detector import Detector
from partflow.core.errors import InputError
from partflow.core.features import ELEMENT_SETS
from partflow.core.hadron_scale import load_hadron_scale
from partflow.core.outputs import growing_folder, write_text
from partflow.core.progress import console, progress
from partflow.core.provenance import provenance
from partflow.core.records import Array, Collection, Events
from partflow.core.store import iterate_events, num_events, read_provenance, shards
from partflow.core.stream import CandidateStream
from partflow.core.workers import check_workers
from partflow.pipeline.common import BASELINE, check_elements, detector_of, say_done

if TYPE_CHECKING:
    from partflow.evaluate.comparison import Comparison
    from partflow.evaluate.config import EvaluationConfig
    from partflow.evaluate.energy_flow import ClusterTruth
    from partflow.evaluate.evaluator import Evaluator


def evaluate(
    events: Path,
    candidates: Mapping[str, Path],
    output: Path,
    overwrite: bool = False,
    config: EvaluationConfig | None = None,
    workers: int = 1,
) -> dict[str, Any]:
    """Judge candidates beside baseline, perfect and target PF -> metrics, plots, report."""
    from partflow.evaluate import EvaluationConfig
    from partflow.evaluate.evaluation import write_evaluation
    from partflow.pipeline.display import scene_maker  # which builds on what is below

    check_names(candidates)
    check_workers(workers)
    _elements(events, candidates)  # a mistake is told before the folder is made
    config = config or EvaluationConfig()
    settings = {"candidates": sorted(candidates), "evaluation": asdict(config)}
    record = provenance("report", settings, inputs=[events, *candidates.values()])
    with growing_folder(output, record, overwrite) as folder:
        if folder is None:
            say_done(output)
            return dict(json.loads((output / "metrics.json").read_text()))
        evaluator = judge(events, candidates, config)
        with console.status("figures and page") as status:
            return write_evaluation(
                evaluator,
                folder,
                record,
                lambda part: status.update(f"written: {part}"),
                scene_maker(events, candidates, config),
                {name: readout_of(path) for name, path in candidates.items()},
                workers,
            )


def judge(events: Path, candidates: Mapping[str, Path], config: EvaluationConfig) -> Evaluator:
    """All events of a folder, judged: what `evaluate` makes a report of."""
    from partflow.evaluate.evaluator import Evaluator

    elements, setup = _elements(events, candidates), detector_of(events)
    unknown = [name for name, path in candidates.items() if not knows_sources(path)]
    streams = {name: CandidateStream(name, path) for name, path in candidates.items()}
    evaluator = Evaluator(config)
    with progress("evaluate", num_events(events, "events")) as advance:
        for run in iterate_events(events, "events"):
            sets = {name: stream.take(run.event_id) for name, stream in streams.items()}
            judge_run(evaluator, run, sets, elements, setup, sources_unknown=unknown)
            advance(len(run))
    for stream in streams.values():
        stream.expect_end()
    return evaluator


def judge_run(
    evaluator: Evaluator, run: Events, sets: Mapping[str, Events],
    elements: Mapping[str, str], setup: Detector, event_id: Array | None = None,
    sources_unknown: Container[str] = (),
) -> None:  # fmt: skip
    """Judge the candidate `sets` of some events, each made from its `elements`, and the references.

    `event_id` [event] replaces the events' own ids. Of the sets `sources_unknown` nobody knows
    which clusters their energy is from.
    """
    from partflow.evaluate.evaluator import TARGET

    references = reference_candidates(run, setup)
    targets, made_from = references.targets, {**elements, **references.elements}
    found = {name: one.candidates for name, one in sets.items()}
    shared = {name: one.shares for name, one in sets.items() if "shares" in one.collections}
    by_clusters = {n: own for n, own in made_from.items() if n not in sources_unknown}
    evaluator.add(
        run.particles, targets["final"], run.tracks, run.clusters,
        {**found, BASELINE: run.baseline, **references.candidates}, run.process,
        run.event_id if event_id is None else event_id,
        {n: targets[own] for n, own in made_from.items()},
        _cluster_truths(run, {**by_clusters, BASELINE: "final", TARGET: "final"}),
        {**shared, **references.shares},
    )  # fmt: skip


def _elements(events: Path, candidates: Mapping[str, Path]) -> dict[str, str]:
    """Set of elements of each candidate set, which the events must hold."""
    elements = {name: elements_of(path) for name, path in candidates.items()}
    for own in elements.values():
        check_elements(events, own)
    return elements


def compare(first: Path, second: Path, output: Path | None = None) -> Comparison:
    """Two folders of `evaluate` -> which figures differ; written as JSON into `output`."""
    from partflow.evaluate.comparison import compare as compare_reports
    from partflow.evaluate.comparison import read_report

    found = compare_reports(read_report(first), read_report(second))
    if output is not None:
        write_text(output, json.dumps(found.to_dict(), indent=1, allow_nan=False) + "\n")
    return found


class References(NamedTuple):
    """What candidates are judged by, and candidates made from the truth to stand beside them."""

    targets: dict[str, Collection]
    """Targets of each set of elements that the events hold."""
    candidates: dict[str, Collection]
    """Perfect and target particle flow, perfect sharing of each set of elements."""
    elements: dict[str, str]
    """Set of elements of those that share out clusters."""
    shares: dict[str, Collection]
    """SHARES behind those."""


def reference_candidates(events: Events, setup: Detector) -> References:
    """Targets of simulated events, and the ceilings as candidates."""
    from partflow.evaluate.evaluator import PERFECT, SHARING, SHARING_FINE, TARGET
    from partflow.label.candidates import (
        perfect_candidates,
        sharing_candidates,
        target_candidates,
    )
    from partflow.label.labelling import label

    scale = load_hadron_scale(setup)
    targets, candidates, made_from, shares = {}, {}, {}, {}
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
            clusters, hit_clusters = (events.collections[one] for one in ELEMENT_SETS[elements])
            labelled = label(
                events.particles, events.tracks, clusters, hit_clusters, events.contributions,
                events.track_particles, events.event_id, events.hits, with_jets=False,
            )  # fmt: skip
            targets[elements], made_from[name] = labelled.targets, elements
            shares[name] = labelled.shares
            candidates[name] = sharing_candidates(
                labelled.targets, labelled.shares, events.tracks, clusters, scale
            )
    candidates[TARGET] = target_candidates(targets["final"], events.tracks, events.clusters)
    return References(targets, candidates, made_from, shares)


def _cluster_truths(events: Events, elements: Mapping[str, str]) -> dict[str, ClusterTruth]:
    """Who lit the clusters that each candidate set was made from, by the set's name."""
    from partflow.evaluate.energy_flow import cluster_truth

    truths = {}
    for own in sorted(set(elements.values())):
        clusters, hit_clusters = (events.collections[name] for name in ELEMENT_SETS[own])
        truths[own] = cluster_truth(
            events.particles, events.track_particles, clusters, hit_clusters, events.contributions
        )
    return {name: truths[own] for name, own in elements.items()}


def check_names(candidates: Mapping[str, Path]) -> None:
    """Raise InputError for candidates that bear the name of a reference."""
    from partflow.evaluate.evaluator import REFERENCES

    taken = set(REFERENCES) & set(candidates)
    if taken:
        raise InputError(f"candidates {taken.pop()!r}: this name is always there; choose another")


def readout_of(candidates: Path) -> dict[str, Any]:
    """How candidates were read out of a network, as their provenance has it; {} if not."""
    record = read_provenance(shards(candidates, "candidates")[0])
    return dict(record.config.get("readout", {}))


def elements_of(candidates: Path) -> str:
    """The set of elements that candidates were made from."""
    record = read_provenance(shards(candidates, "candidates")[0])
    return str(record.config.get("elements", "final"))


def knows_sources(candidates: Path) -> bool:
    """Whether it is known from which clusters candidates have their energy.

    Each from its own, or as the shares say; those of a network of an earlier version may be of
    either kind, without shares.
    """
    file = shards(candidates, "candidates")[0]
    config = read_provenance(file).config
    is_network = config.get("model", BASELINE) != BASELINE
    return not is_network or "head" in config
