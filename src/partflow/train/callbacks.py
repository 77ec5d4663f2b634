"""Callbacks of a training run: interruption, writing of its files, progress bar."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
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
from partflow.train.checkpoint import CHECKPOINT_FILE, Checkpoint, save_checkpoint
from partflow.train.history import HISTORY_FILE, history_csv, history_row
from partflow.train.module import MLPFTraining

Report = Callable[[int, float], bool]
"""Called with the optimiser steps and the loss of each validation; True ends the run."""
WIDE_TERMINAL = 130
"""Columns of a terminal from which the progress bar shows single terms of the loss."""
SHOWN_TERMS = ("is_particle", "log_pt", "expected_sum")


class InterruptHandler(lightning.Callback):
    """Ends the run at Ctrl-C, after the current batch; a second Ctrl-C ends it at once.

    A context manager: it handles the signal inside its block only.
    """

    def __init__(self) -> None:
        self.interrupted = False
        self._previous: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # other threads must not
            self._previous = signal.signal(signal.SIGINT, self._on_interrupt)
        return self

    def __exit__(self, *error: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: Any, *_: Any) -> None:
        """Stop the training if the run was interrupted."""
        if self.interrupted:
            trainer.should_stop = True

    def _on_interrupt(self, signal_number: int, frame: FrameType | None) -> None:
        """Note the interruption, and let the next one end the run at once."""
        self.interrupted = True
        signal.signal(signal.SIGINT, self._previous)
        console.print("Stopping after this batch; Ctrl-C again stops at once, without saving.")


class RunWriter(lightning.Callback):
    """Writes history and checkpoint after every validation, and the model if it is the best."""

    def __init__(
        self,
        folder: Path,
        provenance: Provenance | None,
        settings: dict[str, Any],
        report: Report | None = None,
    ) -> None:
        """Write into `folder`; `provenance` goes with the model, `settings` with the checkpoint.

        `report` is called when the files of a validation are written.
        """
        self.folder = folder
        self._provenance = provenance
        self._settings = settings
        self._report = report

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Write the files, the checkpoint last: it must not be ahead of the others."""
        assert isinstance(pl_module, MLPFTraining)
        run_state = pl_module.run_state
        row = history_row(pl_module)
        run_state.history.append(row)
        if row["validation_loss"] < run_state.best_validation_loss:
            run_state.best_validation_loss = row["validation_loss"]
            save_model(pl_module.model, self.folder, self._provenance)
        write_text(self.folder / HISTORY_FILE, history_csv(run_state.history))
        checkpoint = Checkpoint(
            state=run_state,
            model=dict(pl_module.model.state_dict()),
            optimizer=trainer.optimizers[0].state_dict(),
            random_state=torch.get_rng_state(),
            settings=self._settings,
        )
        save_checkpoint(self.folder / CHECKPOINT_FILE, checkpoint)
        if self._report is not None and self._report(run_state.steps, row["validation_loss"]):
            trainer.should_stop = True


class ProgressBar(lightning.Callback):
    """One bar for the whole run, and one line for every validation; a context manager."""

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
        """Update the bar."""
        self._update(pl_module)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Show the last batch, too: callbacks run before the module counts it."""
        self._update(pl_module)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        """Print the losses."""
        assert isinstance(pl_module, MLPFTraining)
        run_state = pl_module.run_state
        console.print(
            f"{run_state.minutes:5.1f} min  epoch {run_state.epoch}  "
            f"{run_state.events_seen:,} events  loss: training {pl_module.training_loss:.4f}, "
            f"validation {pl_module.validation_loss:.4f}"
        )

    def _update(self, module: Any) -> None:
        """Set the bar to the progress of the run."""
        assert isinstance(module, MLPFTraining)
        run_state, recent = module.run_state, module.recent_losses
        losses = f"{module.training_loss:.3f}"
        if console.width >= WIDE_TERMINAL:
            shown = [f"{name} {recent[name]:.3f}" for name in SHOWN_TERMS if name in recent]
            losses += " = " + " + ".join(shown) + " + ..."
        self._bar.update(
            self._task,
            completed=module.progress,
            rate=run_state.events_per_second,
            epoch=run_state.epoch + run_state.events_of_epoch / module.num_events,
            losses=losses,
        )
