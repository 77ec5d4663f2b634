"""Evaluate candidate sets together with the reference sets, and compare two evaluations."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partflow.core.candidate_sets import BASELINE, TARGET
from partflow.core.candidate_stream import CandidateStream
from partflow.core.detector import Detector
from partflow.core.engines import warning_of
from partflow.core.features import ELEMENT_SETS
from partflow.core.outputs import growing_folder, write_text
from partflow.core.progress import console, progress, say_done
from partflow.core.provenance import make_provenance
from partflow.core.records import Array, Events
from partflow.core.store import iterate_events, num_events
from partflow.core.workers import check_workers
from partflow.pipeline.display import scene_maker
from partflow.pipeline.element_sets import ElementSets, check_elements
from partflow.pipeline.references import (
    References,
    check_names,
    element_set_of,
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
    plots: bool = True,
) -> dict[str, Any]:
    """Evaluate candidate sets and the reference sets; write metrics, plots and page.

    Args:
        events: Folder of events.
        candidates: File of each candidate set, by its name.
        output: Folder to write.
        overwrite: Replace an output made with other settings.
        config: Definition of jets, bins and intervals.
        workers: Threads for the intervals, processes for the figures.
        plots: Draw plots and event displays, which take most of the time for small samples.

    Returns:
        The content of `metrics.json`.

    Raises:
        InputError: A candidate set has the name of a reference set, or is of other events.
    """
    from partflow.evaluate import EvaluationConfig
    from partflow.report.evaluation import write_evaluation

    check_names(candidates)
    check_workers(workers)
    _element_sets_of(candidates)  # raises before the folder is made
    config = config or EvaluationConfig()
    settings: dict[str, Any] = {"candidates": sorted(candidates), "evaluation": asdict(config)}
    if not plots:
        settings["plots"] = False
    provenance = make_provenance("report", settings, inputs=[events, *candidates.values()])
    with growing_folder(output, provenance, overwrite) as folder:
        if folder is None:
            say_done(output)
            return dict(json.loads((output / "metrics.json").read_text()))
        evaluator = judge(events, candidates, config)
        with console.status("figures and page") as status:
            return write_evaluation(
                evaluator,
                folder,
                provenance,
                lambda part: status.update(f"written: {part}"),
                scene_maker(events, candidates, config),
                {name: readout_of(path) for name, path in candidates.items()},
                workers,
                warning_of(events),
                plots,
            )


def judge(events: Path, candidates: Mapping[str, Path], config: EvaluationConfig) -> Evaluator:
    """Evaluate all events of a folder without writing anything; `evaluate` reports the result."""
    from partflow.evaluate.evaluator import Evaluator

    element_sets, clusters = _element_sets_of(candidates), ElementSets.of(events)
    unknown = [name for name, path in candidates.items() if not knows_sources(path)]
    streams = {name: CandidateStream(name, path) for name, path in candidates.items()}
    evaluator = Evaluator(config)
    with progress("evaluate", num_events(events, "events")) as advance:
        for chunk in iterate_events(events, "events"):
            sets = {name: stream.take(chunk.event_id) for name, stream in streams.items()}
            with_clusters = clusters.add(chunk, element_sets.values())
            judge_chunk(
                evaluator, with_clusters, sets, element_sets, clusters.detector,
                sources_unknown=unknown,
            )  # fmt: skip
            advance(len(chunk))
    for stream in streams.values():
        stream.expect_end()
    return evaluator


def judge_chunk(
    evaluator: Evaluator, chunk: Events, sets: Mapping[str, Events],
    element_sets: Mapping[str, str], detector: Detector, event_id: Array | None = None,
    sources_unknown: Container[str] = (),
) -> None:  # fmt: skip
    """Evaluate the candidate `sets` of a chunk of events, and the reference sets.

    `element_sets` names the element set that each candidate set was made from, whose clusters the
    chunk holds. `event_id` [event]
    replaces the events' own ids. Of the sets in `sources_unknown` it is not known from which
    clusters their energy is: they have no energy flow.
    """
    references = reference_candidates(chunk, detector)
    targets, element_sets = references.targets, {**element_sets, **references.element_sets}
    candidates = {name: events.candidates for name, events in sets.items()}
    shares = {n: events.shares for n, events in sets.items() if "shares" in events.collections}
    with_flow = {n: element_sets[n] for n in element_sets if n not in sources_unknown}
    evaluator.add(
        chunk.particles, targets["final"], chunk.tracks, chunk.clusters,
        {**candidates, BASELINE: chunk.baseline, **references.candidates}, chunk.process,
        chunk.event_id if event_id is None else event_id,
        {name: targets[element_set] for name, element_set in element_sets.items()},
        _cluster_truths(chunk, references, {**with_flow, BASELINE: "final", TARGET: "final"}),
        {**shares, **references.shares},
    )  # fmt: skip


def _element_sets_of(candidates: Mapping[str, Path]) -> dict[str, str]:
    """Element set of each candidate set; raises ConfigError for an unknown one."""
    element_sets = {name: element_set_of(path) for name, path in candidates.items()}
    for element_set in element_sets.values():
        check_elements(element_set)
    return element_sets


def compare(first: Path, second: Path, output: Path | None = None) -> Comparison:
    """Compare the metrics of two folders of `evaluate`; write them as JSON into `output`."""
    from partflow.evaluate.comparison import compare as compare_reports
    from partflow.evaluate.comparison import read_report

    comparison = compare_reports(read_report(first), read_report(second))
    if output is not None:
        write_text(output, json.dumps(comparison.to_dict(), indent=1, allow_nan=False) + "\n")
    return comparison


def _cluster_truths(
    events: Events, references: References, element_sets: Mapping[str, str]
) -> dict[str, ClusterTruth]:
    """Origin of the energy in the clusters of each candidate set, by the set's name."""
    from partflow.evaluate.energy_flow import cluster_truth

    truths = {
        element_set: cluster_truth(
            events.particles,
            events.track_particles,
            events.collections[ELEMENT_SETS[element_set].clusters],
            references.deposits[element_set],
        )
        for element_set in sorted(set(element_sets.values()))
    }
    return {name: truths[element_set] for name, element_set in element_sets.items()}
