import contextlib
import csv
import errno
import io
import itertools
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
from partflow.core.outputs import only_writer
from partflow.core.provenance import Provenance
from partflow.dataset.loader import training_batches
from partflow.dataset.mixture import Mixture
from partflow.dataset.packing import pack
from partflow.model.folder import load_config, load_model, load_provenance, save_model
from partflow.model.mlpf import MLPF
from partflow.train import trainer
from partflow.train.checkpoint import CHECKPOINT_FILE, RunState, load_checkpoint
from partflow.train.config import TrainConfig
from partflow.train.loggers import PACKAGES
from partflow.train.loop import TrainingLoop
from partflow.train.loss import loss_terms
from partflow.train.optimizer import make_optimizer
from partflow.train.processes import make_fabric
from partflow.train.step import NetworkLoss, Stepper
from partflow.train.terms import Term, loss_of
from partflow.train.threshold import THRESHOLD_FILE
from partflow.train.trainer import Job, train
from partflow.train.validation import validate

CONFIG = TrainConfig(epochs=3, batch_elements=100, threads=1, accelerator="cpu", learning_rate=3e-3)


@pytest.fixture(scope="module")
def run(mixture, model_config, tmp_path_factory):
    """A finished run of three epochs."""
    folder = tmp_path_factory.mktemp("run") / "run"
    provenance = Provenance("model", {"preset": "toy"}, seed=1)
    return train(mixture, model_config, CONFIG, folder, provenance=provenance)


def interrupt_after(steps, monkeypatch):
    """Press Ctrl-C during batch `steps` + 1."""
    original, steps_done = Stepper.step, itertools.count()

    def step(stepper, *arguments):
        if next(steps_done) == steps:
            signal.raise_signal(signal.SIGINT)
        return original(stepper, *arguments)

    monkeypatch.setattr(Stepper, "step", step)


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
        "checkpoint.pt", "config.json", "config.toml", "logs", "loss.png", "model.safetensors",
        "resources.json", "threshold.json", "training.csv",
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
    run, mixture, model_config, tmp_path, monkeypatch
):
    folder = tmp_path / "interrupted"
    with monkeypatch.context() as patch:
        interrupt_after(5, patch)
        with pytest.raises(KeyboardInterrupt):
            train(mixture, model_config, CONFIG, folder)
    assert load_checkpoint(folder / CHECKPOINT_FILE).state.steps == 6
    load_model(folder)  # raises nothing: the model is complete

    resumed = train(mixture, model_config, CONFIG, folder, resume=True)
    assert (resumed.steps, resumed.events_seen) == (run.steps, run.events_seen)
    ours, theirs = (load_checkpoint(r.folder / CHECKPOINT_FILE) for r in (resumed, run))
    for name, weight in theirs.model.items():
        assert torch.equal(ours.model[name], weight), name
    assert history(folder)[-1]["learning_rate"] == history(run.folder)[-1]["learning_rate"]


def test_the_handler_of_ctrl_c_is_restored_after_a_run(mixture, model_config, tmp_path):
    def of_the_caller(number, frame):
        raise AssertionError

    before = signal.signal(signal.SIGINT, of_the_caller)
    try:
        train(mixture, model_config, replace(CONFIG, epochs=1), tmp_path / "run")
        assert signal.getsignal(signal.SIGINT) is of_the_caller
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_complete_run_can_be_continued_with_more_epochs(run, mixture, model_config, tmp_path):
    folder = tmp_path / "longer"
    shutil.copytree(run.folder, folder)
    same = train(mixture, model_config, CONFIG, folder, resume=True)
    assert same.steps == run.steps
    longer = train(mixture, model_config, replace(CONFIG, epochs=4), folder, resume=True)
    assert longer.events_seen == run.events_seen * 4 // 3


def test_a_run_that_the_time_limit_ends_has_a_low_learning_rate_at_the_end(
    mixture, model_config, tmp_path
):
    config = replace(CONFIG, epochs=10_000, max_minutes=0.03)
    result = train(mixture, model_config, config, tmp_path / "short")
    assert 0.03 <= result.minutes < 0.3
    assert result.losses["learning_rate"] == pytest.approx(0.01 * config.learning_rate)


