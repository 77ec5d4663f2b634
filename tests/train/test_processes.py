"""Training in several processes gives what training in one process gives."""

import importlib
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
from lightning.fabric.plugins.environments import LightningEnvironment
from safetensors.torch import load_file

from partflow.core.errors import ConfigError, DataError, OutputError, PartflowError
from partflow.model.config import ModelConfig
from partflow.train.checkpoint import CHECKPOINT_FILE, load_checkpoint
from partflow.train.config import TrainConfig
from partflow.train.processes import launch, make_fabric, quiet_lightning
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
    assert [c.state.parts[0].processes for c in (one, two)] == [1, 2]
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
    assert "--resume continues the run" in errors  # not the last line: Python warns at its end
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


FAILING = """
from partflow.core import errors

def fail(fabric, rank, name):
    if fabric.global_rank == rank:
        raise getattr(errors, name)("features.npy: event 7: an element of type 5\\nand more")
    fabric.barrier()  # the connection breaks here
"""


@pytest.mark.parametrize(("rank", "kind"), [(0, OutputError), (1, DataError)])
def test_the_error_of_one_process_is_raised_with_its_class_and_message(
    rank, kind, tmp_path, monkeypatch
):
    (tmp_path / "failing_process.py").write_text(FAILING)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "failing_process", raising=False)
    fail = importlib.import_module("failing_process").fail
    monkeypatch.setenv("SLURM_NTASKS", "1")  # a job with one task: we start the processes
    message = r"^features\.npy: event 7: an element of type 5\nand more$"
    with quiet_lightning(), pytest.raises(PartflowError, match=message) as error:
        launch(make_fabric(replace(CONFIG, devices=2)), fail, rank, kind.__name__)
    assert type(error.value) is kind


def test_in_a_slurm_job_with_one_task_we_start_the_processes(monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "1")
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "4")  # of the job; this is one task of srun -n 1
    assert make_fabric(CONFIG).world_size == 1
    fabric = make_fabric(replace(CONFIG, devices=2))
    assert isinstance(fabric.strategy.cluster_environment, LightningEnvironment)
    assert fabric.world_size == 2


def test_several_nodes_without_a_scheduler_are_refused():
    with pytest.raises(ConfigError, match=r"train\.nodes = 2.* started alone.*srun or torchrun"):
        make_fabric(replace(CONFIG, nodes=2))


@pytest.mark.parametrize("started", ["torchrun", "SLURM"])
@pytest.mark.parametrize(("devices", "nodes"), [(1, 1), (2, 1), (2, 4)])
def test_another_number_of_processes_than_were_started_is_refused(
    started, devices, nodes, monkeypatch
):
    if started == "SLURM":
        variables = {"SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "2", "SLURM_PROCID": "0"}
    else:
        variables = {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "4", "RANK": "0", "LOCAL_RANK": "0"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=rf"4 processes were started .* need {devices * nodes};"):
        make_fabric(replace(CONFIG, devices=devices, nodes=nodes))


PRINTING = """
    (output / f"rank{result.rank}.txt").write_text(repr(result.validation_loss))
"""


@pytest.mark.slow
def test_every_process_of_torchrun_has_the_result(dataset, tmp_path):
    """Only the first one writes, and only it knows the loss of what it has written."""
    script, settings = tmp_path / "script.py", tmp_path / "settings.pickle"
    script.write_text(SCRIPT.replace("    train(", "    result = train(") + PRINTING)
    settings.write_bytes(pickle.dumps((MODEL, replace(CONFIG, devices=2, epochs=1))))
    run = tmp_path / "run"
    program = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    subprocess.run(
        [*program, script, dataset.folder, run, settings],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, check=True, timeout=300,
    )  # fmt: skip
    results = [(run / f"rank{rank}.txt").read_text() for rank in (0, 1)]
    best = load_checkpoint(run / CHECKPOINT_FILE).state.best_validation_loss
    assert results == [repr(best)] * 2
