"""The search with a function instead of a training: its loss is known at once."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from partflow.core.errors import ConfigError, DataError, OutputError, PartflowError
from partflow.core.ray_executor import WorkerDied
from partflow.model.config import ModelConfig
from partflow.train.config import TrainConfig
from partflow.train.configuration import Configuration, read_config
from partflow.tune import study
from partflow.tune.pruning import Budget, UsedBudget
from partflow.tune.results import TrialRow, best_row, trial_rows, write_results
from partflow.tune.search import Search, TrialResult, search
from partflow.tune.space import with_values
from partflow.tune.study import StudyFolder

BASE = Configuration(train=TrainConfig(learning_rate=1e-3))


def space(trial):
    return {"train.learning_rate": trial.suggest_float("train.learning_rate", 1e-4, 1e-1, log=True)}


def train(configuration, folder, report):
    """The loss is lowest for a learning rate of 0.01."""
    folder.mkdir(parents=True)
    loss = 1.0 + abs(configuration.train.learning_rate - 0.01)
    for step in range(1, 6):
        if report(step, loss + 0.1 * (5 - step)):
            break
    return TrialResult(loss, 1000, 50, 0.1)


def run(folder, num_trials, settings=None, **changes):
    """Search in a folder; returns the rows of its trials."""
    options = {"base": BASE, "space": space, "budget": Budget(epochs=5), "train": train, **changes}
    with StudyFolder(folder, settings or {"data": "a"}, 1, "asha") as study_folder:
        plan = Search(num_trials=num_trials, **options)
        try:
            search(study_folder, plan, lambda trial, outcome: None)
        finally:
            rows = trial_rows(study_folder.open())
            write_results(folder, rows, BASE)
    return rows


def parameters(rows):
    return [tuple(row.values.values()) for row in rows]


def test_a_search_finds_better_settings_than_the_ones_it_starts_from(tmp_path):
    rows = run(tmp_path / "study", 20)
    assert [row.number for row in rows] == list(range(20))
    assert rows[0].is_default
    assert rows[0].values == {}
    assert best_row(rows).validation_loss < 0.2 * rows[0].validation_loss + 0.8
    assert {row.state for row in rows} == {"complete", "pruned"}


def test_pruned_trials_have_used_a_part_of_their_budget(tmp_path):
    rows = run(tmp_path / "study", 12)
    assert all(row.percent == 100 for row in rows if row.state == "complete")
    assert all(row.percent < 100 for row in rows if row.state == "pruned")


def test_the_best_configuration_is_written_as_toml(tmp_path):
    rows = run(tmp_path / "study", 5)
    best = best_row(rows)
    file = tmp_path / "study" / "best.toml"
    assert read_config(file) == with_values(BASE, best.values)
    text = file.read_text()
    assert text.startswith(f"# Trial {best.number}, validation loss {best.validation_loss:.6g}.\n")
    assert "\n# Learning rate after the warm-up.\nlearning_rate = " in text


def test_the_best_configuration_keeps_options_of_a_network_of_ones_own(tmp_path):
    options = {"sizes": [1, 2], "norm": {"is_on": True}}
    model = ModelConfig(backbone="my_package:Net", backbone_options=options)
    row = TrialRow(3, "complete", False, 0.5, 100, 1000, 1.0, {"model.dim": 64}, "")
    write_results(tmp_path, [row], Configuration(model))
    assert read_config(tmp_path / "best.toml").model == replace(model, dim=64)
    assert "# Changed: model.dim = 64\n" in (tmp_path / "best.toml").read_text()


def test_the_folders_of_trials_are_deleted_unless_they_are_wanted(tmp_path):
    run(tmp_path / "study", 3)
    assert list((tmp_path / "study" / "trials").iterdir()) == []
    run(tmp_path / "kept", 3, keep_trials=True)
    assert len(list((tmp_path / "kept" / "trials").iterdir())) == 3


def test_an_interrupted_search_continues_with_the_trials_of_an_undisturbed_one(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(study, "STARTUP_TRIALS", 3)  # TPE proposes the others
    undisturbed = run(tmp_path / "undisturbed", 8)
    assert {row.state for row in undisturbed} == {"complete", "pruned"}
    calls = []

    def interrupted(configuration, folder, report):
        calls.append(configuration)

        def report_until_interrupted(step, loss):
            shall_end = report(step, loss)
            if len(calls) == 4:  # after ASHA has stored its loss at 10 % of the budget
                raise KeyboardInterrupt
            return shall_end

        return train(configuration, folder, report_until_interrupted)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "study", 8, train=interrupted)
    assert list((tmp_path / "study" / "trials").iterdir()) == []
    rows = run(tmp_path / "study", 8)
    assert [row.number for row in rows] == [0, 1, 2, 4, 5, 6, 7, 8]  # 4 is 3 again
    assert [row._replace(number=0) for row in rows] == [
        row._replace(number=0) for row in undisturbed
    ]
    assert len(run(tmp_path / "study", 8)) == 8  # finished: nothing is done


def test_a_search_can_be_made_longer(tmp_path):
    first = run(tmp_path / "study", 3)
    assert run(tmp_path / "study", 5)[:3] == first


def test_a_trial_that_fails_does_not_end_the_search(tmp_path):
    def space(trial):
        return {"model.dim": trial.suggest_categorical("model.dim", [65, 64, 128])}

    def diverging(configuration, folder, report):
        if configuration.model.dim == 64:
            raise DataError("the loss term class is nan")
        return train(configuration, folder, report)

    rows = run(tmp_path / "study", 12, space=space, train=diverging)
    reasons = {row.values.get("model.dim"): row.reason for row in rows}
    assert reasons[65].startswith("model.dim = 65 is no multiple of model.num_heads = 4")
    assert reasons[64] == "the loss term class is nan"
    assert reasons[128] == ""
    assert len(rows) == 12


def test_a_loss_that_is_not_finite_fails_the_trial(tmp_path):
    def diverging(configuration, folder, report):
        if configuration.train.learning_rate != 1e-3:
            assert report(1, float("nan"))
        return train(configuration, folder, report)

    rows = run(tmp_path / "study", 3, train=diverging)
    assert [row.state for row in rows] == ["complete", "failed", "failed"]
    assert rows[1].reason == "the validation loss is not finite"


def test_a_search_ends_where_all_other_settings_fail(tmp_path):
    def failing(configuration, folder, report):
        if configuration.train.learning_rate != 1e-3:
            raise RuntimeError("out of memory\nsecond line")
        return train(configuration, folder, report)

    message = "all of the 5 trials with other settings failed; .*: RuntimeError: out of memory$"
    with pytest.raises(PartflowError, match=message):
        run(tmp_path / "study", 40, train=failing)


def test_settings_to_start_from_that_fail_end_the_search_at_once(tmp_path):
    def failing(configuration, folder, report):
        raise DataError("no events")

    with pytest.raises(PartflowError, match="the configuration to start from fails: no events"):
        run(tmp_path / "study", 4, train=failing)
    assert len(run(tmp_path / "study", 4)) == 4  # it is tried again


@pytest.mark.parametrize(
    ("wrong_space", "message"),
    [
        (lambda trial: {"model.width": 3}, "no setting 'model.width'"),
        (lambda trial: {"model.dim": None}, "TypeError: None is no number, text or bool"),
        (lambda trial: 3, "it returns int"),
        (lambda trial: {}["a"], "KeyError"),
    ],
)
def test_a_wrong_search_space_ends_the_search(tmp_path, wrong_space, message):
    with pytest.raises(ConfigError, match=message):
        run(tmp_path / "study", 4, space=wrong_space)
    assert len(run(tmp_path / "study", 4)) == 4  # the trial is tried again with another space


def test_a_full_disk_ends_the_search_and_loses_no_trial(tmp_path):
    def full(configuration, folder, report):
        raise OutputError("the disk is full")

    run(tmp_path / "study", 2)
    with pytest.raises(OutputError):
        run(tmp_path / "study", 4, train=full)
    assert [row.state for row in run(tmp_path / "study", 3)].count("failed") == 0


def test_a_trial_whose_worker_dies_twice_fails_alone(tmp_path):
    deaths = []

    def dying(configuration, folder, report):
        if len(deaths) < 3 and configuration.train.learning_rate != 1e-3:
            deaths.append(configuration)
            raise WorkerDied("a worker died")
        return train(configuration, folder, report)

    rows = run(tmp_path / "study", 4, train=dying)
    assert [row.state for row in rows].count("failed") == 1
    assert next(row.reason for row in rows if row.state == "failed") == "its process ended"
    assert len(rows) == 4
    assert deaths[0] == deaths[1] != deaths[2]


def test_a_study_of_other_data_or_settings_is_refused_by_name(tmp_path):
    run(tmp_path / "study", 1, {"data": {"labelled": "1"}, "train": {"epochs": 5}})
    with pytest.raises(ConfigError, match=r"a study with data.labelled = 1, not 2"):
        run(tmp_path / "study", 1, {"data": {"labelled": "2"}, "train": {"epochs": 5}})
    with pytest.raises(ConfigError, match=r"a study with train.epochs = 5, not 6"):
        run(tmp_path / "study", 1, {"data": {"labelled": "1"}, "train": {"epochs": 6}})


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="exists and is no study"):
        run(tmp_path, 1)


PROGRAM = """
import os, signal, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_search

