"""Trials that are tried again, as another trial with the same settings."""

from __future__ import annotations

from collections.abc import Iterable

from optuna.trial import FrozenTrial

RETRY_OF, NUM_DEATHS = "retry_of", "num_deaths"
"""Attributes of the trial that repeats another one: its number, and processes it has ended."""


def counted(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """The trials without those that are tried again under another number."""
    trials = list(trials)
    numbers = retried(trials)
    return [trial for trial in trials if trial.number not in numbers]


def retried(trials: Iterable[FrozenTrial]) -> set[int]:
    """Numbers of the trials that are tried again."""
    return {trial.user_attrs[RETRY_OF] for trial in trials if RETRY_OF in trial.user_attrs}
