"""The budget of a trial, and the pruner that ends trials early.

ASHA (asynchronous successive halving, arXiv:1810.05934) compares a trial with the others when it
has used 10 %, 30 % and 90 % of its budget, and ends it unless it is in the best third. The median
rule ends a trial whose best loss is above the median of the others at the same point.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Literal

from optuna import Study, pruners
from optuna.trial import FrozenTrial

from partflow.core.errors import ConfigError
from partflow.tune.retries import counted

PrunerName = Literal["asha", "median", "none"]
FIRST_RUNG = 10
"""Part of the budget [%] after which ASHA compares a trial with others for the first time."""
REDUCTION_FACTOR = 3
"""Of so many trials, ASHA continues one; and the next comparison is at so many times the budget."""
MEDIAN_TRIALS, MEDIAN_PERCENT = 5, 20
"""Trials that are never ended by the median rule, and the part of a budget that it waits [%]."""
TIME_STEP = 5
"""Step in which the used part of a budget of minutes is counted [%]."""


@dataclass(frozen=True)
class Budget:
    """How long each trial trains: a number of epochs, or of minutes."""

    epochs: int | None = None
    max_minutes: float | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError unless exactly one is given, and positive."""
        if (self.epochs is None) == (self.max_minutes is None):
            raise ConfigError("--epochs, --max-minutes: give one of them, the budget of a trial")
        value = self.epochs if self.max_minutes is None else self.max_minutes
        assert value is not None
        if value <= 0:
            raise ConfigError(f"the budget of a trial is {value:g}; it must be positive")


class UsedBudget:
    """The part of its budget that a trial has used.

    The network is validated at the end of every epoch if the budget is a number of epochs. A used
    time is rounded down to a multiple of TIME_STEP, so that trials have used equal parts, which
    the median rule needs.

    >>> used = UsedBudget(Budget(epochs=4))
    >>> used.after_validation(), used.after_validation()
    (25, 50)
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._num_validations = 0
        self._started = time.monotonic()

    def after_validation(self) -> int:
        """The used part [%]; call it once after every validation."""
        self._num_validations += 1
        if self._budget.epochs is not None:
            fraction = self._num_validations / self._budget.epochs
        else:
            assert self._budget.max_minutes is not None
            fraction = (time.monotonic() - self._started) / 60.0 / self._budget.max_minutes
            fraction = math.floor(100 * fraction / TIME_STEP) * TIME_STEP / 100
        return min(round(100 * fraction), 100)


class Asha(pruners.SuccessiveHalvingPruner):
    """ASHA without the losses of trials that are tried again.

    That of Optuna would compare a trial with itself before an interruption, and count it twice in
    the comparisons of all later trials. The median rule reads complete trials only.
    """

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether the trial shall end."""
        compared: Any = _CountedTrials(study)
        return super().prune(compared, trial)


class _CountedTrials:
    """A study that has only the trials that count."""

    def __init__(self, study: Study) -> None:
        self._study = study

    def get_trials(self, **options: Any) -> list[FrozenTrial]:
        """The trials that count, as `Study.get_trials` gives them."""
        return counted(self._study.get_trials(**options))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)


def make_pruner(name: PrunerName) -> pruners.BasePruner:
    """The pruner of that name; its steps are percents of the budget."""
    if name == "asha":
        return Asha(min_resource=FIRST_RUNG, reduction_factor=REDUCTION_FACTOR)
    if name == "median":
        return pruners.MedianPruner(n_startup_trials=MEDIAN_TRIALS, n_warmup_steps=MEDIAN_PERCENT)
    return pruners.NopPruner()
