"""Files of a training run.

    model.safetensors, config.json   the best weights so far, ready to use
    checkpoint.pt                    the run, to be continued
    training.csv, loss.png           losses of every validation, as a table and as a figure
    checkpoints/EPOCH-STEP-LOSS/     kept models: the best ones, and one every few steps
    config.toml                      the configuration (`train.configuration`)
    resources.json                   machine, time and versions (`train.resources`)
    logs/                            for TensorBoard

`pipeline.train` adds data.json, the events and their origin (`train.training_data`), at the end.

Each file is written completely or not at all, the checkpoint last: it is never ahead of the others.
A run that continues from it writes the same files again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from partflow.core.outputs import write_text
from partflow.core.provenance import Provenance
from partflow.model.folder import save_model
from partflow.model.mlpf import MLPF
from partflow.train.checkpoint import CHECKPOINT_FILE, Checkpoint, RunState, save_checkpoint
from partflow.train.config import TrainConfig
from partflow.train.history import HISTORY_FILE, history_csv
from partflow.train.resources import resources_of, write_resources

KEPT_FOLDER = "checkpoints"


class RunFiles:
    """Writes the files of one run."""

    def __init__(self, folder: Path, config: TrainConfig, provenance: Provenance | None) -> None:
        """Write into `folder`; `provenance` goes with every model."""
        self.folder = folder
        self._config = config
        self._provenance = provenance

    def write(self, model: MLPF, checkpoint: Checkpoint, row: dict[str, float]) -> None:
        """Write everything that a validation with the result `row` of `model` changes."""
        run_state = checkpoint.state
        run_state.history.append(row)
        loss = row["validation_loss"]
        if loss < run_state.best_validation_loss:
            run_state.best_validation_loss = loss
            save_model(model, self.folder, self._provenance)
        self._keep(model, run_state, loss)
        write_text(self.folder / HISTORY_FILE, history_csv(run_state.history))
        write_resources(self.folder, resources_of(run_state.minutes, run_state.parts))
        save_checkpoint(self.folder / CHECKPOINT_FILE, checkpoint)

    def _keep(self, model: MLPF, run_state: RunState, loss: float) -> None:
        """Keep `model` if it is among the best, and remove the one that no longer is."""
        name = kept_name(run_state, loss)
        kept, limit = run_state.kept, self._config.keep_best
        if len(kept) < limit or (kept and loss < max(kept.values())):
            save_model(model, self.folder / KEPT_FOLDER / name, self._provenance)
            kept[name] = loss
        while len(kept) > limit:
            worst = max(kept, key=lambda of: kept[of])
            del kept[worst]
            shutil.rmtree(self.folder / KEPT_FOLDER / worst, ignore_errors=True)

    def keep_at_interval(self, model: MLPF, run_state: RunState) -> None:
        """Keep `model` whatever its loss; `checkpoint_interval` says how often."""
        loss = run_state.history[-1]["validation_loss"] if run_state.history else float("nan")
        folder = self.folder / KEPT_FOLDER / f"{kept_name(run_state, loss)}-interval"
        save_model(model, folder, self._provenance)


def kept_name(run_state: RunState, loss: float) -> str:
    """Name of a kept model: its epoch, its step and its validation loss.

    >>> kept_name(RunState(epoch=3, steps=1200), 1.23456)
    'epoch003-step0001200-loss1.2346'
    """
    return f"epoch{run_state.epoch:03d}-step{run_state.steps:07d}-loss{loss:.4f}"
