"""History of a training run: one row for each validation, as a table and as a figure."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from partflow.core.outputs import replacing
from partflow.train.checkpoint import RunState
from partflow.train.config import TrainConfig
from partflow.train.schedule import learning_rate
from partflow.train.validation import Validation

HISTORY_FILE = "training.csv"
FIGURE_FILE = "loss.png"
SOURCE_PREFIX = "validation_loss/"
"""Prefix of the columns with the validation loss of a single source."""


def history_row(
    run_state: RunState, validation: Validation, progress: float, config: TrainConfig
) -> dict[str, float]:
    """Progress, losses and metrics at a validation, by name."""
    row = {
        "steps": float(run_state.steps),
        "epoch": float(run_state.epoch),
        "events_seen": float(run_state.events_seen),
        "minutes": float(run_state.minutes),
        "events_per_second": run_state.events_per_second,
        "learning_rate": learning_rate(progress, config),
        "training_loss": run_state.training_loss,
        "validation_loss": validation.loss,
        **{f"training_{name}": value for name, value in run_state.recent_losses.items()},
        **{f"validation_{name}": value for name, value in validation.losses.items()},
        **validation.metrics,
    }
    if len(validation.of_sources) > 1:
        row |= {
            f"{SOURCE_PREFIX}{source}": validation.loss_of(source)
            for source in validation.of_sources
        }
    return row


def history_csv(history: list[dict[str, float]]) -> str:
    """The rows as comma-separated text with a header.

    >>> print(history_csv([{"epoch": 1.0, "validation_loss": 0.5}]), end="")
    epoch,validation_loss
    1.0,0.5
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, history[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return stream.getvalue()


def draw_losses(history: list[dict[str, float]], path: Path) -> None:
    """Draw the training and validation losses and the terms of the latter, to a PNG file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    events_seen = [row["events_seen"] for row in history]
    for name, style in (("training_loss", "k--"), ("validation_loss", "k-")):
        values = [row[name] for row in history]
        axes.plot(events_seen, values, style, label=name.replace("_", " "))
    prefix = "validation_"
    terms = [n for n in history[0] if n.startswith(prefix) and "validation_loss" not in n]
    for name in terms:
        values = [row[name] for row in history]
        axes.plot(events_seen, values, linewidth=1, label=name.removeprefix(prefix))
    axes.set(xlabel="training events seen", ylabel="loss", yscale="log")
    axes.legend(fontsize="small", ncols=2)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
