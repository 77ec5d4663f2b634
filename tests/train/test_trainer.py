import csv
import errno
import io
import json
import os
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from partflow.core.errors import ConfigError, DataError, InputError, OutputError, SchemaError
from partflow.core.face import CalorimeterFace
from partflow.core.known_detectors import CLD, CLIC
from partflow.core.provenance import Provenance
from partflow.dataset.packing import pack
from partflow.model.folder import load_config, load_model, load_provenance
from partflow.train.checkpoint import CHECKPOINT_FILE, load_checkpoint
from partflow.train.config import TrainConfig
from partflow.train.module import MLPFTraining
from partflow.train.trainer import train

CONFIG = TrainConfig(epochs=3, batch_elements=100, threads=1, accelerator="cpu", learning_rate=3e-3)


@pytest.fixture(scope="module")
def run(dataset, model_config, tmp_path_factory):
    """A finished run of three epochs."""
    folder = tmp_path_factory.mktemp("run") / "run"
    provenance = Provenance("model", {"preset": "toy"}, seed=1)
    return train(dataset, model_config, CONFIG, folder, provenance=provenance)


def interrupt_after(steps, monkeypatch):
    """Press Ctrl-C during batch `steps` + 1."""
    original = MLPFTraining.training_step

    def training_step(module, batch, batch_idx):
        if module.run_state.steps == steps:
            signal.raise_signal(signal.SIGINT)
        return original(module, batch, batch_idx)

    monkeypatch.setattr(MLPFTraining, "training_step", training_step)


def history(folder):
    return list(csv.DictReader(io.StringIO((folder / "training.csv").read_text())))


def test_training_lowers_the_validation_loss(run):
    losses = [float(row["validation_loss"]) for row in history(run.folder)]
    assert losses[-1] < 0.6 * losses[0]
    assert run.validation_loss == min(losses)


def test_a_run_trains_on_every_event_in_every_epoch(run, dataset):
    training, _ = dataset.split(CONFIG.validation_fraction)
    assert run.events_seen == 3 * np.count_nonzero(dataset.counts[training])
    assert run.events_per_second > 0


def test_a_run_writes_the_model_its_provenance_and_nothing_else(run):
    assert sorted(p.name for p in run.folder.iterdir()) == [
        "checkpoint.pt", "config.json", "loss.png", "model.safetensors", "threshold.json",
        "training.csv",
    ]  # fmt: skip
    assert load_model(run.folder).num_parameters > 1000
    choice = json.loads((run.folder / "threshold.json").read_text(encoding="utf-8"))["choice"]
    assert load_model(run.folder).config.readout.threshold == choice["threshold"]
    assert load_provenance(run.folder) == Provenance("model", {"preset": "toy"}, seed=1)
    assert sorted(p.name for p in run.folder.parent.iterdir()) == ["run"]


def test_inputs_are_standardised_with_the_training_events(run):
    weights = load_file(run.folder / "model.safetensors")
    assert bool((weights["track_standardisation.deviation"] != 1).any())


def test_a_resumed_run_gives_the_weights_of_an_uninterrupted_one(
    run, dataset, model_config, tmp_path, monkeypatch
):
    folder = tmp_path / "interrupted"
    with monkeypatch.context() as patch:
        interrupt_after(5, patch)
        with pytest.raises(KeyboardInterrupt):
            train(dataset, model_config, CONFIG, folder)
    assert load_checkpoint(folder / CHECKPOINT_FILE).state.steps == 6
    load_model(folder)  # raises nothing: the model is complete

    resumed = train(dataset, model_config, CONFIG, folder, resume=True)
    assert (resumed.steps, resumed.events_seen) == (run.steps, run.events_seen)
    ours, theirs = (load_checkpoint(r.folder / CHECKPOINT_FILE) for r in (resumed, run))
    for name, weight in theirs.model.items():
        assert torch.equal(ours.model[name], weight), name
    assert history(folder)[-1]["learning_rate"] == history(run.folder)[-1]["learning_rate"]


def test_the_handler_of_ctrl_c_is_restored_after_a_run(dataset, model_config, tmp_path):
    def of_the_caller(number, frame):
        raise AssertionError

    before = signal.signal(signal.SIGINT, of_the_caller)
    try:
        train(dataset, model_config, replace(CONFIG, epochs=1), tmp_path / "run")
        assert signal.getsignal(signal.SIGINT) is of_the_caller
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_complete_run_can_be_continued_with_more_epochs(run, dataset, model_config, tmp_path):
    folder = tmp_path / "longer"
    shutil.copytree(run.folder, folder)
    same = train(dataset, model_config, CONFIG, folder, resume=True)
    assert same.steps == run.steps
    longer = train(dataset, model_config, replace(CONFIG, epochs=4), folder, resume=True)
    assert longer.events_seen == run.events_seen * 4 // 3


def test_a_run_that_the_time_limit_ends_has_a_low_learning_rate_at_the_end(
    dataset, model_config, tmp_path
):
    config = replace(CONFIG, epochs=10_000, max_minutes=0.03)
    result = train(dataset, model_config, config, tmp_path / "short")
    assert 0.03 <= result.minutes < 0.3
    assert result.losses["learning_rate"] == pytest.approx(0.01 * config.learning_rate)


