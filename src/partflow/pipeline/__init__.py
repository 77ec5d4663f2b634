"""The whole way, room by room: the only package that calls every one of them.

Each function is one stage: it reads what the stage before wrote and writes its own output
whole or not at all. A stage that is finished already (same configuration, inputs, version)
is skipped; a folder that was cut short is taken up where it stopped.

Rooms that load torch, fastjet or matplotlib are imported by the stage that needs them: a
worker that simulates should not wait for them.
"""

from partflow.core.candidate_sets import BASELINE
from partflow.pipeline.demonstration import demo
from partflow.pipeline.display import display
from partflow.pipeline.evaluation import compare, evaluate, judge
from partflow.pipeline.events import (
    KERNELS,
    Background,
    generate,
    simulate,
    simulate_events,
)
from partflow.pipeline.exchange import export_dataset, ingest
from partflow.pipeline.folders import PACKED, SHARD_EVENTS
from partflow.pipeline.labels import label, label_events
from partflow.pipeline.reconstruction import reconstruct
from partflow.pipeline.references import reference_candidates
from partflow.pipeline.training import import_checkpoint, train

__all__ = [
    "BASELINE",
    "KERNELS",
    "PACKED",
    "SHARD_EVENTS",
    "Background",
    "compare",
    "demo",
    "display",
    "evaluate",
    "export_dataset",
    "generate",
    "import_checkpoint",
    "ingest",
    "judge",
    "label",
    "label_events",
    "reconstruct",
    "reference_candidates",
    "simulate",
    "simulate_events",
    "train",
]
