"""What products in bfloat16 cost in jets, missing momentum and the list of candidates.

    python -m benchmarks.precision events/ run/ --output precision/ [--smallest 32]

Reconstructs the same events with one trained network in both types, and evaluates the candidates.
`--smallest` lowers the width from which on products are computed in bfloat16
(`model.precision.SMALLEST_BFLOAT16`), for networks that are narrower.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from partflow import pipeline
from partflow.core.store import iterate_events
from partflow.evaluate import EvaluationConfig
from partflow.model import precision

DTYPES = "float32", "bfloat16"


def candidates_per_event(path: Path) -> float:
    counts = [np.diff(chunk.candidates.offsets) for chunk in iterate_events(path, "candidates")]
    return float(np.concatenate(counts).mean())


def with_interval(entry: dict[str, Any], key: str) -> str:
    """A value and half the width of its interval."""
    value, interval = entry[key], entry[f"{key}_ci"]
    if value is None or None in interval:
        return "-"
    return f"{value:.4f} ± {(interval[1] - interval[0]) / 2:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("events", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--smallest", type=int, default=precision.SMALLEST_BFLOAT16)
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    precision.SMALLEST_BFLOAT16 = options.smallest
    options.output.mkdir(parents=True, exist_ok=True)
    files, seconds = {}, {}
    for dtype in DTYPES:
        files[dtype] = options.output / f"{dtype}.parquet"
        start = time.perf_counter()
        pipeline.reconstruct(
            options.events, str(options.model), files[dtype], overwrite=True,
            threads=options.threads, dtype=dtype,
        )  # fmt: skip
        seconds[dtype] = time.perf_counter() - start
    evaluator = pipeline.judge(options.events, files, EvaluationConfig())
    metrics = evaluator.metrics()
    print(f"{evaluator.num_events} events")
    print("| products | jets IQR/median | jets median | MET IQR of difference [GeV] "
          "| candidates per event | seconds |")  # fmt: skip
    print("|---|---|---|---|---|---|")
    for dtype, path in files.items():
        jets, met = metrics["jets"][dtype], metrics["met"][dtype]
        print(f"| {dtype} | {with_interval(jets, 'iqr_over_median')} | {jets['median']:.4f} "
              f"| {with_interval(met, 'iqr_of_difference')} | {candidates_per_event(path):.3f} "
              f"| {seconds[dtype]:.1f} |")  # fmt: skip


if __name__ == "__main__":
    main()
