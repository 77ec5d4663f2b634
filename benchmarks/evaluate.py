"""Time the parts of an evaluation.

    python -m benchmarks.evaluate EVENTS [--candidates NAME=FILE ...] [--num-events 10000]

EVENTS is a folder of `partflow simulate`. Its events are evaluated repeatedly under new ids until
there are `--num-events` of them, so that a small sample gives the time of a large one; reading and
labelling are repeated, too. Prints the seconds of each part and its fraction of the total: judging
(reading, targets and ceilings, jets), metrics with their intervals, plots, event displays and page.
The processor time of this process is printed for comparison; it is less than the wall time if the
machine was busy. `--workers` other processes write the plots.
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

PART_NAMES = {METRICS_FILE: "metrics and intervals", "displays": "displays", PAGE_FILE: "page"}


class Stopwatch:
    """Wall and processor time of each part [s]."""

    def __init__(self) -> None:
        self.seconds: dict[str, tuple[float, float]] = {}
        self._last = self._now()

    def lap(self, part: str) -> None:
        """Add the time since the last lap to `part`."""
        now = self._now()
        clock, processor = self.seconds.get(part, (0.0, 0.0))
        self.seconds[part] = (clock + now[0] - self._last[0], processor + now[1] - self._last[1])
        self._last = now

    def _now(self) -> tuple[float, float]:
        return time.perf_counter(), time.process_time()


def main() -> None:
    """Time one evaluation and print the time of each part."""
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
    folder_size, make_scene = num_events(chosen.events, "events"), scene_maker(chosen.events, files)

    def scene(number: int, remark: str) -> Scene:
        return make_scene(number % folder_size, remark)  # the events repeat

    with tempfile.TemporaryDirectory() as folder:
        write_evaluation(
            evaluator, Path(folder), None,
            lambda part: watch.lap(PART_NAMES.get(part, PLOTS_FOLDER)), scene, None, chosen.workers,
        )  # fmt: skip
        size = (Path(folder) / PAGE_FILE).stat().st_size
    total, busy = (sum(column) for column in zip(*watch.seconds.values(), strict=True))
    sets = len(evaluator.names)
    print(f"{evaluator.num_events} events, {sets} candidate sets, page of {size / 1e6:.2f} MB")
    print(f"{'seconds':>33} of processor")
    for part, (clock, processor) in {**watch.seconds, "all": (total, busy)}.items():
        print(f"  {part:24} {clock:6.1f} {processor:6.1f}  {100 * clock / total:3.0f} %")


def judge(events: Path, files: dict[str, Path], number: int, evaluator: Evaluator) -> None:
    """Judge `number` events, repeating them under new ids where the folder holds fewer."""
    detector = detector_of(events)
    element_sets = {name: element_set_of(path) for name, path in files.items()}
    while evaluator.num_events < number:
        streams = {name: CandidateStream(name, path) for name, path in files.items()}
        first = evaluator.num_events
        for chunk in iterate_events(events, "events"):
            sets = {name: stream.take(chunk.event_id) for name, stream in streams.items()}
            keep = slice(0, number - evaluator.num_events)
            few = {name: candidates[keep] for name, candidates in sets.items()}
            ids = evaluator.num_events + np.arange(len(chunk[keep]))
            judge_chunk(evaluator, chunk[keep], few, element_sets, detector, ids)
            if evaluator.num_events >= number:
                return
        if evaluator.num_events == first:
            raise SystemExit(f"{events}: holds no event")


if __name__ == "__main__":
    main()
