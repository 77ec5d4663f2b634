"""Candidates judged, beside what can be made with the truth."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partflow.core.candidate_sets import BASELINE, TARGET
from partflow.core.detector import Detector
from partflow.core.features import ELEMENT_SETS
from partflow.core.outputs import growing_folder, write_text
from partflow.core.progress import console, progress
from partflow.core.provenance import make_provenance
from partflow.core.records import Array, Events
from partflow.core.store import iterate_events, num_events
from partflow.core.stream import CandidateStream
from partflow.core.workers import check_workers
from partflow.pipeline.display import scene_maker
from partflow.pipeline.folders import check_elements, detector_of, say_done
from partflow.pipeline.references import (
    check_names,
    elements_of,
    knows_sources,
    readout_of,
    reference_candidates,
)

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
    from partflow.report.evaluation import write_evaluation

    check_names(candidates)
    check_workers(workers)
    _elements(events, candidates)  # a mistake is told before the folder is made
    config = config or EvaluationConfig()
    settings = {"candidates": sorted(candidates), "evaluation": asdict(config)}
    record = make_provenance("report", settings, inputs=[events, *candidates.values()])
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

    elements, detector = _elements(events, candidates), detector_of(events)
    unknown = [name for name, path in candidates.items() if not knows_sources(path)]
    streams = {name: CandidateStream(name, path) for name, path in candidates.items()}
    evaluator = Evaluator(config)
    with progress("evaluate", num_events(events, "events")) as advance:
        for run in iterate_events(events, "events"):
            sets = {name: stream.take(run.event_id) for name, stream in streams.items()}
            judge_run(evaluator, run, sets, elements, detector, sources_unknown=unknown)
            advance(len(run))
    for stream in streams.values():
        stream.expect_end()
    return evaluator


def judge_run(
    evaluator: Evaluator, run: Events, sets: Mapping[str, Events],
    elements: Mapping[str, str], detector: Detector, event_id: Array | None = None,
    sources_unknown: Container[str] = (),
) -> None:  # fmt: skip
    """Judge the candidate `sets` of some events, each made from its `elements`, and the references.

    `event_id` [event] replaces the events' own ids. Of the sets `sources_unknown` nobody knows
    which clusters their energy is from.
    """
    references = reference_candidates(run, detector)
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
