"""The search: one trial after the other, until the study has enough of them."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.trial import Trial, TrialState

from partflow.core.errors import ConfigError, OutputError, PartflowError
from partflow.core.ray_executor import WorkerDied
from partflow.train.configuration import Configuration
from partflow.tune.interruption import Interruption
from partflow.tune.pruning import Budget, UsedBudget
from partflow.tune.retries import counted
from partflow.tune.space import Space, check_names, with_values
from partflow.tune.study import IS_DEFAULT, REASON, RESULT, VALUES, StudyFolder

MAX_FIRST_FAILURES = 5
"""If so many trials with other settings fail before one succeeds, the search ends."""

Report = Callable[[int, float], bool]
"""Called with the optimiser steps and the loss of each validation; True ends the training."""


class TrialResult(NamedTuple):
    """Result of the training of a trial."""

    validation_loss: float
    num_parameters: int
    events_seen: int
    minutes: float


TrainConfiguration = Callable[[Configuration, Path, Report], TrialResult]
"""Trains a configuration in a folder that does not exist yet, and reports every validation."""


@dataclass(frozen=True)
class Search:
    """What all trials of a search have in common."""

    base: Configuration
    """The configuration whose settings the trials change."""
    space: Space
    """The settings that they change."""
    budget: Budget
    """How long each of them trains."""
    train: TrainConfiguration
    """How one of them is trained."""
    num_trials: int = 40
    """Trials of the study, with those of other processes and of former runs."""
    keep_trials: bool = False
    """Whether the folders of finished trials are kept."""
    interruption: Interruption = field(default_factory=Interruption)
    """Whether the search shall end; running trials, which then fail, will be tried again."""


def search(study_folder: StudyFolder, plan: Search, say: Callable[[Trial, str], None]) -> None:
    """Run trials until the study has `plan.num_trials`. Several processes and threads may do so.

    The first trial of a study is the base configuration. A trial whose settings are invalid, or
    whose training fails, counts as failed, and the search goes on. `say` is called with each
    trial that has ended, and what became of it.

    Raises:
        ConfigError: The search space is wrong: an unknown setting, or an error in its function.
        PartflowError: The base configuration, or all of the first trials, cannot be trained.
        OutputError: The study cannot be written.
        KeyboardInterrupt: Ctrl-C was pressed; the interrupted trial will be tried again.
    """
    study = study_folder.open()
    while True:
        plan.interruption.check()
        trial = study_folder.next_trial(study, plan.num_trials)
        if trial is None:
            return
        try:
            outcome = _run_trial(study, study_folder, trial, plan)
        except BaseException as error:
            is_death = isinstance(error, WorkerDied) and not plan.interruption.is_requested
            study_folder.retry(study, trial.number, is_death)
            if not is_death:
                raise
            outcome = str(error)
        if not plan.keep_trials:
            shutil.rmtree(study_folder.trial_folder(trial.number), ignore_errors=True)
        say(trial, outcome)
        _check_hope(study, outcome)


def _run_trial(study: optuna.Study, study_folder: StudyFolder, trial: Trial, plan: Search) -> str:
    """Train one trial and store its result; returns what became of it."""
    is_default = bool(trial.user_attrs.get(IS_DEFAULT))
    values = {} if is_default else _suggested(plan.space, trial)
    check_names(values, plan.base)
    trial.set_user_attr(VALUES, values)
    reporter = _Reporter(trial, plan.budget)
    try:
        configuration = with_values(plan.base, values)
        folder = study_folder.trial_folder(trial.number)
        shutil.rmtree(folder, ignore_errors=True)
        with plan.interruption.raised():
            result = plan.train(configuration, folder, reporter)
    except (OutputError, WorkerDied):
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, PartflowError) else _brief(error)
        if is_default:
            raise PartflowError(f"the configuration to start from fails: {reason}") from error
        return _fail(study, trial, reason)
    trial.set_user_attr(RESULT, result._asdict())
    if not (reporter.is_finite and math.isfinite(result.validation_loss)):
        return _fail(study, trial, "the validation loss is not finite")
    if reporter.is_pruned:
        study.tell(trial, state=TrialState.PRUNED)
        return f"ended after {reporter.percent} % of its budget"
    study.tell(trial, result.validation_loss)
    return ""


class _Reporter:
    """Stores the validation losses of a trial, and lets the pruner end it."""

    def __init__(self, trial: Trial, budget: Budget) -> None:
        self.percent, self.is_pruned, self.is_finite = 0, False, True
        self._trial, self._used = trial, UsedBudget(budget)

    def __call__(self, steps: int, validation_loss: float) -> bool:
        """Whether the training shall end."""
        percent = self._used.after_validation()
        self.is_finite &= math.isfinite(validation_loss)
        if not self.is_finite:
            return True
        if percent <= self.percent:
            return False
        self.percent = percent
        self._trial.report(validation_loss, percent)
        self.is_pruned = percent < 100 and self._trial.should_prune()
        return self.is_pruned


def _suggested(space: Space, trial: Trial) -> dict[str, Any]:
    """The settings that a search space suggests; raises ConfigError where it fails."""
    try:
        values = space(trial)
        if not isinstance(values, Mapping):
            raise TypeError(f"it returns {type(values).__name__}, not a dictionary of settings")
        return {name: _plain(value) for name, value in values.items()}
    except Exception as error:
        raise ConfigError(f"--space: the search space fails ({_brief(error)})") from error


def _plain(value: Any) -> Any:
    """A value in a type that JSON and TOML have; scalars of numpy are converted."""
    if hasattr(value, "item"):
        value = value.item()
    if not isinstance(value, bool | int | float | str):
        raise TypeError(f"{value!r} is no number, text or bool")
    return value


def _fail(study: optuna.Study, trial: Trial, reason: str) -> str:
    """Store a trial as failed; returns the reason."""
    trial.set_user_attr(REASON, reason)
    study.tell(trial, state=TrialState.FAIL)
    return f"failed: {reason}"


def _check_hope(study: optuna.Study, outcome: str) -> None:
    """Raise PartflowError where trials have failed and none has succeeded."""
    trials = counted(study.get_trials(deepcopy=False))
    states = [trial.state for trial in trials if not trial.user_attrs.get(IS_DEFAULT)]
    num_failed, num_finished = (
        sum(state in kinds for state in states)
        for kinds in ((TrialState.FAIL,), (TrialState.COMPLETE, TrialState.PRUNED))
    )
    if num_failed >= MAX_FIRST_FAILURES and num_finished == 0:
        raise PartflowError(
            f"all of the {num_failed} trials with other settings failed; the last {outcome}"
        )


def _brief(error: BaseException) -> str:
    """The kind of an error and the first line of its message."""
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]