def test_a_second_run_in_the_same_folder_is_refused(run, mixture, model_config):
    with pytest.raises(OutputError, match="holds a training run; --resume continues it"):
        train(mixture, model_config, CONFIG, run.folder)


def test_a_run_that_ended_before_its_first_checkpoint_starts_again(
    run, mixture, model_config, tmp_path
):
    for resume in (False, True):
        folder = tmp_path / str(resume)
        shutil.copytree(run.folder, folder)
        (folder / CHECKPOINT_FILE).unlink()
        (folder / THRESHOLD_FILE).unlink()
        again = train(mixture, model_config, CONFIG, folder, resume=resume)
        assert again.steps == run.steps


def test_a_finished_run_whose_checkpoint_was_removed_is_kept(run, mixture, model_config, tmp_path):
    shutil.copytree(run.folder, tmp_path / "run")
    (tmp_path / "run" / CHECKPOINT_FILE).unlink()
    with pytest.raises(OutputError, match="holds a training run"):
        train(mixture, model_config, CONFIG, tmp_path / "run")


def test_a_run_that_ended_before_its_threshold_was_chosen_gets_it(
    run, mixture, model_config, tmp_path
):
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    (folder / THRESHOLD_FILE).unlink()
    model = load_model(folder)
    model.config = replace(model.config, readout=replace(model.config.readout, threshold=0.5))
    provenance = load_provenance(folder)
    save_model(model, folder, provenance)
    train(mixture, model_config, CONFIG, folder, resume=True, provenance=provenance)
    for name in (THRESHOLD_FILE, "config.json"):
        assert (folder / name).read_bytes() == (run.folder / name).read_bytes()


def test_ctrl_c_in_the_last_step_changes_nothing(run, mixture, model_config, tmp_path, monkeypatch):
    interrupt_after(run.steps - 1, monkeypatch)
    again = train(mixture, model_config, CONFIG, tmp_path / "run")
    assert again.steps == run.steps
    assert (again.folder / THRESHOLD_FILE).exists()


def test_two_runs_do_not_write_into_one_folder(mixture, model_config, tmp_path):
    folder = tmp_path / "run"
    with only_writer(folder), pytest.raises(OutputError, match="another process writes here"):
        train(mixture, model_config, CONFIG, folder)
    train(mixture, model_config, replace(CONFIG, epochs=1), folder)
    assert not (folder / ".lock").exists()


def test_resuming_without_a_run_is_refused(mixture, model_config, tmp_path):
    with pytest.raises(InputError, match="no checkpoint to resume from; start without --resume"):
        train(mixture, model_config, CONFIG, tmp_path, resume=True)


def test_resuming_with_another_setting_is_refused_and_names_it(run, mixture, model_config):
    with pytest.raises(ConfigError, match=r"train\.learning_rate = 0\.003, not 0\.01"):
        train(mixture, model_config, replace(CONFIG, learning_rate=0.01), run.folder, resume=True)
    with pytest.raises(ConfigError, match=r"model\.dim = 16, not 32"):
        train(mixture, replace(model_config, dim=32), CONFIG, run.folder, resume=True)


