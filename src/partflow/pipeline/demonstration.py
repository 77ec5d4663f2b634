"""All stages one after the other."""

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
DEMO_TRAINING_EVENTS, DEMO_TEST_EVENTS = 900, 200  # of each process
DEMO_TRAINING_MINUTES = 2.5


def demo(output: Path, workers: int = 2, seed: int = 1) -> dict[str, Any]:
    """The whole way on fresh events; the network is judged on events it has not seen."""
    sets = {"train": (seed, DEMO_TRAINING_EVENTS), "test": (seed + 1, DEMO_TEST_EVENTS)}
    for name, (own_seed, num) in sets.items():
        files = [output / name / f"{process}.parquet" for process in DEMO_PROCESSES]
        for process, file in zip(DEMO_PROCESSES, files, strict=True):
            generate(GenerationConfig(process, num, own_seed), file)
        simulate(files, output / name / "events", workers=workers)
    events, model = output / "test" / "events", output / "model"
    label(output / "train" / "events", output / "train" / "labelled")
    train(
        output / "train" / "labelled",
        model,
        preset="tiny",
        max_minutes=DEMO_TRAINING_MINUTES,
        seed=seed,
        threads=workers,
    )
    reconstruct(events, str(model), output / "mlpf.parquet")
    return evaluate(events, {"mlpf": output / "mlpf.parquet"}, output / "report")
