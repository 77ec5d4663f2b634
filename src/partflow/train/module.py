"""Training and validation steps and the optimiser, as a Lightning module."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import lightning
import torch
from torch import Tensor

from partflow.core.errors import DataError
from partflow.dataset.batches import LabelledBatch
from partflow.model.mlpf import MLPF
from partflow.train.checkpoint import RunState
from partflow.train.config import TrainConfig
from partflow.train.loss import LossConfig, Terms, loss_terms
from partflow.train.metrics import missing_momentum_error, sliced_wasserstein
from partflow.train.schedule import learning_rate, run_progress

RECENT_WEIGHT = 0.02
"""Weight of the newest batch in the running means of the losses: a mean over about 50 batches."""


def make_optimizer(model: MLPF, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW in one fused kernel; weight decay for matrices only, not for biases and norms."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98), fused=True)


class EventMean:
    """Means over events of values that are given batch by batch."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._num_events = 0

    def add(self, values: Mapping[str, Tensor], num_events: int) -> None:
        """Add `values`, means over the `num_events` events of a batch."""
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value) * num_events
        self._num_events += num_events

    def means(self) -> dict[str, float]:
        """Means over all events so far, by name."""
        return {name: total / self._num_events for name, total in self._sums.items()}


class MLPFTraining(lightning.LightningModule):
    """Trains `model` and keeps the progress of the run in `run_state`."""

    def __init__(
        self,
        model: MLPF,
        config: TrainConfig,
        run_state: RunState,
        num_events: int,
        optimizer_state: dict[str, Any] | None = None,
        validation_loss: LossConfig | None = None,
    ) -> None:
        """`num_events` is the number of training events that have elements; `optimizer_state` is
        that of the run to continue, if any. `validation_loss` has the weights of the validation
        loss, by default those of the training loss.
        """
        super().__init__()
        self.model = model
        self.config = config
        self.run_state = run_state
        self.num_events = num_events
        self._validation_loss_config = validation_loss or config.loss
        self.recent_losses: dict[str, float] = {}
        """Running means of the terms of the training loss."""
        self.validation_losses: dict[str, float] = {}
        """Terms of the last validation loss."""
        self.validation_metrics: dict[str, float] = {}
        """Metrics of the last validation that are not part of the loss."""
        self._optimizer_state = optimizer_state
        self._validation_losses = EventMean()
        self._validation_metrics = EventMean()
        self._minutes_before = run_state.minutes
        self._started = self._batch_ended = time.perf_counter()

    @property
    def progress(self) -> float:
        """Fraction of the run that is done, in [0, 1]."""
        return run_progress(self.run_state, self.num_events, self.config)

    @property
    def training_loss(self) -> float:
        """Running mean of the training loss."""
        return sum(self.recent_losses.values())

    @property
    def validation_loss(self) -> float:
        """Loss of the last validation."""
        return sum(self.validation_losses.values())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser, with the state of the run to continue, if any."""
        optimizer = make_optimizer(self.model, self.config)
        if self._optimizer_state is not None:
            optimizer.load_state_dict(self._optimizer_state)
        return optimizer

    def on_train_start(self) -> None:
        """Start the clock."""
        self._started = self._batch_ended = time.perf_counter()

    def on_train_batch_start(self, batch: LabelledBatch, batch_idx: int) -> None:
        """Set the learning rate for the progress of the run."""
        rate = learning_rate(self.progress, self.config)
        for optimizer in self.trainer.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate

    def training_step(self, batch: LabelledBatch, batch_idx: int) -> Tensor:
        """Loss of one batch.

        Raises DataError where it is not finite, before the weights are changed.
        """
        terms = loss_terms(self.model(batch), batch, self.config.loss)
        self._update_recent_losses(terms)
        return torch.stack(list(terms.values())).sum()

    def on_train_batch_end(self, outputs: Any, batch: LabelledBatch, batch_idx: int) -> None:
        """Count the batch; stop after the last epoch or minute."""
        run_state, now = self.run_state, time.perf_counter()
        run_state.steps += 1
        run_state.events_seen += batch.num_events
        run_state.batches_of_epoch += 1
        run_state.events_of_epoch += batch.num_events
        if run_state.events_of_epoch >= self.num_events:
            run_state.epoch += 1
            run_state.batches_of_epoch = run_state.events_of_epoch = 0
        run_state.training_seconds += now - self._batch_ended
        self._batch_ended = now
        run_state.minutes = self._minutes_before + (now - self._started) / 60.0
        if self.progress >= 1.0:
            self.trainer.should_stop = True

    def on_validation_epoch_start(self) -> None:
        """Reset the sums of the last validation."""
        self._validation_losses, self._validation_metrics = EventMean(), EventMean()
        self._directions = torch.Generator().manual_seed(self.config.seed)

    def validation_step(self, batch: LabelledBatch, batch_idx: int) -> None:
        """Add the losses and metrics of one batch."""
        output = self.model(batch)
        terms = loss_terms(output, batch, self._validation_loss_config)
        self._validation_losses.add(terms, batch.num_events)
        metrics = {
            "met_error": missing_momentum_error(output, batch),
            "sliced_wasserstein": sliced_wasserstein(output, batch, self._directions),
        }
        self._validation_metrics.add(metrics, batch.num_events)

    def on_validation_epoch_end(self) -> None:
        """Take the means over all validation events."""
        self.validation_losses = self._validation_losses.means()
        self.validation_metrics = self._validation_metrics.means()

    def on_validation_end(self) -> None:
        """Exclude the time of validation and writing from the training rate."""
        self._batch_ended = time.perf_counter()

    def _update_recent_losses(self, terms: Terms) -> None:
        """Update the running means; raise DataError where a term is not finite."""
        for name, term in terms.items():
            value = float(term.detach())
            if not math.isfinite(value):
                raise DataError(
                    f"the loss term {name} is {value} after {self.run_state.steps} steps: the "
                    "training diverged; lower its learning rate, or look for odd values in the data"
                )
            mean = self.recent_losses.get(name, value)
            self.recent_losses[name] = mean + RECENT_WEIGHT * (value - mean)
