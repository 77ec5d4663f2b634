"""The search with trainings: better settings than those of the preset, here and on Ray."""

import csv
import gc
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import tomllib

import pytest

from partflow import pipeline
from partflow.core.errors import ConfigError
from partflow.core.ray_executor import RayExecutor, WorkerDied
from partflow.pipeline.tuning import TrialTraining
from partflow.train.loss import LossConfig

pytestmark = pytest.mark.slow
SPACE = """
def space(trial):
    return {
        "train.learning_rate": trial.suggest_float("train.learning_rate", 3e-3, 3e-2, log=True),
        "train.batch_elements": trial.suggest_categorical("train.batch_elements", [100, 200]),
        "model.dim": trial.suggest_categorical("model.dim", [16, 32]),
    }
"""
FILES = ["best.toml", "index.html", "plots", "study.db", "study.json", "trials.csv"]


@pytest.fixture
def space(tmp_path):
    file = tmp_path / "my_space.py"
    file.write_text(SPACE)
    return f"{file}:space"


def rows(study):
    with (study / "trials.csv").open() as stream:
        return list(csv.DictReader(stream))


def check(study, best, num_trials):
    """A finished study, whose best trial is better than the preset."""
    assert {path.name for path in study.iterdir()} >= set(FILES)
    table = rows(study)
    assert len(table) == num_trials
    assert {row["state"] for row in table} <= {"complete", "pruned"}
    assert best.validation_loss < 0.9 * float(table[0]["validation_loss"])
    written = tomllib.loads((study / "best.toml").read_text())
    assert written["train"]["batch_elements"] == best.values["train.batch_elements"]
    assert written["train"]["epochs"] == 30  # not the budget of a trial
    assert written["train"]["loggers"] == ["tensorboard"]  # a trial has none
    assert written["model"]["num_layers"] == 2
    page = (study / "index.html").read_text()
    assert f"Trial {best.number} has the lowest validation loss" in page
    assert page.count("<figure") == 2
    assert page.count('<div class="figures wide">') == 1  # all axes side by side


def test_a_search_finds_a_lower_loss_than_the_preset_and_is_continued(labelled, tmp_path, space):
    study = tmp_path / "study"
    command = [sys.executable, "-m", "partflow", "tune", labelled, "--output", study, "--preset",
               "tiny", "--trials", "40", "--epochs", "2", "--space", space]  # fmt: skip
    process = subprocess.Popen(
        [*map(str, command)], stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    until = time.monotonic() + 240
    while not (study / "trials.csv").exists() and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    messages = process.communicate(timeout=120)[1].splitlines()
    assert process.returncode == 130
    assert messages[0].startswith("trial 0: ")
    assert messages[-1].startswith("partflow: interrupted; run the same command again to continue")
    assert all(line.startswith("trial ") for line in messages[:-1])
    finished = rows(study)

    best = pipeline.tune(labelled, study, "tiny", 6, space, epochs=2)
    check(study, best, 6)
    # The interrupted table has no columns for settings that no trial had changed yet.
    assert finished[0].items() <= rows(study)[0].items()


def test_a_study_of_another_preset_or_budget_is_refused(labelled, tmp_path, space):
    arguments = (labelled, tmp_path / "study", "tiny", 1, space)
    pipeline.tune(*arguments, epochs=1)
    with pytest.raises(ConfigError, match=r"holds a study with train.epochs = 1, not 2"):
        pipeline.tune(*arguments, epochs=2)
    with pytest.raises(ConfigError, match=r"holds a study with model.dim = 64, not 128"):
        pipeline.tune(labelled, tmp_path / "study", "small", 1, space, epochs=1)
    assert json.loads((tmp_path / "study" / "study.json").read_text())["seed"] == 1


def test_trials_with_other_weights_of_the_loss_are_compared_with_the_same_weights(
    labelled, tmp_path
):
    from partflow.presets import PRESETS

    quick = {"epochs": 1, "learning_rate": 1e-9, "threads": 1}
    losses = []
    for weight in (10.0, 1.0):
        configuration = PRESETS["tiny"]().with_options({**quick, "loss.is_particle": weight})
        train = TrialTraining(labelled, LossConfig())
        result = train(configuration, tmp_path / f"run-{weight}", lambda steps, loss: False)
        losses.append(result.validation_loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)  # the weights hardly change


def test_a_report_can_end_a_training(labelled, tmp_path):
    from partflow.presets import PRESETS

    reports = []

    def report(steps, validation_loss):
        reports.append((steps, validation_loss))
        return len(reports) == 2

    train = TrialTraining(labelled, LossConfig())
    configuration = PRESETS["tiny"]().with_options({"epochs": 20, "threads": 1})
    result = train(configuration, tmp_path / "run", report)
    assert len(reports) == 2
    assert reports[0][0] < reports[1][0]
    assert result.validation_loss == min(loss for _, loss in reports)


def test_no_network_of_a_trial_stays_in_memory(labelled, tmp_path):
    from partflow.model.mlpf import MLPF
    from partflow.presets import PRESETS

    def num_networks():
        return sum(type(thing) is MLPF for thing in gc.get_objects())

    configuration = PRESETS["tiny"]().with_options({"epochs": 1, "threads": 1})
    gc.collect()
    before = num_networks()
    gc.disable()
    try:
        TrialTraining(labelled, LossConfig())(configuration, tmp_path / "run", lambda *_: False)
        assert num_networks() == before
    finally:
        gc.enable()


def test_a_trial_whose_worker_dies_is_tried_again(labelled, tmp_path, space, monkeypatch, capsys):
    from partflow.tune.search import TrialResult

    trained = []

    def train_or_die(self, configuration, folder, report):
        trained.append(configuration)
        if len(trained) == 2:
            raise WorkerDied("a worker of Ray ended: out of memory")
        return TrialResult(1.0 / len(trained), 1000, 50, 0.1)

    monkeypatch.setattr(TrialTraining, "__call__", train_or_die)
    best = pipeline.tune(labelled, tmp_path / "study", "tiny", 3, space, epochs=1)
    assert [row["number"] for row in rows(tmp_path / "study")] == ["0", "2", "3"]
    assert trained[1] == trained[2] != trained[3]
    assert {configuration.train.loggers for configuration in trained} == {()}
    written = tomllib.loads((tmp_path / "study" / "best.toml").read_text())
    assert written["train"]["loggers"] == ["tensorboard"]
    assert best.number == 3
    line = "trial 1: a worker of Ray ended: out of memory; tried again"
    assert line in capsys.readouterr().err.splitlines()


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="no Ray")
def test_a_search_on_ray_finds_a_lower_loss_and_continues_a_local_one(labelled, tmp_path, space):
    arguments = (labelled, tmp_path / "study", "tiny")
    pipeline.tune(*arguments, 2, space, epochs=2)
    before = rows(tmp_path / "study")
    with RayExecutor(workers=2) as ray:
        best = pipeline.tune(*arguments, 6, space, epochs=2, executor=ray)
    check(tmp_path / "study", best, 6)
    assert rows(tmp_path / "study")[:2] == before
