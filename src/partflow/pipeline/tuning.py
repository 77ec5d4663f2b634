"""Stage `tune`: labelled events -> the best of many short trainings.

With Ray each trial is a task of the cluster, but the study stays with the program that was started:
its threads ask Optuna for settings, and answer the reports of the running trials. So the pruner
(ASHA) and the sampler see all trials, the study is continued like any other, and no machine but
this one opens the database.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partflow.core.errors import ConfigError
from partflow.core.executors import Executor
from partflow.core.progress import console, say
from partflow.core.provenance import make_provenance
from partflow.core.ray_executor import RayExecutor

if TYPE_CHECKING:  # these import Optuna and torch
    from partflow.dataset.mixture import Mixture
    from partflow.train.config import LossConfig
    from partflow.train.configuration import Configuration
    from partflow.tune.pruning import Budget, PrunerName
    from partflow.tune.results import TrialRow
    from partflow.tune.search import Report, Search, TrialResult
    from partflow.tune.space import Space
    from partflow.tune.study import StudyFolder

EVERY_EPOCH = 10**9
"""Interval of validations [batch] that leaves the one at the end of each epoch."""
POLL_SECONDS = 0.5
"""Time in which the threads of a search notice Ctrl-C [s]."""


def tune(
    labelled: Path,
    output: Path,
    preset: str = "small",
    num_trials: int = 40,
    space: str | None = None,
    epochs: int | None = None,
    max_minutes: float | None = None,
    pruner: PrunerName = "asha",
    seed: int = 1,
    threads: int = 1,
    keep_trials: bool = False,
    executor: Executor | None = None,
) -> TrialRow | None:
    """Search for the settings with the lowest validation loss; continue the study in `output`.

    Args:
        labelled: Folder of `label`.
        output: Folder of the study to write.
        preset: Name of the preset to start from, which is the first trial.
        num_trials: Trials of the study, with those of former runs.
        space: Search space, FILE.py:FUNCTION or PACKAGE.MODULE:FUNCTION; a default one if None.
        epochs: Epochs of each trial. If None, and `max_minutes` too: 5.
        max_minutes: Minutes of each trial.
        pruner: What ends trials early.
        seed: Seed of the search, and of the weights and the order of events in each trial.
        threads: CPU threads of each trial.
        keep_trials: Keep the model folders of the trials.
        executor: Trials are tasks of a RayExecutor; otherwise they run in this process.

    Returns:
        The best trial; None where no trial is complete.

    Raises:
        ConfigError: The search space is wrong, or the folder holds another study.
        PartflowError: The preset cannot be trained on these events.
        KeyboardInterrupt: Ctrl-C was pressed; the same call continues the study.
    """
    _require_optuna()
    from partflow.tune.page import write_page
    from partflow.tune.pruning import Budget
    from partflow.tune.results import best_row, trial_rows, write_results
    from partflow.tune.search import Search
    from partflow.tune.space import default_space, load_space
    from partflow.tune.study import StudyFolder

    if num_trials < 1:
        raise ConfigError(f"--trials {num_trials}: give at least 1")
    budget = Budget(5 if epochs is None and max_minutes is None else epochs, max_minutes)
    chosen_space: Space = default_space if space is None else load_space(space)
    start = _start_configuration(labelled, preset)
    base = _with_budget(start, budget, seed, threads)
    training = TrialTraining(labelled, base.train.loss)
    train_settings = {n: v for n, v in asdict(base.train).items() if n != "threads"}
    settings = {"model": asdict(base.model), "train": train_settings, "pruner": pruner}
    provenance = make_provenance("study", settings, seed, [labelled])
    identity = {"data": dict(provenance.inputs), "seed": seed, **settings}
    with StudyFolder(output, identity, seed, pruner) as study_folder:
        train = training if executor is None else _trained_by(executor, training, base, threads)
        plan = Search(base, chosen_space, budget, train, num_trials, keep_trials)

        def write_and_say(trial: Any, outcome: str) -> None:
            study = study_folder.open()
            with study_folder.locked():
                rows = trial_rows(study)
                write_results(output, rows, start)
            row = next((row for row in rows if row.number == trial.number), None)
            if row is None:  # its worker died, and it is no longer counted
                say(f"trial {trial.number}: {outcome}; tried again")
            else:
                _say(row, best_row(rows), outcome)

        with plan.interruption:
            _run(study_folder, plan, executor, base, threads, write_and_say)
        with study_folder.locked():
            rows = trial_rows(study_folder.open())
            write_results(output, rows, start)
            write_page(output, rows, base, str(labelled), provenance.to_json())
    return best_row(rows)


@dataclass(frozen=True)
class TrialTraining:
    """Trains one configuration: the only place that knows how a training is called."""

    labelled: Path
    loss: LossConfig
    """Weights of the validation loss, the same for all trials."""

    def __call__(self, configuration: Configuration, folder: Path, report: Report) -> TrialResult:
        """Train in `folder` without messages; see `tune.search.TrainConfiguration`."""
        from partflow.model.folder import load_model
        from partflow.train.trainer import train
        from partflow.tune.search import TrialResult

        mixture = _mixture(self.labelled, configuration)
        was_quiet, console.quiet = console.quiet, True
        try:
            result = train(
                mixture,
                configuration.model,
                configuration.train,
                folder,
                report=report,
                validation_loss=self.loss,
            )
        finally:
            console.quiet = was_quiet
            _release_memory()
        num_parameters = load_model(folder).num_parameters
        return TrialResult(
            result.validation_loss, num_parameters, result.events_seen, result.minutes
        )


def _release_memory() -> None:
    """Give the memory of a trial back to the system, so that a search does not grow with each.

    Network and optimiser are in reference cycles, and glibc keeps the pages of freed memory.
    """
    gc.collect()
    with contextlib.suppress(AttributeError):  # other C libraries have no such function
        ctypes.CDLL(None).malloc_trim(0)


def _start_configuration(labelled: Path, preset: str) -> Configuration:
    """The preset for these events."""
    from partflow.presets import preset as find_preset

    chosen = find_preset(preset)
    mixture = _mixture(labelled, chosen)
    model = chosen.model.for_labels(mixture.element_set, mixture.has_shares).at(mixture.face)
    return replace(chosen, model=model)


def _mixture(labelled: Path, configuration: Configuration) -> Mixture:
    """The labelled events, divided as the configuration of the training says."""
    from partflow.dataset.mixture import Mixture

    train = configuration.train
    return Mixture.open(
        [labelled], None, train.train_events, train.validation_events, train.validation_fraction
    )


def _with_budget(start: Configuration, budget: Budget, seed: int, threads: int) -> Configuration:
    """The configuration of a trial that changes nothing; trials write no logs of their own."""
    from partflow.train.configuration import NO_LIMIT

    limits: dict[str, Any] = {"max_minutes": budget.max_minutes, "epochs": NO_LIMIT}
    if budget.epochs is not None:
        limits = {"epochs": budget.epochs, "validation_interval": EVERY_EPOCH}
    train = replace(start.train, seed=seed, threads=threads, loggers=(), **limits)
    return replace(start, train=train)


def _run(
    study_folder: StudyFolder,
    plan: Search,
    executor: Executor | None,
    base: Configuration,
    threads: int,
    say: Callable[[Any, str], None],
) -> None:
    """Search in this process, or in as many threads as the cluster runs trials at a time."""
    from partflow.tune.search import search

    if not isinstance(executor, RayExecutor):
        return search(study_folder, plan, say)
    num_gpus = _num_gpus(executor, base)
    num_threads = min(executor.num_slots(threads, num_gpus), plan.num_trials)
    with ThreadPoolExecutor(num_threads) as pool:
        searches = [pool.submit(search, study_folder, plan, say) for _ in range(num_threads)]
        try:
            while wait(searches, POLL_SECONDS, FIRST_EXCEPTION).not_done:
                plan.interruption.check()
                for finished in searches:
                    if finished.done():
                        finished.result()
            for finished in searches:
                finished.result()
        except BaseException:
            plan.interruption.is_requested = True
            executor.cancel_calls()
            raise


def _trained_by(
    executor: Executor, training: TrialTraining, base: Configuration, threads: int
) -> Any:
    """The training as a task of a Ray cluster, or the training itself."""
    if not isinstance(executor, RayExecutor):
        return training
    num_gpus = _num_gpus(executor, base)

    def train(configuration: Configuration, folder: Path, report: Report) -> TrialResult:
        arguments = (training, configuration, folder)
        result: TrialResult = executor.call(
            train_remotely, arguments, lambda validation: report(*validation), threads, num_gpus
        )
        return result

    return train


def train_remotely(
    training: TrialTraining,
    configuration: Configuration,
    folder: Path,
    ask: Callable[[tuple[int, float]], bool],
) -> TrialResult:
    """On a worker: train a configuration; each validation is a question to the search."""
    return training(configuration, folder, lambda steps, loss: ask((steps, loss)))


def _num_gpus(executor: RayExecutor, base: Configuration) -> int:
    """GPUs of a trial: one if the cluster has any and the training may use it."""
    return int(base.train.accelerator != "cpu" and executor.has_gpu())


def _say(row: TrialRow, best: TrialRow | None, outcome: str) -> None:
    """Print what became of a trial, and the lowest loss so far."""
    loss = "" if row.validation_loss is None else f" {row.validation_loss:.4f}"
    settings = ", ".join(
        f"{name.split('.', 1)[1]} {value:.3g}" if isinstance(value, float)
        else f"{name.split('.', 1)[1]} {value}"
        for name, value in row.values.items()
    )  # fmt: skip
    what = settings or ("the configuration to start from" if row.is_default else "")
    lowest = "" if best is None else f"; lowest {best.validation_loss:.4f} (trial {best.number})"
    ending = f" ({outcome})" if outcome else ""
    line = f"trial {row.number}:{loss}{ending}{lowest}  {what}"
    say(line)


def _require_optuna() -> None:
    """Raise ConfigError where Optuna is not installed."""
    from importlib.util import find_spec

    if find_spec("optuna") is None:
        raise ConfigError('partflow tune needs Optuna; pip install "partflow[tune]"')
