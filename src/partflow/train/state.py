"""Where a run is, and the checkpoint from which it goes on as if it had not been stopped.

A checkpoint holds plain tensors, numbers and text, and is read with `weights_only=True`:
opening one runs no code of whoever wrote it.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from partflow.core.errors import InputError, SchemaError
from partflow.core.outputs import replacing

CHECKPOINT_FILE = "checkpoint.pt"
FORMAT = "partflow-checkpoint-1"


@dataclass
class RunState:
    """How far a run has come."""

    epoch: int = 0
    """Epochs completed."""
    batches_of_epoch: int = 0
    """Batches done of the current epoch."""
    events_of_epoch: int = 0
    """Events seen in the current epoch."""
    steps: int = 0
    """Optimiser steps."""
    events_seen: int = 0
    """Events seen in all epochs."""
    minutes: float = 0.0
    """Time since the start, without the time between an interruption and its resumption."""
    training_seconds: float = 0.0
    """Time in training batches alone: without validation and writing."""
    best_validation_loss: float = float("inf")
    """Lowest validation loss so far; the weights that had it are those of the model folder."""
    history: list[dict[str, float]] = field(default_factory=list)
    """One row for each validation: what was measured, by name."""

    @property
    def events_per_second(self) -> float:
        """Training events per second of training."""
        return self.events_seen / self.training_seconds if self.training_seconds else 0.0


@dataclass(frozen=True)
class Checkpoint:
    """A run, frozen."""

    state: RunState
    model: dict[str, torch.Tensor]
    """Weights and standardisation."""
    optimizer: dict[str, Any]
    """State of AdamW."""
    random_state: torch.Tensor
    """State of torch's generator; the order of events and their symmetries need none."""
    settings: dict[str, Any]
    """Data, model and training of the run, as JSON would hold them."""


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all; raises OutputError where that fails."""
    content = {
        "format": FORMAT,
        "state": asdict(checkpoint.state),
        "model": checkpoint.model,
        "optimizer": checkpoint.optimizer,
        "random_state": checkpoint.random_state,
        "settings": checkpoint.settings,
    }
    buffer = io.BytesIO()  # torch would hide a full disk in an error of its own
    torch.save(content, buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint at `path`.

    Raises InputError where there is none or it is damaged, SchemaError where it is another
    version's.
    """
    if not path.is_file():
        raise InputError(f"{path}: no checkpoint to resume from; start without --resume")
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: damaged checkpoint ({reason}); train again") from error
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise SchemaError(f"{path}: not a checkpoint of this version; train again")
    return Checkpoint(**{**content, "state": RunState(**content["state"])})