def test_a_second_run_in_the_same_folder_is_refused(run, dataset, model_config):
    with pytest.raises(OutputError, match="holds a training run; --resume continues it"):
        train(dataset, model_config, CONFIG, run.folder)


def test_resuming_without_a_run_is_refused(dataset, model_config, tmp_path):
    with pytest.raises(InputError, match="no checkpoint to resume from; start without --resume"):
        train(dataset, model_config, CONFIG, tmp_path, resume=True)


def test_resuming_with_another_setting_is_refused_and_names_it(run, dataset, model_config):
    with pytest.raises(ConfigError, match=r"train\.learning_rate = 0\.003, not 0\.01"):
        train(dataset, model_config, replace(CONFIG, learning_rate=0.01), run.folder, resume=True)
    with pytest.raises(ConfigError, match=r"model\.dim = 16, not 32"):
        train(dataset, replace(model_config, dim=32), CONFIG, run.folder, resume=True)


def test_training_on_events_without_elements_is_refused(learnable_events, model_config, tmp_path):
    empty = pack(
        [learnable_events([0, 0], [0, 0])],
        tmp_path / "packed",
        Provenance("labelled", {"detector": "clic"}),
    )
    with pytest.raises(DataError, match="no event with elements to train on among 2"):
        train(empty, model_config, CONFIG, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_single_event_can_be_trained_on(learnable_events, model_config, tmp_path):
    one = pack(
        [learnable_events([3], [4])],
        tmp_path / "packed",
        Provenance("labelled", {"detector": "clic"}),
    )
    result = train(one, model_config, replace(CONFIG, epochs=2), tmp_path / "run")
    assert result.steps == 2


def test_a_truncated_checkpoint_is_refused(run, tmp_path):
    cut = tmp_path / CHECKPOINT_FILE
    cut.write_bytes((run.folder / CHECKPOINT_FILE).read_bytes()[:5000])
    with pytest.raises(InputError, match="damaged checkpoint"):
        load_checkpoint(cut)


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (type(self.path).touch, (self.path,))


def test_nothing_in_a_foreign_checkpoint_is_executed(tmp_path):
    torch.save({"format": Malicious(tmp_path / "executed")}, tmp_path / CHECKPOINT_FILE)
    with pytest.raises(InputError, match="damaged checkpoint"):
        load_checkpoint(tmp_path / CHECKPOINT_FILE)
    assert not (tmp_path / "executed").exists()


def test_a_foreign_checkpoint_is_refused(tmp_path):
    torch.save({"epoch": 3}, tmp_path / CHECKPOINT_FILE)
    with pytest.raises(SchemaError, match="not a checkpoint of this version"):
        load_checkpoint(tmp_path / CHECKPOINT_FILE)


def test_a_full_disk_is_an_output_error_and_keeps_the_old_checkpoint(
    run, dataset, model_config, tmp_path, monkeypatch
):
    folder = tmp_path / "full"
    shutil.copytree(run.folder, folder)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def full_disk(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OutputError, match="the disk is full"):
        train(dataset, model_config, replace(CONFIG, epochs=5), folder, resume=True)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_resuming_with_other_events_is_refused(run, learnable_events, model_config, tmp_path):
    other = pack(
        [learnable_events([3] * 9, [4] * 9)],
        tmp_path / "packed",
        Provenance("labelled", {"detector": "clic"}),
    )
    with pytest.raises(ConfigError, match=r"data\.events = 120, not 9"):
        train(other, model_config, CONFIG, run.folder, resume=True)


def test_the_detector_of_the_events_replaces_that_of_the_configuration(
    run, learnable_events, model_config, tmp_path
):
    assert load_config(run.folder).face == CalorimeterFace.of(CLIC)
    of_cld = pack(
        [learnable_events([3] * 9, [4] * 9)],
        tmp_path / "packed",
        Provenance("labelled", {"detector": "cld"}),
    )
    train(of_cld, model_config, replace(CONFIG, epochs=1), tmp_path / "run")
    assert load_config(tmp_path / "run").face == CalorimeterFace.of(CLD)


def test_resuming_with_events_of_another_detector_is_refused(run, dataset, model_config):
    other = replace(dataset, face=CalorimeterFace.of(CLD))
    with pytest.raises(ConfigError, match=r"model\.detector = clic, not cld"):
        train(other, model_config, replace(CONFIG, epochs=5), run.folder, resume=True)


def test_a_training_that_diverges_is_a_data_error(dataset, model_config, tmp_path):
    with pytest.raises(DataError, match="diverged; lower its learning rate"):
        train(dataset, model_config, replace(CONFIG, learning_rate=1e30), tmp_path / "run")


@pytest.mark.parametrize("backbone", ["favor", "gnn_lsh"])
def test_the_linear_backbones_can_be_trained_and_loaded(backbone, dataset, model_config, tmp_path):
    config = replace(model_config, backbone=backbone)
    trained = train(dataset, config, replace(CONFIG, epochs=2), tmp_path / "run")
    first, last = (float(history(trained.folder)[i]["validation_loss"]) for i in (0, -1))
    assert last < first
    loaded = load_model(trained.folder)
    assert loaded.config == config
