"""What happens around the batches of a run: stopping, saving, showing."""

from __future__ import annotations

import csv
import io
import signal
import threading
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any, Self

import lightning
import torch
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from partflow.core.outputs import write_text
from partflow.core.progress import console
from partflow.core.provenance import Provenance
from partflow.model.folder import save_model
from partflow.train.module import MLPFTraining
from partflow.train.schedule import learning_rate
from partflow.train.state import CHECKPOINT_FILE, Checkpoint, save_checkpoint

HISTORY_FILE = "training.csv"
WIDE = 130
"""Columns of a terminal from which on the bar has room for single terms of the loss."""


class Stop(lightning.Callback):
    """Ends the run at Ctrl-C, after the batch at hand; a second Ctrl-C ends it at once.

    A context: Ctrl-C is taken over inside the block only.
    """

    def __init__(self) -> None:
        self.interrupted = False
        self._previous: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # no other may
            self._previous = signal.signal(signal.SIGINT, self._on_interrupt)
        return self

    def __exit__(self, *error: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: Any, *_: Any) -> None:
        """Stop if the run was interrupted."""
        if self.interrupted:
            trainer.should_stop = True

    def _on_interrupt(self, signal_number: int, frame: FrameType | None) -> None:
        self.interrupted = True
        signal.signal(signal.SIGINT, self._previous)
        console.print("Stopping after this batch; Ctrl-C again stops at once and saves nothing.")


class Save(lightning.Callback):
    """After every validation: history, checkpoint, and the model if it is the best so far."""

    def __init__(
        self, folder: Path, provenance: Provenance | None, settings: dict[str, Any]
    ) -> None:
        self.folder = folder
        self._provenance = provenance
        self._settings = settings

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Write what changed; the checkpoint last, so that it never claims too much."""
        assert isinstance(pl_module, MLPFTraining)
        state = pl_module.state
        row = history_row(pl_module)
        state.history.append(row)
        if row["validation_loss"] < state.best_validation_loss:
            state.best_validation_loss = row["validation_loss"]
            save_model(pl_module.model, self.folder, self._provenance)
        write_text(self.folder / HISTORY_FILE, history_csv(state.history))
        checkpoint = Checkpoint(
            state=state,
            model=dict(pl_module.model.state_dict()),
            optimizer=trainer.optimizers[0].state_dict(),
            random_state=torch.get_rng_state(),
            settings=self._settings,
        )
        save_checkpoint(self.folder / CHECKPOINT_FILE, checkpoint)


class Show(lightning.Callback):
    """One bar for the whole run, and one line for every validation; a context."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TaskProgressColumn(),
            TextColumn("[cyan]{task.fields[rate]:,.0f} events/s"),
            TextColumn("epoch {task.fields[epoch]:.1f}"),
            TextColumn("loss {task.fields[losses]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            refresh_per_second=2,
            speed_estimate_period=600,
        )
        self._task = self._bar.add_task("train", total=1.0, start=False, rate=0, epoch=0, losses="")

    def __enter__(self) -> Self:
        self._bar.start()
        self._bar.start_task(self._task)
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: Any, *_: Any) -> None:
        """Move the bar."""
        assert isinstance(pl_module, MLPFTraining)
        state, recent = pl_module.state, pl_module.recent_losses
        losses = f"{sum(recent.values()):.3f}"
        if console.width >= WIDE:
            shown = (n for n in ("is_particle", "log_pt", "expected_sum") if n in recent)
            losses += " = " + " + ".join(f"{name} {recent[name]:.3f}" for name in shown) + " + ..."
        self._bar.update(
            self._task,
            completed=pl_module.progress,
            rate=state.events_per_second,
            epoch=state.epoch + state.events_of_epoch / pl_module.num_events,
            losses=losses,
        )

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """A line with what the validation found."""
        assert isinstance(pl_module, MLPFTraining)
        state = pl_module.state
        training_loss = sum(pl_module.recent_losses.values())
        console.print(
            f"{state.minutes:5.1f} min  epoch {state.epoch}  {state.events_seen:,} events  "
            f"loss {training_loss:.4f} training, {validation_loss(pl_module):.4f} validation"
        )


def validation_loss(module: MLPFTraining) -> float:
    """Sum of the terms of the last validation."""
    return sum(module.validation_losses.values())


def history_row(module: MLPFTraining) -> dict[str, float]:
    """What the history keeps of a validation."""
    state = asdict(module.state)
    kept = ("steps", "epoch", "events_seen", "minutes")
    return {
        **{name: float(state[name]) for name in kept},
        "events_per_second": module.state.events_per_second,
        "learning_rate": learning_rate(module.progress, module.config),
        "training_loss": sum(module.recent_losses.values()),
        "validation_loss": validation_loss(module),
        **{f"training_{name}": value for name, value in module.recent_losses.items()},
        **{f"validation_{name}": value for name, value in module.validation_losses.items()},
        **module.validation_metrics,
    }


def history_csv(history: list[dict[str, float]]) -> str:
    """The rows as comma-separated text with a header."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, history[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return stream.getvalue()
