"""One training run, from labelled events to the model folder.

`train.run_files` lists what a run writes, after every validation. So a run that is stopped at any
time after the first validation leaves a usable model and can be continued. At the end the
probability threshold is chosen (`train.threshold`).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from safetensors.torch import load_file

from partflow.core.errors import ConfigError, OutputError
from partflow.core.outputs import only_writer
from partflow.core.progress import say
from partflow.core.provenance import Provenance
from partflow.dataset.loader import sample_batches, training_batches, validation_batches
from partflow.dataset.mixture import Mixture
from partflow.model.config import ModelConfig
from partflow.model.files import CONFIG_FILE, THRESHOLD_FILE, WEIGHTS_FILE
from partflow.model.mlpf import MLPF
from partflow.model.precision import choose_dtype
from partflow.train.checkpoint import CHECKPOINT_FILE, Checkpoint, RunState, load_checkpoint
from partflow.train.config import LossConfig, TrainConfig
from partflow.train.configuration import CONFIGURATION_FILE, write_config
from partflow.train.history import FIGURE_FILE, SOURCE_PREFIX, draw_losses
from partflow.train.loggers import RunLoggers, check_loggers
from partflow.train.loop import Report, TrainingLoop
from partflow.train.processes import launch, make_fabric, quiet_lightning, threads
from partflow.train.run_files import RunFiles
from partflow.train.threshold import store_threshold
from partflow.train.transfer import freeze, load_initial_weights

STANDARDISATION_EVENTS = 2000
"""Events that means and deviations of the inputs are computed from: enough for per mille."""
CHANGEABLE = ("epochs", "max_minutes", "threads", "accelerator", "validation_interval",
              "validation_events", "loader_workers", "checkpoint_interval", "keep_best",
              "loggers", "offline", "devices", "nodes")  # fmt: skip
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
    rank: int = 0
    """Process that this is the result of. Those that a scheduler or torchrun has started all have
    one, and the first tells the user."""

    @property
    def source_losses(self) -> dict[str, float]:
        """Validation loss of each source, if there are several, at the last validation."""
        return {
            name.removeprefix(SOURCE_PREFIX): value
            for name, value in self.losses.items()
            if name.startswith(SOURCE_PREFIX)
        }


@dataclass(frozen=True)
class Job:
    """What every process of a run needs to know; picklable."""

    mixture: Mixture
    model_config: ModelConfig
    config: TrainConfig
    output: Path
    settings: dict[str, Any]
    """Settings that identify the run, in types that JSON has."""
    is_resumed: bool
    initial_model: str | Path | None
    provenance: Provenance | None
    validation_loss: LossConfig
    """Weights of the validation loss."""


def train(
    mixture: Mixture,
    model_config: ModelConfig,
    config: TrainConfig,
    output: Path,
    *,
    resume: bool = False,
    initial_model: str | Path | None = None,
    provenance: Provenance | None = None,
    report: Report | None = None,
    validation_loss: LossConfig | None = None,
) -> TrainResult:
    """Train a network on the events of `mixture` and write it to the folder `output`.

    Args:
        mixture: Labelled events; their detector replaces that of `model_config`.
        model_config: Configuration of the network.
        config: Settings of the run.
        output: Model folder to write.
        resume: Continue the run in `output`, with the same events in the same order and the same
            learning rate as without the interruption; more epochs or minutes make it longer.
        initial_model: Model folder, or name of a bundled model, whose weights the training starts
            from; its network must have the configuration `model_config`.
        provenance: Provenance to store with the model.
        report: Called after every validation; see `train.loop.Report`. For one process only.
        validation_loss: Weights of the validation loss, so that runs with other weights of the
            training loss can be compared. Those of the training loss if None.

    Raises:
        OutputError: `output` holds a run already.
        InputError: There is no run to continue, or no initial model.
        ConfigError: The run to continue has other settings, or devices are missing.
        DataError: No event has elements, or the loss is not finite.
        PartflowError: A process of the training ended.
        KeyboardInterrupt: Ctrl-C was pressed; the run stopped after a step.
    """
    if report is not None and config.num_ranks > 1:
        raise ConfigError("a training that reports its losses runs in one process")
    model_config = model_config.at(mixture.face)
    settings = _settings(mixture, model_config, config)
    is_resumed = _is_resumed(output, settings, resume)
    check_loggers(config)
    if config.event_weights:
        _check_event_weights(mixture)
    job = Job(
        mixture,
        model_config,
        config,
        output,
        settings,
        is_resumed=is_resumed,
        initial_model=initial_model,
        provenance=provenance,
        validation_loss=validation_loss or config.loss,
    )
    with quiet_lightning():
        fabric = make_fabric(config)
        is_first = fabric.global_rank == 0
        with only_writer(output) if is_first else contextlib.nullcontext():
            result = launch(fabric, _train_in_process, job, report)
    if result is None:
        raise KeyboardInterrupt
    return result


def _train_in_process(fabric: Fabric, job: Job, report: Report | None) -> TrainResult | None:
    """The training in one process; None where it was interrupted."""
    config = job.config
    with quiet_lightning(), threads(config, fabric), torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        checkpoint = load_checkpoint(job.output / CHECKPOINT_FILE) if job.is_resumed else None
        run_state = RunState() if checkpoint is None else checkpoint.state
        model = _model(job, checkpoint).to(fabric.device)
        freeze(model, config.freeze)
        if fabric.global_rank > 0:  # dropout differs between processes
            torch.manual_seed(config.seed + 1_000_003 * fabric.global_rank)
        num_batches = job.mixture.num_batches(0, config.batch_elements, config.seed)
        num_steps = num_batches // config.accumulate
        dtype = choose_dtype(fabric.device, config.dtype)
        num_events = job.mixture.num_events
        loop = TrainingLoop(
            fabric, model, config, dtype, run_state, num_events, num_steps, job.validation_loss
        )
        if checkpoint is not None:
            loop.restore(checkpoint)
        if loop.progress >= 1.0:
            if fabric.global_rank == 0:
                _finish_complete(job, loop)
            fabric.barrier()
            return _result(job.output, run_state, fabric)
        was_interrupted = _run_loop(fabric, job, loop, report)
        if fabric.global_rank == 0:
            _finish(job, loop, was_interrupted)
        fabric.barrier()
        return None if was_interrupted else _result(job.output, run_state, fabric)


def _run_loop(fabric: Fabric, job: Job, loop: TrainingLoop, report: Report | None) -> bool:
    """Run `loop`; returns whether it was interrupted."""
    config, run_state = job.config, loop.run_state
    batches = training_batches(
        job.mixture,
        config.batch_elements,
        seed=config.seed,
        augment=config.augment,
        epoch=run_state.epoch,
        first_batch=run_state.batches_of_epoch,
        rank=fabric.global_rank,
        num_ranks=fabric.world_size,
        num_workers=config.loader_workers,
        pin_memory=fabric.device.type == "cuda",
    )
    of_sources = validation_batches(
        job.mixture, config.batch_elements, rank=fabric.global_rank, num_ranks=fabric.world_size
    )
    if fabric.global_rank > 0:
        return loop.run(batches, of_sources, None, None, job.settings)
    files = RunFiles(job.output, config, job.provenance)
    write_config(job.output / CONFIGURATION_FILE, job.model_config, config)
    (job.output / THRESHOLD_FILE).unlink(missing_ok=True)  # of a shorter run: chosen again
    loggers = RunLoggers(config, job.output, job.settings)
    is_complete = False
    try:
        was_interrupted = loop.run(batches, of_sources, files, loggers, job.settings, report)
        is_complete = not was_interrupted
    finally:
        loggers.close(is_complete)
    return was_interrupted


def _finish_complete(job: Job, loop: TrainingLoop) -> None:
    """Tell the user that the run is complete; choose the threshold if it ended before that."""
    if not (job.output / THRESHOLD_FILE).exists():
        _finish(job, loop, was_interrupted=False)
    say(f"{job.output}: training is complete; more --epochs or --max-minutes continue it")


def _finish(job: Job, loop: TrainingLoop, was_interrupted: bool) -> None:
    """Draw the losses; choose the threshold, or tell the user how to continue."""
    run_state, output = loop.run_state, job.output
    draw_losses(run_state.history, output / FIGURE_FILE)
    if was_interrupted:
        say(
            f"Stopped after {run_state.events_seen:,} events. {output} holds the best "
            "model so far; to continue, give the same command with --resume.",
        )
        return
    model = loop.validated_model
    model.load_state_dict(load_file(output / WEIGHTS_FILE))
    of_sources = validation_batches(job.mixture, job.config.batch_elements)
    device = next(model.parameters()).device
    batches = (batch.to(device) for of_source in of_sources.values() for batch in of_source)
    store_threshold(model.eval(), output, batches, job.provenance)


def _is_resumed(output: Path, settings: dict[str, Any], resume: bool) -> bool:
    """Whether there is a checkpoint to continue from.

    A run that was stopped before its first checkpoint starts again, whether `resume` or not. Raises
    InputError, OutputError or ConfigError where what is in `output` does not fit.
    """
    was_begun = (output / CONFIGURATION_FILE).exists()
    has_checkpoint = (output / CHECKPOINT_FILE).exists()
    if resume and (has_checkpoint or not was_begun):
        checkpoint = load_checkpoint(output / CHECKPOINT_FILE)
        _check_same_run(checkpoint.settings, settings, output)
        return True
    is_complete = (output / THRESHOLD_FILE).exists()  # its checkpoint may have been removed
    if has_checkpoint or is_complete or ((output / CONFIG_FILE).exists() and not was_begun):
        raise OutputError(
            f"{output}: holds a training run; --resume continues it, another --output starts a "
            "new one"
        )
    return False


def _check_event_weights(mixture: Mixture) -> None:
    """Raise ConfigError where weights are negative or not finite: a batch could have the sum 0."""
    for source in mixture.sources:
        weight = source.dataset.event_weight
        num_bad = 0 if weight is None else np.count_nonzero(~(np.isfinite(weight) & (weight >= 0)))
        if num_bad:
            raise ConfigError(
                f"--event-weights: {num_bad} of {len(source.dataset)} events of {source.name} have "
                "weights that are negative or not finite; leave these events out, or train without "
                "weights"
            )


def _settings(mixture: Mixture, model_config: ModelConfig, config: TrainConfig) -> dict[str, Any]:
    """Settings that identify a run, in types that JSON has."""
    data = [
        {
            "events": len(source.dataset),
            "elements": int(source.dataset.offsets[-1]),
            "weight": source.weight,
        }
        for source in mixture.sources
    ]
    settings = {
        "data": {"sources": data, "training_events": mixture.num_events},
        "model": asdict(model_config),
        "train": asdict(config),
    }
    resolved: dict[str, Any] = json.loads(json.dumps(settings))
    return resolved


def _check_same_run(stored: Mapping[str, Any], requested: Mapping[str, Any], output: Path) -> None:
    """Raise ConfigError where a requested setting differs from that of the stored run."""
    defaults = {"model": asdict(ModelConfig()), "train": asdict(TrainConfig())}
    for part, settings in requested.items():
        of_run = _with_defaults(stored.get(part, {}), defaults.get(part, {}))
        for name, value in settings.items():
            stored_value = of_run.get(name)
            if value != stored_value and name not in CHANGEABLE:
                raise ConfigError(
                    f"{output}: trained with {part}.{name} = {stored_value}, not {value}; resume "
                    "with the same settings, or start a new run in another --output"
                )


def _with_defaults(stored: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run; those that its version did not have yet are at their defaults.

    >>> _with_defaults({"dim": 64, "loss": {"share": 2}}, {"loss": {"share": 1, "met": 0}})
    {'loss': {'share': 2, 'met': 0}, 'dim': 64}
    """
    settings = {**defaults, **stored}
    for name, default in defaults.items():
        if isinstance(default, dict) and isinstance(settings[name], dict):
            settings[name] = _with_defaults(settings[name], default)
    return settings


def _model(job: Job, checkpoint: Checkpoint | None) -> MLPF:
    """The network of the checkpoint, or a new one with the standardisation of its inputs."""
    model = MLPF(job.model_config)
    if checkpoint is not None:
        model.load_state_dict(checkpoint.model)
    elif job.initial_model is not None:
        load_initial_weights(model, job.initial_model)
    else:
        model.fit_standardisation(
            sample_batches(
                job.mixture,
                job.config.batch_elements,
                num_events=STANDARDISATION_EVENTS,
                seed=job.config.seed,
            )
        )
    return model


def _result(output: Path, run_state: RunState, fabric: Fabric) -> TrainResult:
    """Result of a run whose state is `run_state`, in each process."""
    return TrainResult(
        folder=output,
        steps=run_state.steps,
        events_seen=run_state.events_seen,
        events_per_second=run_state.events_per_second,
        minutes=run_state.minutes,
        # Only the first process knows which weights it has written.
        validation_loss=fabric.broadcast(run_state.best_validation_loss),
        losses=run_state.history[-1] if run_state.history else {},
        rank=fabric.global_rank,
    )