def test_training_on_events_without_elements_is_refused(learnable_events, model_config, tmp_path):
    empty = pack(
        [learnable_events([0, 0], [0, 0])],
        tmp_path / "packed",
        Provenance("labelled", {"detector": "clic"}),
    )
    with pytest.raises(DataError, match="no event with elements to train on among 2"):
        train(Mixture.open([empty.folder]), model_config, CONFIG, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_single_event_can_be_trained_on(learnable_events, model_config, tmp_path):
    one = pack(
        [learnable_events([3], [4])],
        tmp_path / "packed",
        Provenance("labelled", {"detector": "clic"}),
    )
    result = train(
        Mixture.open([one.folder]), model_config, replace(CONFIG, epochs=2), tmp_path / "run"
    )
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


def contents(folder):
    """Bytes of the files of a run, without its logs."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def test_a_full_disk_is_an_output_error_and_keeps_the_old_checkpoint(
    run, mixture, model_config, tmp_path, monkeypatch
):
    folder = tmp_path / "full"
    shutil.copytree(run.folder, folder)
    before = contents(folder)

    def full_disk(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OutputError, match="the disk is full"):
        train(mixture, model_config, replace(CONFIG, epochs=5), folder, resume=True)
    assert contents(folder) == before


def test_resuming_with_other_events_is_refused(run, learnable_events, model_config, tmp_path):
    other = pack(
        [learnable_events([3] * 9, [4] * 9)],
        tmp_path / "packed",
        Provenance("labelled", {"detector": "clic"}),
    )
    with pytest.raises(ConfigError, match=r"data\.sources = .*120.*, not .*9"):
        train(Mixture.open([other.folder]), model_config, CONFIG, run.folder, resume=True)


def test_the_detector_of_the_events_replaces_that_of_the_configuration(
    run, learnable_events, model_config, tmp_path
):
    assert load_config(run.folder).face == CalorimeterFace.of(CLIC)
    of_cld = pack(
        [learnable_events([3] * 9, [4] * 9)],
        tmp_path / "packed",
        Provenance("labelled", {"detector": "cld"}),
    )
    train(Mixture.open([of_cld.folder]), model_config, replace(CONFIG, epochs=1), tmp_path / "run")
    assert load_config(tmp_path / "run").face == CalorimeterFace.of(CLD)


def test_resuming_with_events_of_another_detector_is_refused(
    run, toy_events, model_config, tmp_path
):
    other = pack([toy_events], tmp_path / "packed", Provenance("labelled", {"detector": "cld"}))
    with pytest.raises(ConfigError, match=r"model\.detector = clic, not cld"):
        train(Mixture.open([other.folder]), model_config, CONFIG, run.folder, resume=True)


def test_a_training_that_diverges_is_a_data_error(mixture, model_config, tmp_path):
    with pytest.raises(DataError, match=r"batch of \d+ events .*diverged"):
        train(mixture, model_config, replace(CONFIG, learning_rate=1e30), tmp_path / "run")


def test_a_gradient_that_is_not_finite_leaves_the_last_good_weights(
    mixture, model_config, tmp_path, monkeypatch
):
    calls = itertools.count()

    def with_bad_gradient(output, *arguments, **options):
        terms = loss_terms(output, *arguments, **options)
        if next(calls) >= 30:
            root_of_zero = torch.sqrt(0.0 * output.log_pt_ratio.sum())  # 0, its gradient is not
            terms["class"] = Term(terms["class"].total + root_of_zero, terms["class"].weight)
        return terms

    monkeypatch.setattr("partflow.train.step.loss_terms", with_bad_gradient)
    with pytest.raises(
        DataError, match=r"gradient of the loss is nan .*epoch 1, batch \d.*event_id"
    ):
        train(mixture, model_config, CONFIG, tmp_path / "run")
    stored = load_checkpoint(tmp_path / "run" / CHECKPOINT_FILE)
    assert stored.state.history
    assert all(bool(torch.isfinite(weight).all()) for weight in stored.model.values())
    monkeypatch.undo()
    train(mixture, model_config, CONFIG, tmp_path / "run", resume=True)


def test_a_validation_loss_that_is_not_finite_is_not_written(
    mixture, model_config, tmp_path, monkeypatch
):
    original, calls = validate, itertools.count()

    def diverged(*arguments):
        found = original(*arguments)
        return replace(found, losses={"class": float("nan")}) if next(calls) else found

    monkeypatch.setattr("partflow.train.loop.validate", diverged)
    with pytest.raises(DataError, match="validation loss is nan after step"):
        train(mixture, model_config, CONFIG, tmp_path / "run")
    assert len(history(tmp_path / "run")) == 1
    assert load_checkpoint(tmp_path / "run" / CHECKPOINT_FILE).state.epoch == 1


@pytest.mark.parametrize(("weight", "is_refused"), [(-1.0, True), (np.nan, True), (0.0, False)])
def test_event_weights_that_cannot_be_summed_are_refused(
    dataset, model_config, tmp_path, weight, is_refused
):
    weights = np.ones(len(dataset), dtype=np.float32)
    weights[3] = weight
    weighted = replace(dataset, event_weight=weights)
    config = replace(CONFIG, epochs=1, event_weights=True)
    with (
        pytest.raises(ConfigError, match="1 of 120 events of toy have weights that are negative")
        if is_refused
        else contextlib.nullcontext()
    ):
        train(Mixture.of({"toy": weighted}), model_config, config, tmp_path / "run")


def test_a_logger_that_cannot_be_closed_does_not_hide_the_error_of_the_run(
    mixture, model_config, tmp_path, monkeypatch, capfd
):
    class Broken:
        def log_hyperparams(self, settings):
            pass

        def finalize(self, status):
            raise RuntimeError(f"no status {status}")

    monkeypatch.setattr("partflow.train.loggers.make_logger", lambda *_: Broken())
    config = replace(CONFIG, learning_rate=1e30, loggers=("tensorboard",))
    with pytest.raises(DataError, match="diverged"):
        train(mixture, model_config, config, tmp_path / "run")
    assert "logger tensorboard could not be closed: no status failed" in capfd.readouterr().err


@pytest.mark.parametrize("backbone", ["favor", "gnn_lsh"])
def test_the_linear_backbones_can_be_trained_and_loaded(backbone, mixture, model_config, tmp_path):
    config = replace(model_config, backbone=backbone)
    trained = train(mixture, config, replace(CONFIG, epochs=2), tmp_path / "run")
    first, last = (float(history(trained.folder)[i]["validation_loss"]) for i in (0, -1))
    assert last < first
    loaded = load_model(trained.folder)
    assert loaded.config == config


def test_two_accumulated_batches_average_their_gradients(mixture, model_config):
    model = MLPF(replace(model_config, dropout=0.0))
    config = replace(CONFIG, accumulate=2, gradient_clip=1e9)
    stream = training_batches(mixture, 100, seed=1, augment=False)
    batches = [next(stream), next(stream)]
    gradients = []
    for batch in batches:
        loss = loss_of(loss_terms(model(batch), batch, config.loss))
        gradients.append(torch.autograd.grad(loss, list(model.parameters())))
    network = NetworkLoss(model, config, torch.float32)
    stepper = Stepper(make_fabric(config), network, make_optimizer(model, config), config)
    found = []
    stepper.optimizer.register_step_pre_hook(
        lambda *_: found.extend(p.grad.clone() for p in model.parameters())
    )
    sums = stepper.step(batches, 0.0, False, 0.0, place="")
    assert [s.num_events for s in sums] == [batch.num_events for batch in batches]
    for mean, first, second in zip(found, *gradients, strict=True):
        assert torch.allclose(mean, (first + second) / 2, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("device", "is_pinned"), [("cuda", True), ("cpu", False)])
def test_batches_are_pinned_for_a_gpu_only(
    device, is_pinned, mixture, model_config, tmp_path, monkeypatch
):
    """Copies from other memory wait for the GPU."""

    class Given(Exception):
        pass

    def take(*arguments, pin_memory, **options):
        raise Given(pin_memory)

    monkeypatch.setattr(trainer, "training_batches", take)
    fabric = make_fabric(CONFIG)
    monkeypatch.setattr(type(fabric), "device", torch.device(device))
    job = Job(
        mixture, model_config, CONFIG, tmp_path, {}, is_resumed=False, initial_model=None,
        provenance=None, validation_loss=CONFIG.loss,
    )  # fmt: skip
    loop = object.__new__(TrainingLoop)
    loop.run_state = RunState()
    with pytest.raises(Given, match=str(is_pinned)):
        trainer._run_loop(fabric, job, loop, None)


def test_a_run_with_accumulated_batches_makes_half_as_many_steps(mixture, model_config, tmp_path):
    config = replace(CONFIG, accumulate=2)
    steps = [
        train(mixture, model_config, c, tmp_path / f"{c.accumulate}").steps
        for c in (config, CONFIG)
    ]
    assert steps[0] == pytest.approx(steps[1] / 2, abs=1)


def test_averaged_weights_become_the_model(mixture, model_config, tmp_path):
    config = replace(CONFIG, ema_decay=0.9)
    folder = train(mixture, model_config, config, tmp_path / "run").folder
    checkpoint = load_checkpoint(folder / CHECKPOINT_FILE)
    weights = load_file(folder / "model.safetensors")
    last = float(history(folder)[-1]["validation_loss"])
    assert last == min(float(row["validation_loss"]) for row in history(folder))
    name = "track_encoder.0.weight"
    assert torch.equal(weights[name], checkpoint.average[f"module.{name}"])
    assert not torch.equal(weights[name], checkpoint.model[name])
    assert torch.allclose(weights[name], checkpoint.model[name], atol=0.1)


def test_the_best_models_and_one_every_few_steps_are_kept_with_epoch_and_loss_in_their_names(
    mixture, model_config, tmp_path
):
    config = replace(CONFIG, keep_best=2, checkpoint_interval=10)
    folder = train(mixture, model_config, config, tmp_path / "run").folder
    losses = sorted(float(row["validation_loss"]) for row in history(folder))
    names = sorted(path.name for path in (folder / "checkpoints").iterdir())
    best = [name for name in names if not name.endswith("-interval")]
    kept = sorted(float(name.split("loss")[1]) for name in best)
    assert kept == pytest.approx(losses[:2], abs=1e-4)
    steps = [int(name.split("step")[1][:7]) for name in names if name.endswith("-interval")]
    assert steps == list(range(10, load_checkpoint(folder / CHECKPOINT_FILE).state.steps + 1, 10))
    for name in names:
        load_model(folder / "checkpoints" / name)  # raises nothing


def test_a_training_that_starts_from_a_model_has_its_weights_and_standardisation(
    run, mixture, model_config, tmp_path
):
    config = replace(CONFIG, epochs=1, learning_rate=1e-12, weight_decay=0.0)
    started = train(mixture, model_config, config, tmp_path / "run", initial_model=run.folder)
    ours, theirs = (load_file(r.folder / "model.safetensors") for r in (started, run))
    for name, weight in theirs.items():
        assert torch.allclose(ours[name], weight, atol=1e-7), name


def test_frozen_weights_stay_as_they_are(run, mixture, model_config, tmp_path):
    config = replace(CONFIG, epochs=1, freeze="all_but_heads")
    started = train(mixture, model_config, config, tmp_path / "run", initial_model=run.folder)
    ours, theirs = (load_file(r.folder / "model.safetensors") for r in (started, run))
    changed = {n.split(".")[0] for n, weight in theirs.items() if not torch.equal(ours[n], weight)}
    assert changed == {"head"}


def test_a_training_from_another_network_is_refused_by_name(run, mixture, model_config, tmp_path):
    other = replace(model_config, num_layers=2)
    with pytest.raises(ConfigError, match=r"has model\.num_layers = 1, not 2"):
        train(mixture, other, CONFIG, tmp_path / "run", initial_model=run.folder)
    with pytest.raises(InputError, match="no such"):
        train(mixture, other, CONFIG, tmp_path / "run", initial_model=tmp_path / "none")


def test_a_report_that_returns_true_ends_the_run(mixture, model_config, tmp_path):
    seen = []

    def report(steps, loss):
        seen.append((steps, loss))
        return len(seen) == 2

    result = train(mixture, model_config, CONFIG, tmp_path / "run", report=report)
    rows = history(result.folder)
    assert [loss for _, loss in seen] == [float(row["validation_loss"]) for row in rows]
    assert len(seen) == 2 and result.steps == seen[-1][0]


def test_tensorboard_gets_the_losses_and_the_settings(run):
    (file,) = (run.folder / "logs").glob("events.out.tfevents.*")
    content = file.read_bytes()
    assert b"validation_loss" in content and b"training_loss" in content


@pytest.mark.filterwarnings(  # the packages themselves give these
    "ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize("name", ["mlflow", "wandb"])  # Comet: cli/test_published_command_line.py
def test_optional_loggers_write_offline(name, mixture, model_config, tmp_path, monkeypatch):
    pytest.importorskip(name)
    for variable in ("WANDB_MODE", "WANDB_API_KEY", "COMET_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    config = replace(CONFIG, epochs=1, loggers=(name,), offline=True)
    folder = train(mixture, model_config, config, tmp_path / "run").folder
    assert any(path.is_file() for path in (folder / "logs").rglob("*"))


def test_a_logger_that_is_not_installed_is_refused_before_the_run(
    mixture, model_config, tmp_path, monkeypatch
):
    monkeypatch.setitem(PACKAGES, "wandb", "no_such_package")
    with pytest.raises(ConfigError, match=r'pip install "partflow\[wandb\]"'):
        train(mixture, model_config, replace(CONFIG, loggers=("wandb",)), tmp_path / "run")
    assert not (tmp_path / "run").exists()
