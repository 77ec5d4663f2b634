"""One training run, from the packed data set to the model folder.

    model.safetensors, config.json   the best weights so far, ready to use
    checkpoint.pt                    the run, to be continued
    training.csv, loss.png           losses of every validation, as a table and as a figure
    threshold.json                   the threshold chosen at the end, and its F1

Model, checkpoint and table are written after every validation, each file complete or not at all.
So a run that is stopped at any time after the first validation leaves a usable model and can be
continued.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader

from partflow.core.errors import ConfigError, DataError, OutputError
from partflow.core.progress import console
from partflow.core.provenance import Provenance
from partflow.core.records import Array
from partflow.dataset.batches import LabelledBatch, batch_loader
from partflow.dataset.packed import PackedDataset
from partflow.model.config import ModelConfig
from partflow.model.folder import CONFIG_FILE
from partflow.model.mlpf import MLPF
from partflow.train.callbacks import InterruptHandler, ProgressBar, Report, RunWriter
from partflow.train.checkpoint import CHECKPOINT_FILE, Checkpoint, RunState, load_checkpoint
from partflow.train.config import TrainConfig
from partflow.train.history import FIGURE_FILE, draw_losses
from partflow.train.loss import LossConfig
from partflow.train.module import MLPFTraining
from partflow.train.stream import CachedBatches, TrainingStream
from partflow.train.threshold import store_threshold

STANDARDISATION_EVENTS = 2000
"""Events that means and deviations of the inputs are computed from: enough for per mille."""
CHANGEABLE = ("epochs", "max_minutes", "threads", "accelerator", "validation_interval",
              "max_validation_events")  # fmt: skip
"""Settings that may be changed when a run is continued."""


@dataclass(frozen=True)
class TrainResult:
    """Result of a training run."""

    folder: Path
    """The model folder."""
    steps: int
    """Optimiser steps."""
    events_seen: int
    """Training events, counted once for each time that the network was trained on them."""
    events_per_second: float
    """Training events per second, without validation and writing."""
    minutes: float
    """Duration of the run."""
    validation_loss: float
    """Validation loss of the weights in the folder."""
    losses: dict[str, float]
    """Last row of the history (`train.history`)."""


def train(
    dataset: PackedDataset,
    model_config: ModelConfig,
    config: TrainConfig,
    output: Path,
    *,
    resume: bool = False,
    provenance: Provenance | None = None,
    report: Report | None = None,
    validation_loss: LossConfig | None = None,
) -> TrainResult:
    """Train a network on `dataset` and write it to the folder `output`.

    Args:
        dataset: Labelled events; their detector replaces that of `model_config`.
        model_config: Configuration of the network.
        config: Settings of the run.
        output: Model folder to write.
        resume: Continue the run in `output`, with the same events in the same order and the same
            learning rate as without the interruption; more epochs or minutes make it longer.
        provenance: Provenance to store with the model.
        report: Called with the optimiser steps and the loss of each validation; the run ends where
            it returns True.
        validation_loss: Weights of the validation loss, so that runs with other weights of the
            training loss can be compared. Those of the training loss if None.

    Raises:
        OutputError: `output` holds a run already.
        InputError: There is no run to continue.
        ConfigError: The run to continue has other settings.
        DataError: No event has elements, or the loss is not finite.
        KeyboardInterrupt: Ctrl-C was pressed; the run stopped after a batch.
    """
    model_config = model_config.at(dataset.face)
    with _threads(config.threads), _quiet_lightning(), _generator(config.seed):
        settings = _settings(dataset, model_config, config)
        checkpoint = _checkpoint(output, settings, resume)
        run_state = RunState() if checkpoint is None else checkpoint.state
        training, validation = _events(dataset, config)
        loader = batch_loader(
            dataset,
            training,
            config.batch_elements,
            seed=config.seed,
            augment=config.augment,
        )
        model = _model(model_config, config, checkpoint, dataset, training)
        num_events = int(np.count_nonzero(dataset.counts[training]))
        optimizer_state = None if checkpoint is None else checkpoint.optimizer
        module = MLPFTraining(
            model, config, run_state, num_events, optimizer_state, validation_loss
        )
        if module.progress < 1.0:
            validation_batches = CachedBatches(
                batch_loader(dataset, validation, config.batch_elements, shuffle=False)
            )
            if checkpoint is not None:  # last: reading a loader draws a random number
                torch.set_rng_state(checkpoint.random_state)
            run_writer = RunWriter(output, provenance, settings, report)
            _fit(module, loader, validation_batches, run_writer)
            store_threshold(output, validation_batches, provenance)
        else:
            console.print(
                f"{output}: training is complete; more --epochs or --max-minutes continue it",
                soft_wrap=True,
            )
    if run_state.history:
        draw_losses(run_state.history, output / FIGURE_FILE)
    return _result(output, run_state)


def _fit(
    module: MLPFTraining,
    loader: DataLoader[LabelledBatch],
    validation_batches: CachedBatches,
    run_writer: RunWriter,
) -> None:
    """Train until the run is complete; raise KeyboardInterrupt where it was interrupted."""
    config, run_state = module.config, module.run_state
    batches_per_epoch = len(loader)
    with InterruptHandler() as interrupt_handler, ProgressBar() as progress_bar:
        trainer = lightning.Trainer(
            accelerator=config.accelerator,
            devices=1,
            max_epochs=-1,  # the module stops the training
            val_check_interval=min(config.validation_interval, batches_per_epoch),
            check_val_every_n_epoch=None,  # the interval counts batches across epochs
            num_sanity_val_steps=0,
            gradient_clip_val=config.gradient_clip,
            callbacks=[interrupt_handler, run_writer, progress_bar],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        trainer.fit(module, TrainingStream(loader, run_state), validation_batches)
    if interrupt_handler.interrupted:
        console.print(
            f"Stopped after {run_state.events_seen:,} events. {run_writer.folder} holds the best "
            "model so far; to continue, give the same command with --resume.",
            soft_wrap=True,
        )
        raise KeyboardInterrupt


def _checkpoint(output: Path, settings: dict[str, Any], resume: bool) -> Checkpoint | None:
    """The checkpoint to continue from; None for a new run."""
    if not resume:
        if any((output / name).exists() for name in (CHECKPOINT_FILE, CONFIG_FILE)):
            raise OutputError(
                f"{output}: holds a training run; --resume continues it, another --output "
                "starts a new one"
            )
        return None
    checkpoint = load_checkpoint(output / CHECKPOINT_FILE)
    _check_same_run(checkpoint.settings, settings, output)
    return checkpoint


def _settings(
    dataset: PackedDataset, model_config: ModelConfig, config: TrainConfig
) -> dict[str, Any]:
    """Settings that identify a run, in types that JSON has."""
    settings = {
        "data": {"events": len(dataset), "elements": int(dataset.offsets[-1])},
        "model": asdict(model_config),
        "train": asdict(config),
    }
    resolved: dict[str, Any] = json.loads(json.dumps(settings))
    return resolved


def _check_same_run(stored: dict[str, Any], requested: dict[str, Any], output: Path) -> None:
    """Raise ConfigError where a requested setting differs from that of the stored run."""
    for part, settings in requested.items():
        for name, value in settings.items():
            stored_value = stored.get(part, {}).get(name)
            if value != stored_value and name not in CHANGEABLE:
                raise ConfigError(
                    f"{output}: trained with {part}.{name} = {stored_value}, not {value}; resume "
                    "with the same settings, or start a new run in another --output"
                )


def _events(dataset: PackedDataset, config: TrainConfig) -> tuple[Array, Array]:
    """Indices of the events for training and of those for validation."""
    training, validation = dataset.split(config.validation_fraction)
    training, validation = (e[dataset.counts[e] > 0] for e in (training, validation))
    if not len(training):
        raise DataError(
            f"{dataset.folder}: no event with elements to train on among {len(dataset)}; label "
            "more events"
        )
    if not len(validation):
        console.print("No events are left for validation: the training events are used instead.")
        validation = training
    step = -(-len(validation) // config.max_validation_events)  # spread over the whole data set
    return training, validation[::step]


def _model(
    model_config: ModelConfig,
    config: TrainConfig,
    checkpoint: Checkpoint | None,
    dataset: PackedDataset,
    training: Array,
) -> MLPF:
    """The network of the checkpoint, or a new one with the standardisation of its inputs."""
    model = MLPF(model_config)
    if checkpoint is not None:
        model.load_state_dict(checkpoint.model)
        return model
    rng = np.random.default_rng(config.seed)
    sample = rng.permutation(training)[:STANDARDISATION_EVENTS]
    sample_batches = batch_loader(dataset, sample, config.batch_elements, shuffle=False)
    model.fit_standardisation(sample_batches)
    return model


def _result(output: Path, run_state: RunState) -> TrainResult:
    """Result of a run whose state is `run_state`."""
    return TrainResult(
        folder=output,
        steps=run_state.steps,
        events_seen=run_state.events_seen,
        events_per_second=run_state.events_per_second,
        minutes=run_state.minutes,
        validation_loss=run_state.best_validation_loss,
        losses=run_state.history[-1] if run_state.history else {},
    )


@contextlib.contextmanager
def _threads(num_threads: int | None) -> Iterator[None]:
    """Set the threads of torch in the block; None: all cores that this process may use."""
    before = torch.get_num_threads()
    try:
        available = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        available = os.cpu_count() or 1
    torch.set_num_threads(num_threads or available)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _generator(seed: int) -> Iterator[None]:
    """Seed torch's generator, which draws initial weights and dropout, in the block only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Suppress Lightning's messages below warnings, such as its list of accelerators."""
    loggers = [logging.getLogger(n) for n in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # Lightning 2.6 calls a constructor that torch 2.13 has deprecated.
            warnings.filterwarnings("ignore", ".*LeafSpec", FutureWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
