"""A study: the trials of a search on disk, shared by several processes of one machine.

    study.json         data, configuration, budget and seed, which all processes must agree on
    study.db           the trials, in SQLite, as Optuna writes them
    trials/            folders of running trials
    processes/         a file for each process that searches

A trial that was interrupted, or whose process was killed, is tried again with the same settings as
a trial with another number. It is known to be lost from the file of its process: the process holds
a lock on it, which the system releases when the process ends, however it ends. So nobody waits for
a heartbeat that does not come.

The n-th trial gets its settings from the results so far and a generator seeded with the seed and
n, where trials that are tried again count once. So one process gives the same trials with and
without interruptions.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.pool import NullPool

from partflow.core.errors import ConfigError, OutputError
from partflow.core.outputs import write_text
from partflow.tune.pruning import PrunerName, make_pruner
from partflow.tune.retries import NUM_DEATHS, RETRY_OF, counted, retried

SETTINGS_FILE, DATABASE_FILE = "study.json", "study.db"
TRIALS_FOLDER, PROCESSES_FOLDER, LOCK_FILE = "trials", "processes", ".lock"
STUDY_NAME = "partflow"
LOCK_SECONDS = 120
"""Time that a process waits for another one to write to the database [s]."""
MAX_DEATHS = 2
"""Processes that a trial may end before it counts as failed."""
STARTUP_TRIALS = 10
"""Trials with random settings before TPE (the tree-structured Parzen estimator) proposes them."""

IS_DEFAULT, VALUES, RESULT, REASON = "is_default", "values", "result", "reason"
PROCESS = "process"

Database: TypeAlias = optuna.storages.RDBStorage


class StudyFolder:
    """The study in a folder, as one of the processes that search; a context manager.

    Its methods may be called from several threads. Raises ConfigError where the folder holds a
    study with other `settings`, OutputError where it holds something else.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, Any], seed: int, pruner: PrunerName
    ) -> None:
        self.folder = folder
        self._seed, self._pruner = seed, pruner
        self._settings = json.loads(json.dumps(settings, default=str))
        self._process = f"{os.uname().nodename}-{os.getpid()}-{os.urandom(4).hex()}"
        self._database: Database | None = None
        self._process_file: Any = None

    def __enter__(self) -> StudyFolder:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        if self.folder.exists() and not (self.folder / SETTINGS_FILE).exists():
            if not self.folder.is_dir() or any(self.folder.iterdir()):
                raise OutputError(f"{self.folder}: exists and is no study; choose another --output")
        (self.folder / PROCESSES_FOLDER).mkdir(parents=True, exist_ok=True)
        with self.locked():
            self._check_settings()
            self._process_file = (self.folder / PROCESSES_FOLDER / self._process).open("w")
            fcntl.flock(self._process_file, fcntl.LOCK_EX)
            self._database = Database(
                f"sqlite:///{(self.folder / DATABASE_FILE).absolute()}",
                engine_kwargs={"poolclass": NullPool, "connect_args": {"timeout": LOCK_SECONDS}},
            )
            study = self.open()
            if not study.get_trials(deepcopy=False):
                study.enqueue_trial({}, user_attrs={IS_DEFAULT: True})
        return self

    def __exit__(self, *error: object) -> None:
        self._process_file.close()
        (self.folder / PROCESSES_FOLDER / self._process).unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """A block that only one thread of one process is in at a time."""
        with (self.folder / LOCK_FILE).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def open(self) -> optuna.Study:
        """The study of Optuna, for the thread that calls."""
        assert self._database is not None
        return optuna.create_study(
            storage=self._database,
            study_name=STUDY_NAME,
            pruner=make_pruner(self._pruner),
            load_if_exists=True,
        )

    def next_trial(self, study: optuna.Study, num_trials: int) -> Trial | None:
        """A new trial, or a lost one again; None where the study has `num_trials` trials.

        Trials count whatever became of them, but for lost ones that are tried again.
        """
        with self.locked():
            self._retry_lost(study)
            trials = study.get_trials(deepcopy=False)
            started = [t for t in counted(trials) if t.state != TrialState.WAITING]
            is_waiting = any(trial.state == TrialState.WAITING for trial in trials)
            if not is_waiting and len(started) >= num_trials:
                return None
            study.sampler = optuna.samplers.TPESampler(
                n_startup_trials=STARTUP_TRIALS,
                seed=(self._seed * 1_000_003 + len(started)) % 2**32,
            )
            trial = study.ask()
            trial.set_user_attr(PROCESS, self._process)
            return trial

    def trial_folder(self, number: int) -> Path:
        """The folder that a trial trains in."""
        return self.folder / TRIALS_FOLDER / f"{number:04d}"

    def retry(self, study: optuna.Study, number: int, is_death: bool) -> None:
        """Let a running trial be tried again; one that ended its process only MAX_DEATHS times."""
        with self.locked():
            self._retry(study, study.get_trials(deepcopy=False)[number], is_death)

    def _retry_lost(self, study: optuna.Study) -> None:
        """Let the trials of processes that have ended be tried again."""
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if not self._is_alive(trial.user_attrs.get(PROCESS, "")):
                self._retry(study, trial, is_death=True)

    def _retry(self, study: optuna.Study, trial: FrozenTrial, is_death: bool) -> None:
        """Enqueue the settings of a running trial, and then end it: if this process is killed in
        between, the trial is still a lost one.
        """
        shutil.rmtree(self.trial_folder(trial.number), ignore_errors=True)
        num_deaths = trial.user_attrs.get(NUM_DEATHS, 0) + is_death
        trials = study.get_trials(deepcopy=False)
        if num_deaths < MAX_DEATHS and trial.number not in retried(trials):
            attributes = {RETRY_OF: trial.number, NUM_DEATHS: num_deaths}
            if trial.user_attrs.get(IS_DEFAULT):
                attributes[IS_DEFAULT] = True
            study.enqueue_trial(trial.params, user_attrs=attributes)
        study.tell(trial.number, state=TrialState.FAIL)

    def _is_alive(self, process: str) -> bool:
        """Whether a process still holds the lock on its file."""
        if process == self._process:
            return True
        file = self.folder / PROCESSES_FOLDER / process
        if not process or not file.exists():
            return False
        with file.open() as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        file.unlink(missing_ok=True)
        return False

    def _check_settings(self) -> None:
        """Raise ConfigError, naming a setting, where the folder holds another study."""
        file = self.folder / SETTINGS_FILE
        if not file.exists():
            write_text(file, json.dumps(self._settings, indent=1))
            return
        stored = json.loads(file.read_text(encoding="utf-8"))
        difference = _first_difference(stored, self._settings)
        if difference is not None:
            name, before, now = difference
            raise ConfigError(
                f"{self.folder}: holds a study with {name} = {before}, not {now}; continue it with "
                "the same data and settings, or choose another --output"
            )


def _first_difference(
    stored: Mapping[str, Any], requested: Mapping[str, Any], prefix: str = ""
) -> tuple[str, Any, Any] | None:
    """The dotted name of the first setting that differs, and both values."""
    for name in dict.fromkeys([*stored, *requested]):
        before, now = stored.get(name), requested.get(name)
        if isinstance(before, dict) and isinstance(now, dict):
            nested = _first_difference(before, now, f"{prefix}{name}.")
            if nested is not None:
                return nested
        elif before != now:
            return f"{prefix}{name}", before, now
    return None
