"""The training loop: steps and validations until the run is complete or interrupted."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from lightning.fabric import Fabric
from torch.optim.swa_utils import AveragedModel

from partflow.core.errors import DataError
from partflow.dataset.batches import LabelledBatch
from partflow.model.mlpf import MLPF
from partflow.train.checkpoint import Checkpoint, RunState
from partflow.train.config import LossConfig, TrainConfig
from partflow.train.history import history_row
from partflow.train.interruption import Interruption
from partflow.train.loggers import RunLoggers
from partflow.train.optimizer import make_average, make_optimizer
from partflow.train.processes import gather_objects
from partflow.train.progress_bar import ProgressBar
from partflow.train.resources import Meter, begin_part
from partflow.train.run_files import RunFiles
from partflow.train.schedule import learning_rate, run_progress
from partflow.train.step import NetworkLoss, Stepper, StepSums
from partflow.train.validation import validate

RECENT_WEIGHT = 0.02
"""Weight of the newest batch in the running means of the losses: a mean over about 50 batches."""

Report = Callable[[int, float], bool]
"""Called after every validation with the step and the validation loss; True ends the run."""


class TrainingLoop:
    """Trains `model` and keeps the progress in `run_state`.

    Every process runs its own loop with its part of every batch; all take the same decisions.
    """

    def __init__(
        self,
        fabric: Fabric,
        model: MLPF,
        config: TrainConfig,
        dtype: torch.dtype,
        run_state: RunState,
        num_events: int,
        num_steps: int,
        validation_loss: LossConfig,
    ) -> None:
        """A loop over epochs of `num_events` events in about `num_steps` steps; `validation_loss`
        has the weights of the validation loss.
        """
        self.model = model
        self.config = config
        self.run_state = run_state
        self._fabric = fabric
        self._dtype = dtype
        self._num_events = num_events
        self._validation_interval = max(min(config.validation_interval, num_steps), 1)
        self._average: AveragedModel | None = make_average(model, config)
        if self._average is not None:
            self._average.to(fabric.device)
        optimizer = make_optimizer(model, config)
        self._stepper = Stepper(fabric, NetworkLoss(model, config, dtype), optimizer, config)
        self._validation_config = replace(config, loss=validation_loss)
        self._settings: Mapping[str, object] = {}
        self._started = 0.0
        self._meter = Meter(run_state.minutes)

    @property
    def progress(self) -> float:
        """Fraction of the run that is done, in [0, 1]."""
        return run_progress(self.run_state, self._num_events, self.config)

    @property
    def validated_model(self) -> MLPF:
        """The network that is validated and written: with averaged weights, if there are any."""
        if self._average is None:
            return self.model
        averaged = self._average.module
        assert isinstance(averaged, MLPF)
        return averaged

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from `checkpoint`, whose weights the model has already."""
        self._stepper.optimizer.load_state_dict(checkpoint.optimizer)
        if self._average is not None and checkpoint.average is not None:
            self._average.load_state_dict(checkpoint.average)
        if len(checkpoint.random_states) == self._fabric.world_size:
            torch.set_rng_state(checkpoint.random_states[self._fabric.global_rank])

    def run(
        self,
        batches: Iterator[LabelledBatch],
        validation_batches: Mapping[str, Sequence[LabelledBatch]],
        files: RunFiles | None,
        loggers: RunLoggers | None,
        settings: Mapping[str, object],
        report: Report | None = None,
    ) -> bool:
        """Train until the run is complete; returns whether it was interrupted instead.

        Args:
            batches: Training batches without end, this process's part of each.
            validation_batches: Batches of each source, this process's part.
            files: Where rank 0 writes; None in the other processes.
            loggers: Loggers of rank 0; None in the other processes.
            settings: Settings of the run, for the checkpoint.
            report: See `Report`.
        """
        self._settings = settings
        self._started = time.perf_counter() - 60.0 * self.run_state.minutes
        self._meter = Meter(self.run_state.minutes)
        self.run_state.parts.append(begin_part(self._fabric.device, self._fabric.world_size))
        is_first = self._fabric.global_rank == 0
        with Interruption(is_first) as interruption, ProgressBar(is_first) as bar:
            while True:
                was_interrupted = self._train_until_validation(batches, interruption, bar, files)
                row = self._validate(validation_batches, files)
                if is_first:
                    bar.tell_validation(self.run_state, row)
                    if loggers is not None:
                        loggers.log(row, self.run_state.steps)
                is_enough = report is not None and report(
                    self.run_state.steps, row["validation_loss"]
                )
                if is_enough or self.progress >= 1.0:  # also if interrupted in the last step
                    return False
                if was_interrupted:
                    return True

    def _train_until_validation(
        self,
        batches: Iterator[LabelledBatch],
        interruption: Interruption,
        bar: ProgressBar,
        files: RunFiles | None,
    ) -> bool:
        """Steps until the next validation; returns whether the run was interrupted."""
        run_state, config = self.run_state, self.config
        started, seconds_before = time.perf_counter(), run_state.training_seconds
        while True:
            of_step = list(itertools.islice(batches, config.accumulate))
            rate = learning_rate(self.progress, config)
            place = f"epoch {run_state.epoch}, batch {run_state.batches_of_epoch}"
            is_interrupted = interruption.was_requested
            sums = self._stepper.step(of_step, rate, is_interrupted, self._minutes(), place)
            if self._average is not None:
                self._average.update_parameters(self.model)
            self._count(sums)
            run_state.training_seconds = seconds_before + time.perf_counter() - started
            bar.update(run_state, self.progress, self._num_events)
            if files is not None and self._is_at(config.checkpoint_interval):
                files.keep_at_interval(self.validated_model, run_state)
            if any(of.is_interrupted for of in sums) or self._is_stopped_now(interruption):
                return True
            if self._is_at(self._validation_interval) or self.progress >= 1.0:
                return False

    def _is_stopped_now(self, interruption: Interruption) -> bool:
        """Whether a single process was asked to stop; several learn it from their next step."""
        return self._fabric.world_size == 1 and interruption.was_requested

    def _minutes(self) -> float:
        """Duration of the run by the clock of this process."""
        return (time.perf_counter() - self._started) / 60.0

    def _is_at(self, interval: int | None) -> bool:
        """Whether the last step completed a multiple of `interval` steps."""
        return interval is not None and self.run_state.steps % interval == 0

    def _count(self, sums: list[StepSums]) -> None:
        """Count the batches of a step."""
        run_state = self.run_state
        run_state.steps += 1
        for batch in sums:
            run_state.events_seen += batch.num_events
            run_state.batches_of_epoch += 1
            run_state.events_of_epoch += batch.num_events
            if run_state.events_of_epoch >= self._num_events:
                run_state.epoch += 1
                run_state.batches_of_epoch = run_state.events_of_epoch = 0
            for name, value in batch.losses.items():
                mean = run_state.recent_losses.get(name, value)
                run_state.recent_losses[name] = mean + RECENT_WEIGHT * (value - mean)
        run_state.minutes = sums[-1].minutes

    def _validate(
        self,
        validation_batches: Mapping[str, Sequence[LabelledBatch]],
        files: RunFiles | None,
    ) -> dict[str, float]:
        """Validate, and write the files of the run; returns the row of the history."""
        model = self.validated_model
        validation = validate(
            self._fabric, model, validation_batches, self._validation_config, self._dtype
        )
        self.run_state.minutes = self._fabric.broadcast(self._minutes())
        row = history_row(self.run_state, validation, self.progress, self.config)
        if not math.isfinite(row["validation_loss"]):  # before anything is written
            raise DataError(
                f"the validation loss is {row['validation_loss']} after step "
                f"{self.run_state.steps}: the training diverged, and its last validated weights "
                "are kept; lower the learning rate, or look for odd values in the events"
            )
        random_states = gather_objects(self._fabric, torch.get_rng_state())
        self._measure()
        if files is not None:
            checkpoint = Checkpoint(
                state=self.run_state,
                model=dict(self.model.state_dict()),
                optimizer=self._stepper.optimizer.state_dict(),
                average=None if self._average is None else dict(self._average.state_dict()),
                random_states=random_states,
                settings=dict(self._settings),
            )
            files.write(model, checkpoint, row)
        else:
            self.run_state.history.append(row)
        return row

    def _measure(self) -> None:
        """Put what all processes have used into the last part of the run."""
        part, meter = self.run_state.parts[-1], self._meter
        part.minutes = self.run_state.minutes - meter.minutes_before
        part.processor_seconds = sum(gather_objects(self._fabric, meter.processor_seconds()))
