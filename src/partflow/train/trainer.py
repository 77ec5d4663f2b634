"""A training run from its data to a model folder.

    output/model.safetensors, config.json   the best weights so far, ready to use
    output/checkpoint.pt                     the run itself, to be continued
    output/threshold.json                    the threshold chosen at the end, and why
    output/training.csv, loss.png            how the losses fell

All appear with the first validation and are replaced whole, so a run that is stopped at any
moment leaves a model that works and a checkpoint that goes on.
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
from partflow.train.callbacks import Save, Show, Stop
from partflow.train.config import TrainConfig
from partflow.train.curves import draw_losses
from partflow.train.module import MLPFTraining
from partflow.train.state import CHECKPOINT_FILE, Checkpoint, RunState, load_checkpoint
from partflow.train.stream import HeldBatches, TrainingStream
from partflow.train.threshold import store_threshold

STANDARDISATION_EVENTS = 2000
"""Events from which means and deviations of the inputs are taken: enough for permille."""
CHANGEABLE = ("epochs", "max_minutes", "threads", "accelerator", "validation_interval",
              "max_validation_events")  # fmt: skip
"""Settings that may differ when a run is resumed; all others make it another run."""


@dataclass(frozen=True)
class TrainResult:
    """What a run came to."""

    folder: Path
    steps: int
    """Optimiser steps."""
    events_seen: int
    """Training events, counted as often as they were shown."""
    events_per_second: float
    """Training events per second, without validation and writing."""
    minutes: float
    """Duration of the run."""
    validation_loss: float
    """Of the weights in the folder."""
    losses: dict[str, float]
    """Last row of the history."""


def train(
    dataset: PackedDataset,
    model_config: ModelConfig,
    config: TrainConfig,
    output: Path,
    *,
    resume: bool = False,
    record: Provenance | None = None,
) -> TrainResult:
    """Train a network on `dataset` and leave it in the folder `output`.

    The detector that the network is for is that of `dataset`, whatever `model_config` says.
    With `resume` the run in `output` goes on: the same events in the same order, the same
    learning rate, as if it had not been stopped. More `epochs` or `max_minutes` than it had
    make it longer.

    Raises OutputError where `output` holds a run already, InputError where there is none to
    resume, ConfigError where that one has other settings, DataError where no event can be
    learned from. Ctrl-C saves and raises KeyboardInterrupt.
    """
    model_config = model_config.at(dataset.face)
    with _threads(config.threads), _quiet_lightning(), _generator(config.seed):
        settings = _settings(dataset, model_config, config)
        checkpoint = _checkpoint(output, settings, resume)
        state = RunState() if checkpoint is None else checkpoint.state
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
        module = MLPFTraining(model, config, state, num_events, optimizer_state)
        if module.progress < 1.0:
            held_out = HeldBatches(
                batch_loader(dataset, validation, config.batch_elements, shuffle=False)
            )
            if checkpoint is not None:  # not before: making a loader draws a number
                torch.set_rng_state(checkpoint.random_state)
            _fit(module, loader, held_out, Save(output, record, settings))
            store_threshold(
                output,
                batch_loader(dataset, validation, config.batch_elements, shuffle=False),
                record,
            )
        else:
            console.print(f"{output}: trained already; more epochs or minutes make it longer")
    if state.history:
        draw_losses(state.history, output / "loss.png")
    return _result(output, state)


def _fit(
    module: MLPFTraining, loader: DataLoader[LabelledBatch], held_out: HeldBatches, save: Save
) -> None:
    config, state = module.config, module.state
    batches_per_epoch = len(loader)
    with Stop() as stop, Show() as show:
        trainer = lightning.Trainer(
            accelerator=config.accelerator,
            devices=1,
            max_epochs=-1,  # the module knows when to end
            val_check_interval=min(config.validation_interval, batches_per_epoch),
            check_val_every_n_epoch=None,  # the interval counts batches across epochs
            num_sanity_val_steps=0,
            gradient_clip_val=config.gradient_clip,
            callbacks=[stop, save, show],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        trainer.fit(module, TrainingStream(loader, state), held_out)
    if stop.interrupted:
        console.print(
            f"Stopped after {state.events_seen:,} events; `partflow train` with the same "
            f"arguments and --resume goes on. {save.folder} holds the best model so far."
        )
        raise KeyboardInterrupt


def _checkpoint(output: Path, settings: dict[str, Any], resume: bool) -> Checkpoint | None:
    """The checkpoint to go on from, if any."""
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
    """What makes a run this run, as JSON would hold it."""
    record = {
        "data": {"events": len(dataset), "elements": int(dataset.offsets[-1])},
        "model": asdict(model_config),
        "train": asdict(config),
    }
    resolved: dict[str, Any] = json.loads(json.dumps(record))
    return resolved


def _check_same_run(stored: dict[str, Any], asked: dict[str, Any], output: Path) -> None:
    for part, settings in asked.items():
        for name, value in settings.items():
            held = stored.get(part, {}).get(name)
            if value != held and name not in CHANGEABLE:
                raise ConfigError(
                    f"{output}: trained with {part}.{name} = {held}, not {value}; resume with the "
                    "same settings, or start anew in another --output"
                )


def _events(dataset: PackedDataset, config: TrainConfig) -> tuple[Array, Array]:
    """Numbers of the events to train on and to validate on."""
    training, validation = dataset.split(config.validation_fraction)
    training, validation = (e[dataset.counts[e] > 0] for e in (training, validation))
    if not len(training):
        raise DataError(
            f"{dataset.folder}: no event with elements to train on among {len(dataset)}; label "
            "more events"
        )
    if not len(validation):
        console.print("No event is left to validate on: the training events judge themselves.")
        validation = training
    step = -(-len(validation) // config.max_validation_events)  # from all over the data set
    return training, validation[::step]


def _model(
    model_config: ModelConfig,
    config: TrainConfig,
    checkpoint: Checkpoint | None,
    dataset: PackedDataset,
    training: Array,
) -> MLPF:
    """The network of the checkpoint, or a new one that knows how the inputs vary."""
    model = MLPF(model_config)
    if checkpoint is not None:
        model.load_state_dict(checkpoint.model)
        return model
    rng = np.random.default_rng(config.seed)
    sample = rng.permutation(training)[:STANDARDISATION_EVENTS]
    model.fit_standardisation(
        batch_loader(dataset, sample, config.batch_elements, shuffle=False)
    )  # fmt: skip
    return model


def _result(output: Path, state: RunState) -> TrainResult:
    return TrainResult(
        folder=output,
        steps=state.steps,
        events_seen=state.events_seen,
        events_per_second=state.events_per_second,
        minutes=state.minutes,
        validation_loss=state.best_validation_loss,
        losses=state.history[-1] if state.history else {},
    )


@contextlib.contextmanager
def _threads(wanted: int | None) -> Iterator[None]:
    """Threads of torch during the block; all cores this process may use if None."""
    before = torch.get_num_threads()
    try:
        available = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        available = os.cpu_count() or 1
    torch.set_num_threads(wanted or available)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _generator(seed: int) -> Iterator[None]:
    """The generator of torch, which draws first weights and dropout, seeded during the block."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Only warnings from Lightning: which accelerators a machine lacks is no news to a user."""
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
