"""The stages of the command line as functions: the only package that calls every stage.

Each function is one stage. It reads the output of an earlier stage and writes its own, whole or
not at all. It does nothing where the output is finished already (same configuration, inputs and
version), and continues a folder whose run was interrupted.

Modules that load torch, fastjet or matplotlib are imported inside the stage that needs them, so
that a worker process that simulates does not load them.
"""

from partflow.core.candidate_sets import BASELINE
from partflow.pipeline.background import Background
from partflow.pipeline.calibration import calibrate
from partflow.pipeline.card import card
from partflow.pipeline.demonstration import demo
from partflow.pipeline.display import display
from partflow.pipeline.evaluation import compare, evaluate, judge
from partflow.pipeline.events import (
    PRELOAD,
    generate,
    reconstruct_by_rules,
    simulate,
    simulate_events,
)
from partflow.pipeline.exchange import export_dataset, ingest
from partflow.pipeline.folders import PACKED, SHARD_EVENTS
from partflow.pipeline.hub import pull, push
from partflow.pipeline.labels import label, label_events
from partflow.pipeline.reconstruction import reconstruct
from partflow.pipeline.references import reference_candidates
from partflow.pipeline.training import dry_run, import_checkpoint, train
from partflow.pipeline.tuning import tune

__all__ = [
    "BASELINE",
    "PACKED",
    "PRELOAD",
    "SHARD_EVENTS",
    "Background",
    "calibrate",
    "card",
    "compare",
    "demo",
    "display",
    "dry_run",
    "evaluate",
    "export_dataset",
    "generate",
    "import_checkpoint",
    "ingest",
    "judge",
    "label",
    "label_events",
    "pull",
    "push",
    "reconstruct",
    "reconstruct_by_rules",
    "reference_candidates",
    "simulate",
    "simulate_events",
    "train",
    "tune",
]
