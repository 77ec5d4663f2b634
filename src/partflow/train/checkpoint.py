"""State of a training run, and the checkpoint from which an interrupted run continues.

A run that continues gives the same weights as one that was not interrupted. A checkpoint holds
tensors, numbers and text only, and is read with `weights_only=True`: opening a file from somebody
else executes no code in it.
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
from partflow.train.resources import RunPart

CHECKPOINT_FILE = "checkpoint.pt"
CHECKPOINT_FORMAT = "partflow-checkpoint-2"


@dataclass
class RunState:
    """Progress of a run."""

    epoch: int = 0
    """Epochs completed."""
    batches_of_epoch: int = 0
    """Batches of the current epoch that are done."""
    events_of_epoch: int = 0
    """Events of the current epoch that are done, of all processes."""
    steps: int = 0
    """Optimiser steps."""
    events_seen: int = 0
    """Training events, counted once for each time that the network was trained on them."""
    minutes: float = 0.0
    """Duration of the run, without the time between an interruption and its continuation."""
    training_seconds: float = 0.0
    """Time spent in training steps, without validation and writing."""
    best_validation_loss: float = float("inf")
    """Lowest validation loss so far; the model folder holds the weights that had it."""
    kept: dict[str, float] = field(default_factory=dict)
    """Validation loss of each of the best models that are kept, by its name."""
    recent_losses: dict[str, float] = field(default_factory=dict)
    """Running means of the terms of the training loss."""
    history: list[dict[str, float]] = field(default_factory=list)
    """One row for each validation (`train.history`)."""
    parts: list[RunPart] = field(default_factory=list)
    """What each start of the program used (`train.resources`). Checkpoints of earlier versions have
    none."""

    @property
    def events_per_second(self) -> float:
        """Training events per second, without validation and writing."""
        return self.events_seen / self.training_seconds if self.training_seconds else 0.0

    @property
    def training_loss(self) -> float:
        """Running mean of the training loss."""
        return sum(self.recent_losses.values())


@dataclass(frozen=True)
class Checkpoint:
    """Everything that an interrupted run needs to continue."""

    state: RunState
    model: dict[str, torch.Tensor]
    """Weights and standardisation."""
    optimizer: dict[str, Any]
    """State of AdamW."""
    average: dict[str, torch.Tensor] | None
    """State of the moving average of the weights, if the run has one."""
    random_states: list[torch.Tensor]
    """State of torch's generator in each process; the order of events and their symmetries need
    none."""
    settings: dict[str, Any]
    """Settings of data, model and training, in types that JSON has."""


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, complete or not at all; raises OutputError where that fails."""
    content = {
        "format": CHECKPOINT_FORMAT,
        "state": asdict(checkpoint.state),
        "model": checkpoint.model,
        "optimizer": checkpoint.optimizer,
        "average": checkpoint.average,
        "random_states": checkpoint.random_states,
        "settings": checkpoint.settings,
    }
    buffer = io.BytesIO()  # torch.save would report a full disk as another error
    torch.save(content, buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_checkpoint(path: Path) -> Checkpoint:
    """Read the checkpoint at `path`.

    Raises InputError where there is none or it is damaged, SchemaError where another version
    wrote it.
    """
    if not path.is_file():
        raise InputError(f"{path}: no checkpoint to resume from; start without --resume")
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: damaged checkpoint ({reason}); train again") from error
    if not isinstance(content, dict) or content.pop("format", None) != CHECKPOINT_FORMAT:
        raise SchemaError(f"{path}: not a checkpoint of this version; train again")
    stored = content["state"]
    parts = [RunPart(**part) for part in stored.get("parts", [])]
    return Checkpoint(**{**content, "state": RunState(**{**stored, "parts": parts})})