def slow(configuration, folder, report):
    result = test_search.train(configuration, folder, report)
    if "dies" in sys.argv and configuration.train.learning_rate != 1e-3:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.2)
    return result

test_search.run(Path(sys.argv[1]), int(sys.argv[2]), train=slow)
"""


def start(tmp_path, *arguments):
    """A process that searches."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(tests=os.path.dirname(__file__)))
    return subprocess.Popen([sys.executable, program, *map(str, arguments)])


def test_a_killed_process_loses_only_its_running_trial_which_is_tried_again(tmp_path):
    process = start(tmp_path, tmp_path / "study", 6, "dies")
    assert process.wait(timeout=120) == -signal.SIGKILL
    rows = run(tmp_path / "study", 6)
    assert len(rows) == 6
    assert parameters(rows)[1] == parameters(run(tmp_path / "undisturbed", 6))[1]
    assert {row.state for row in rows} <= {"complete", "pruned"}
    assert list((tmp_path / "study" / "processes").iterdir()) == []


def test_two_processes_share_a_study_and_repeat_no_trial(tmp_path):
    processes = [start(tmp_path, tmp_path / "study", 10) for _ in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    rows = run(tmp_path / "study", 10)
    assert [row.number for row in rows] == list(range(10))
    assert len(set(parameters(rows))) == 10
    stored = json.loads((tmp_path / "study" / "study.json").read_text())
    assert stored == {"data": "a"}


def test_a_budget_is_either_a_number_of_epochs_or_of_minutes():
    for wrong in ({}, {"epochs": 1, "max_minutes": 1.0}):
        with pytest.raises(ConfigError, match="give one of them"):
            Budget(**wrong)
    with pytest.raises(ConfigError, match="must be positive"):
        Budget(epochs=0)


def test_the_used_part_of_a_budget_of_minutes_is_a_multiple_of_five_percent():
    used = UsedBudget(Budget(max_minutes=1e-4))
    parts = [used.after_validation() for _ in range(200)]
    assert all(part % 5 == 0 for part in parts)
    assert parts == sorted(parts)
