"""How long does an evaluation take, part by part?

    python -m benchmarks.evaluate EVENTS [--candidates NAME=FILE ...] [--num-events 10000]

EVENTS is a folder of `partflow simulate`. Its events are judged again and again under new ids
until there are `--num-events` of them, so a small sample tells the time of a large one; what is
read and labelled is read and labelled each time. Prints seconds of each part and its share: judging
(reading, targets and ceilings, jets), figures with their intervals, plots and page.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from partflow.cli.app import named_files
from partflow.core.store import iterate_events, num_events
from partflow.core.stream import CandidateStream
from partflow.evaluate import EvaluationConfig, Evaluator
from partflow.evaluate.evaluation import write_evaluation
from partflow.pipeline.common import BASELINE, detector_of
from partflow.pipeline.verdict import reference_candidates


def main() -> None:
    """Time one evaluation and print where it went."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("events", type=Path)
    parser.add_argument("--candidates", nargs="*", default=())
    parser.add_argument("--num-events", type=int, default=10_000)
    chosen = parser.parse_args()
    seconds = {"references": 0.0, "judging": 0.0}
    evaluator = Evaluator(EvaluationConfig())
    files = named_files(tuple(chosen.candidates))
    judge(chosen.events, files, chosen.num_events, evaluator, seconds)
    started = time.perf_counter()
    evaluator.figures()
    seconds["figures and intervals"] = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        write_evaluation(evaluator, Path(folder))
        # It takes the figures again; that part is known.
        seconds["plots and page"] = time.perf_counter() - started - seconds["figures and intervals"]
    total = sum(seconds.values())
    print(f"{evaluator.num_events} events, {len(evaluator.names)} candidate sets: {total:.1f} s")
    for part, spent in seconds.items():
        print(f"  {part:24} {spent:6.1f} s  {100 * spent / total:3.0f} %")


def judge(
    events: Path, files: dict[str, Path], wanted: int, evaluator: Evaluator,
    seconds: dict[str, float],
) -> None:  # fmt: skip
    """Judge `wanted` events, the same ones under new ids where the folder holds fewer."""
    setup, held = detector_of(events), num_events(events, "events")
    while evaluator.num_events < wanted:
        streams = {name: CandidateStream(name, path) for name, path in files.items()}
        first = evaluator.num_events
        for run in iterate_events(events, "events"):
            sets = {name: stream.take(run.event_id) for name, stream in streams.items()}
            started = time.perf_counter()
            references = reference_candidates(run, setup)
            seconds["references"] += time.perf_counter() - started
            started = time.perf_counter()
            ids = evaluator.num_events + np.arange(len(run))
            evaluator.add(
                run.particles, references.targets["final"], run.tracks, run.clusters,
                {**sets, BASELINE: run.baseline, **references.candidates}, run.process, ids,
            )  # fmt: skip
            seconds["judging"] += time.perf_counter() - started
            if evaluator.num_events >= wanted:
                break
        assert evaluator.num_events > first or not held, "no event was judged"


if __name__ == "__main__":
    main()
