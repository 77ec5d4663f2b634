"""Progress of a training run, and the learning rate that depends on it."""

from __future__ import annotations

import math

from partflow.train.checkpoint import RunState
from partflow.train.config import TrainConfig


def run_progress(run_state: RunState, num_events: int, config: TrainConfig) -> float:
    """Fraction of the run that is done, in [0, 1]; an epoch has `num_events` training events.

    It is the larger of the fractions of epochs and of minutes, so the learning rate is low at the
    end of a run whichever limit ends it.
    """
    epochs_done = (run_state.epoch + run_state.events_of_epoch / num_events) / config.epochs
    if config.max_minutes is None:
        return min(epochs_done, 1.0)
    return min(max(epochs_done, run_state.minutes / config.max_minutes), 1.0)


def learning_rate(progress: float, config: TrainConfig) -> float:
    """Learning rate at `progress` in [0, 1]: linear warm-up, then cosine decay.

    >>> config = TrainConfig(learning_rate=1.0, warmup=0.1, final_learning_rate=0.01)
    >>> [round(learning_rate(p, config), 3) for p in (0.0, 0.05, 0.1, 0.55, 1.0)]
    [0.0, 0.5, 1.0, 0.505, 0.01]
    """
    if progress < config.warmup:
        return config.learning_rate * progress / config.warmup
    annealed = (progress - config.warmup) / (1.0 - config.warmup)
    cosine = 0.5 * (1.0 + math.cos(math.pi * annealed))
    final = config.final_learning_rate
    return config.learning_rate * (final + (1.0 - final) * cosine)
