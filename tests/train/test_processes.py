"""Training in several processes gives what training in one process gives."""

import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from partflow.core.errors import ConfigError
from partflow.model.config import ModelConfig
from partflow.train.checkpoint import CHECKPOINT_FILE, load_checkpoint
from partflow.train.config import TrainConfig
from partflow.train.trainer import train

CONFIG = TrainConfig(
    epochs=4,
    batch_elements=200,
    threads=1,
    accelerator="cpu",
    learning_rate=3e-3,
    validation_interval=7,
)
MODEL = ModelConfig(dim=16, num_layers=1, num_heads=2)
SCRIPT = """
import pickle
import sys
from pathlib import Path
from partflow.dataset.mixture import Mixture
from partflow.train.trainer import train

if __name__ == "__main__":
    packed, output, settings = map(Path, sys.argv[1:])
    train(Mixture.open([packed]), *pickle.loads(settings.read_bytes()), output)
"""


@pytest.fixture
def start(dataset, tmp_path):
    """Start a training in a program of its own."""
    script, settings = tmp_path / "script.py", tmp_path / "settings.pickle"
    script.write_text(SCRIPT)

    def start_script(output, config):
        settings.write_bytes(pickle.dumps((MODEL, config)))
        return subprocess.Popen(
            [sys.executable, script, dataset.folder, output, settings],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    return start_script


def weights(folder):
    return load_checkpoint(folder / CHECKPOINT_FILE).model


@pytest.mark.parametrize(("batch_elements", "epochs"), [(200, 4), (12, 1)])
def test_two_processes_train_as_one_does_on_the_same_batches(
    start, mixture, tmp_path, batch_elements, epochs
):
    """With 12 elements a batch is often a single event: one process has an empty part."""
    config = replace(CONFIG, batch_elements=batch_elements, epochs=epochs)
    program = start(tmp_path / "devices2", replace(config, devices=2))
    train(mixture, MODEL, config, tmp_path / "devices1")
    _, errors = program.communicate(timeout=300)
    assert program.returncode == 0, errors
    one, two = (load_checkpoint(tmp_path / f"devices{n}" / CHECKPOINT_FILE) for n in (1, 2))
    assert one.state.steps == two.state.steps >= 20
    assert one.state.events_seen == two.state.events_seen
    for name, weight in one.model.items():
        if name.endswith("query_key_value.bias"):  # softmax does not depend on a bias of the keys:
            weight, other = weight.clone(), two.model[name].clone()  # its gradient is rounding
            keys = slice(MODEL.dim, 2 * MODEL.dim)
            weight[keys] = other[keys] = 0.0
        else:
            other = two.model[name]
        assert torch.allclose(other, weight, rtol=1e-5, atol=1e-5), name
    losses = [c.state.history[-1]["validation_loss"] for c in (one, two)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_a_killed_process_ends_the_training_and_the_run_continues(start, mixture, tmp_path):
    folder = tmp_path / "killed"
    program = start(folder, replace(CONFIG, devices=2, epochs=2000))
    wait_for(folder / CHECKPOINT_FILE, program)
    children = children_of(program.pid)
    os.kill(max(pid for pid, text in children.items() if "spawn_main" in text), signal.SIGKILL)
    _, errors = program.communicate(timeout=120)
    assert program.returncode != 0
    assert "--resume continues" in errors.splitlines()[-1], errors
    time.sleep(1)
    trained = [pid for pid, command in children.items() if "spawn_main" in command]
    assert len(trained) == 2
    assert not [pid for pid in trained if Path(f"/proc/{pid}").exists()]
    state = load_checkpoint(folder / CHECKPOINT_FILE).state
    longer = replace(CONFIG, epochs=state.epoch + 2)
    assert train(mixture, MODEL, longer, folder, resume=True).steps > state.steps


def children_of(pid):
    """Command lines of the children of a process, by their ids."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found[int(entry.parent.name)] = (entry.parent / "cmdline").read_text()
    return found


def wait_for(path, program, seconds=300):
    """Wait until `path` exists while `program` runs."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert program.poll() is None, program.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_killed_training_ends_with_the_weights_of_an_undisturbed_one(start, mixture, tmp_path):
    config = replace(CONFIG, epochs=20)
    killed = tmp_path / "killed"
    program = start(killed, config)
    wait_for(killed / CHECKPOINT_FILE, program)
    program.kill()
    program.communicate()
    train(mixture, MODEL, config, tmp_path / "undisturbed")
    steps = load_checkpoint(killed / CHECKPOINT_FILE).state.steps
    assert train(mixture, MODEL, config, killed, resume=True).steps > steps
    for name, weight in weights(tmp_path / "undisturbed").items():
        assert torch.equal(weights(killed)[name], weight), name
    ours, theirs = (load_file(f / "model.safetensors") for f in (killed, tmp_path / "undisturbed"))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_training_that_reports_runs_in_one_process(mixture, model_config, tmp_path):
    with pytest.raises(ConfigError, match="one process"):
        config = replace(CONFIG, devices=2)
        train(mixture, model_config, config, tmp_path / "run", report=lambda *_: False)
