"""Results of a search: table of trials and best configuration, as records and as files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.trial import FrozenTrial, TrialState

from partflow.core.outputs import write_text
from partflow.core.toml import toml_value
from partflow.train.configuration import Configuration, config_text
from partflow.tune.retries import counted
from partflow.tune.space import with_values
from partflow.tune.study import IS_DEFAULT, REASON, RESULT, VALUES

BEST_FILE, TABLE_FILE, PAGE_FILE, PLOTS_FOLDER = "best.toml", "trials.csv", "index.html", "plots"
STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


class TrialRow(NamedTuple):
    """One trial of a study."""

    number: int
    state: str
    """complete, pruned (ended early), failed, running or waiting."""
    is_default: bool
    """Whether it is the configuration that the search starts from."""
    validation_loss: float | None
    """Lowest validation loss of a complete trial, last one of a pruned trial."""
    percent: int
    """Part of its budget at the last validation [%]."""
    num_parameters: int | None
    minutes: float | None
    values: Mapping[str, Any]
    """The settings that it changes, by their dotted names."""
    reason: str
    """Why it failed."""


def trial_rows(study: optuna.Study) -> list[TrialRow]:
    """The trials of a study, without those that are tried again, in the order of their numbers."""
    return [_row(trial) for trial in counted(study.get_trials(deepcopy=False))]


def _row(trial: FrozenTrial) -> TrialRow:
    attributes = trial.user_attrs
    result = attributes.get(RESULT, {})
    is_failed = trial.state == TrialState.FAIL
    return TrialRow(
        number=trial.number,
        state=STATES[trial.state],
        is_default=bool(attributes.get(IS_DEFAULT)),
        validation_loss=None if is_failed else trial.value,
        percent=trial.last_step or 0,
        num_parameters=result.get("num_parameters"),
        minutes=result.get("minutes"),
        values=attributes.get(VALUES, {}),
        reason=attributes.get(REASON, "its process ended") if is_failed else "",
    )


def best_row(rows: Iterable[TrialRow]) -> TrialRow | None:
    """The complete trial with the lowest validation loss; None without a complete trial."""
    complete = [row for row in rows if row.state == "complete"]
    return min(complete, key=lambda row: (row.validation_loss, row.number), default=None)


def searched_names(rows: Sequence[TrialRow]) -> list[str]:
    """Dotted names of the settings that any trial changes."""
    return list(dict.fromkeys(name for row in rows for name in row.values))


def write_results(folder: Path, rows: Sequence[TrialRow], start: Configuration) -> None:
    """Write the table of trials and, if one is complete, the best configuration.

    `start` is the configuration that the search starts from, without the budget of a trial.
    """
    write_text(folder / TABLE_FILE, table_csv(rows))
    best = best_row(rows)
    if best is not None:
        write_text(folder / BEST_FILE, best_config(start, best))


def table_csv(rows: Sequence[TrialRow]) -> str:
    """The trials as comma-separated text, with a column for each setting that is searched."""
    names = searched_names(rows)
    plain = [name for name in TrialRow._fields if name not in ("values", "reason")]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*plain, *names, "reason"])
    for row in rows:
        numbers = [getattr(row, name) for name in plain]
        writer.writerow([*numbers, *(row.values.get(name) for name in names), row.reason])
    return stream.getvalue()


def best_config(start: Configuration, best: TrialRow) -> str:
    """The configuration of a trial for `partflow train --config`, as TOML.

    It is `start` with the trial's settings.
    """
    changed = [f"{name} = {toml_value(value)}" for name, value in best.values.items()]
    configuration = with_values(start, best.values)
    return (
        f"# Trial {best.number}, validation loss {best.validation_loss:.6g}.\n"
        f"# {'Changed: ' + ', '.join(changed) if changed else 'Nothing is changed.'}\n#\n"
        + config_text(configuration.model, configuration.train)
    )
