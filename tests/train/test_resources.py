"""`resources.json`: what a training used, added up over its interruptions."""

import csv
import itertools
import json
import os
import platform
import signal

import pytest
import torch

import partflow
from partflow.train.checkpoint import CHECKPOINT_FILE, load_checkpoint
from partflow.train.config import TrainConfig
from partflow.train.step import Stepper
from partflow.train.trainer import train

CONFIG = TrainConfig(epochs=3, batch_elements=100, threads=1, accelerator="cpu", learning_rate=3e-3)


@pytest.fixture(scope="module")
def run(mixture, model_config, tmp_path_factory):
    return train(mixture, model_config, CONFIG, tmp_path_factory.mktemp("resources") / "run")


def resources(folder):
    return json.loads((folder / "resources.json").read_text(encoding="utf-8"))


def minutes_of(folder):
    """Duration at the last validation, from the history."""
    with (folder / "training.csv").open(encoding="utf-8") as stream:
        return float(list(csv.DictReader(stream))[-1]["minutes"])


def interrupted(mixture, model_config, folder, monkeypatch, steps=5):
    """A run that Ctrl-C stops in its step `steps` + 1."""
    original, steps_done = Stepper.step, itertools.count()

    def step(stepper, *arguments):
        if next(steps_done) == steps:
            signal.raise_signal(signal.SIGINT)
        return original(stepper, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "step", step)
        with pytest.raises(KeyboardInterrupt):
            train(mixture, model_config, CONFIG, folder)


def test_a_run_tells_its_machine_its_time_and_its_versions(run):
    found = resources(run.folder)
    (part,) = found["parts"]
    assert found["minutes"] == part["minutes"] == minutes_of(run.folder)
    assert found["minutes_unrecorded"] == 0.0
    # One thread of torch; a few others wait most of the time.
    assert 0.0 < found["processor_seconds"] < 2 * 60 * found["minutes"] + 1
    assert (part["threads"], part["processes"], part["device"]) == (1, 1, "cpu")
    assert part["cores"] == len(os.sched_getaffinity(0))
    assert part["partflow"] == partflow.__version__
    assert (part["torch"], part["python"]) == (torch.__version__, platform.python_version())


def test_time_adds_up_over_an_interruption(run, mixture, model_config, tmp_path, monkeypatch):
    folder = tmp_path / "interrupted"
    interrupted(mixture, model_config, folder, monkeypatch)
    before = resources(folder)
    assert len(before["parts"]) == 1 and before["minutes"] == minutes_of(folder)
    train(mixture, model_config, CONFIG, folder, resume=True)
    found = resources(folder)
    assert found["parts"][0] == before["parts"][0]
    assert len(found["parts"]) == 2
    for name in ("minutes", "processor_seconds"):
        assert all(part[name] > 0.0 for part in found["parts"])
        assert found[name] == pytest.approx(sum(part[name] for part in found["parts"]))
    assert found["minutes"] == minutes_of(folder)
    assert found["minutes_unrecorded"] == pytest.approx(0.0, abs=1e-5)


def test_a_run_of_an_earlier_version_is_continued_and_its_time_is_not_invented(
    run, mixture, model_config, tmp_path, monkeypatch
):
    folder = tmp_path / "earlier"
    interrupted(mixture, model_config, folder, monkeypatch)
    content = torch.load(folder / CHECKPOINT_FILE, weights_only=True)
    del content["state"]["parts"]  # as that version wrote it
    torch.save(content, folder / CHECKPOINT_FILE)
    (folder / "resources.json").unlink()
    minutes = content["state"]["minutes"]

    train(mixture, model_config, CONFIG, folder, resume=True)
    found = resources(folder)
    assert len(found["parts"]) == 1
    assert found["minutes_unrecorded"] == pytest.approx(minutes, abs=1e-5)
    ours, theirs = (load_checkpoint(f / CHECKPOINT_FILE).model for f in (folder, run.folder))
    for name, weight in theirs.items():
        assert torch.equal(ours[name], weight), name
