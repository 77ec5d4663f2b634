"""Progress bar of a training run, and one line for each validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from partflow.core.progress import console, say
from partflow.train.checkpoint import RunState

WIDE_TERMINAL = 130
"""Columns of a terminal from which the bar shows single terms of the loss."""
SHOWN_TERMS = ("is_particle", "log_pt", "expected_sum")


class ProgressBar:
    """One bar for the whole run; a context manager. It shows nothing unless `is_shown`."""

    def __init__(self, is_shown: bool = True) -> None:
        self._is_shown = is_shown
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
            disable=not is_shown,
        )
        self._task = self._bar.add_task("train", total=1.0, start=False, rate=0, epoch=0, losses="")

    def __enter__(self) -> Self:
        self._bar.start()
        self._bar.start_task(self._task)
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def update(self, run_state: RunState, progress: float, num_events: int) -> None:
        """Set the bar to the `progress` in [0, 1] of a run with `num_events` per epoch."""
        recent = run_state.recent_losses
        losses = f"{run_state.training_loss:.3f}"
        if console.width >= WIDE_TERMINAL:
            shown = [f"{name} {recent[name]:.3f}" for name in SHOWN_TERMS if name in recent]
            losses += " = " + " + ".join(shown) + " + ..."
        self._bar.update(
            self._task,
            completed=progress,
            rate=run_state.events_per_second,
            epoch=run_state.epoch + run_state.events_of_epoch / num_events,
            losses=losses,
        )

    def tell_validation(self, run_state: RunState, row: Mapping[str, float]) -> None:
        """Print one line about the validation `row` of the history."""
        if self._is_shown:
            say(
                f"{run_state.minutes:5.1f} min  epoch {run_state.epoch}  "
                f"{run_state.events_seen:,} events  loss: training {row['training_loss']:.4f}, "
                f"validation {row['validation_loss']:.4f}"
            )
