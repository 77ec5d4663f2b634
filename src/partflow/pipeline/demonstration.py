"""All stages, one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from partflow.generate.config import GenerationConfig
from partflow.pipeline.evaluation import evaluate
from partflow.pipeline.events import generate, simulate
from partflow.pipeline.labels import label
from partflow.pipeline.reconstruction import reconstruct
from partflow.pipeline.training import train

DEMO_PROCESSES = ("ttbar", "qq", "ww")
DEMO_TRAINING_EVENTS, DEMO_TEST_EVENTS = 900, 200
"""Events of each process."""
DEMO_TRAINING_MINUTES = 2.5


def demo(output: Path, workers: int = 2, seed: int = 1) -> dict[str, Any]:
    """Run all stages on new events, and return the metrics of the evaluation.

    The folder `output` then holds `train/` (generated events, `events/`, `labelled/`), `model/`,
    `test/` (generated events, `events/`), `mlpf.parquet` and `report/`. The network is evaluated
    on test events, which it has not seen.
    """
    samples = {"train": (seed, DEMO_TRAINING_EVENTS), "test": (seed + 1, DEMO_TEST_EVENTS)}
    for name, (sample_seed, num_events) in samples.items():
        files = [output / name / f"{process}.parquet" for process in DEMO_PROCESSES]
        for process, file in zip(DEMO_PROCESSES, files, strict=True):
            generate(GenerationConfig(process, num_events, sample_seed), file)
        simulate(files, output / name / "events", workers=workers)
    label(output / "train" / "events", output / "train" / "labelled")
    from partflow.train.checkpoint import CHECKPOINT_FILE  # imports torch

    train(
        output / "train" / "labelled",
        output / "model",
        preset="tiny",
        resume=(output / "model" / CHECKPOINT_FILE).exists(),
        max_minutes=DEMO_TRAINING_MINUTES,
        seed=seed,
        threads=workers,
    )
    events, candidates = output / "test" / "events", output / "mlpf.parquet"
    reconstruct(events, str(output / "model"), candidates)
    return evaluate(events, {"mlpf": candidates}, output / "report")
