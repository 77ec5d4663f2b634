"""How long does an evaluation take, part by part?

    python -m benchmarks.evaluate EVENTS [--candidates NAME=FILE ...] [--num-events 10000]

EVENTS is a folder of `partflow simulate`. Its events are judged again and again under new ids
until there are `--num-events` of them, so a small sample tells the time of a large one; what is
read and labelled is read and labelled each time. Prints seconds of each part and its share:
judging (reading, targets and ceilings, jets), figures with their intervals, plots, event displays
and page. Processor time of this process beside the time on the clock tells whether the machine
was busy; `--workers` others write the figures.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from partflow.cli.app import named_files
from partflow.core.candidate_stream import CandidateStream
from partflow.core.store import iterate_events, num_events
from partflow.evaluate import EvaluationConfig, Evaluator
from partflow.pipeline.display import scene_maker
from partflow.pipeline.evaluation import judge_chunk
from partflow.pipeline.folders import detector_of
from partflow.pipeline.references import element_set_of
from partflow.report.display.scene import Scene
from partflow.report.evaluation import METRICS_FILE, PAGE_FILE, PLOTS_FOLDER, write_evaluation

PARTS = {METRICS_FILE: "figures and intervals", "displays": "displays", PAGE_FILE: "page"}


class Stopwatch:
    """Seconds on the clock and of the processor, by part."""

    def __init__(self) -> None:
        self.seconds: dict[str, tuple[float, float]] = {}
        self._last = self._now()

    def lap(self, part: str) -> None:
        """What passed since the last lap belongs to `part`."""
        now = self._now()
        clock, processor = self.seconds.get(part, (0.0, 0.0))
        self.seconds[part] = (clock + now[0] - self._last[0], processor + now[1] - self._last[1])
        self._last = now

    def _now(self) -> tuple[float, float]:
        return time.perf_counter(), time.process_time()


def main() -> None:
    """Time one evaluation and print where it went."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("events", type=Path)
    parser.add_argument("--candidates", nargs="*", default=())
    parser.add_argument("--num-events", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    files = named_files(tuple(chosen.candidates))
    evaluator, watch = Evaluator(EvaluationConfig()), Stopwatch()
    judge(chosen.events, files, chosen.num_events, evaluator)
    watch.lap("judging")
    held, make = num_events(chosen.events, "events"), scene_maker(chosen.events, files)

    def scene(number: int, remark: str) -> Scene:
        return make(number % held, remark)  # the events are the same ones again and again

    with tempfile.TemporaryDirectory() as folder:
        write_evaluation(
            evaluator, Path(folder), None,
            lambda part: watch.lap(PARTS.get(part, PLOTS_FOLDER)), scene, None, chosen.workers,
        )  # fmt: skip
        size = (Path(folder) / PAGE_FILE).stat().st_size
    total, busy = (sum(column) for column in zip(*watch.seconds.values(), strict=True))
    sets = len(evaluator.names)
    print(f"{evaluator.num_events} events, {sets} candidate sets, page of {size / 1e6:.2f} MB")
    print(f"{'seconds':>33} of processor")
    for part, (clock, processor) in {**watch.seconds, "all": (total, busy)}.items():
        print(f"  {part:24} {clock:6.1f} {processor:6.1f}  {100 * clock / total:3.0f} %")


def judge(events: Path, files: dict[str, Path], wanted: int, evaluator: Evaluator) -> None:
    """Judge `wanted` events, the same ones under new ids where the folder holds fewer."""
    detector, elements = (
        detector_of(events),
        {name: element_set_of(path) for name, path in files.items()},
    )
    while evaluator.num_events < wanted:
        streams = {name: CandidateStream(name, path) for name, path in files.items()}
        first = evaluator.num_events
        for run in iterate_events(events, "events"):
            sets = {name: stream.take(run.event_id) for name, stream in streams.items()}
            keep = slice(0, wanted - evaluator.num_events)
            few = {name: one[keep] for name, one in sets.items()}
            ids = evaluator.num_events + np.arange(len(run[keep]))
            judge_chunk(evaluator, run[keep], few, elements, detector, ids)
            if evaluator.num_events >= wanted:
                return
        if evaluator.num_events == first:
            raise SystemExit(f"{events}: holds no event")


if __name__ == "__main__":
    main()
