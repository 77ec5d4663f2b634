"""The training as Lightning sees it: a step, a validation step, an optimiser."""

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
from partflow.train.config import TrainConfig
from partflow.train.loss import Terms, loss_terms
from partflow.train.metrics import missing_momentum_error, sliced_wasserstein
from partflow.train.schedule import learning_rate, run_progress
from partflow.train.state import RunState

RECENT = 0.02
"""Weight of the newest batch in the running means of the losses: about 50 batches count."""


def make_optimizer(model: MLPF, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW in one fused kernel; matrices decay, biases and norms do not."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98), fused=True)


class EventMean:
    """Means over events of values that come batch by batch."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._num_events = 0

    def add(self, values: Mapping[str, Tensor], num_events: int) -> None:
        """Add the means of a batch of `num_events`."""
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value) * num_events
        self._num_events += num_events

    def means(self) -> dict[str, float]:
        """The means so far, by name."""
        return {name: total / self._num_events for name, total in self._sums.items()}


class MLPFTraining(lightning.LightningModule):
    """Trains `model`; how far it is stands in `state`, which this module keeps up to date."""

    def __init__(
        self,
        model: MLPF,
        config: TrainConfig,
        state: RunState,
        num_events: int,
        optimizer_state: dict[str, Any] | None = None,
    ) -> None:
        """`num_events` is the number of training events that have elements;
        `optimizer_state`, if any, is that of the run to continue.
        """
        super().__init__()
        self.model = model
        self.config = config
        self.state = state
        self.num_events = num_events
        self.recent_losses: dict[str, float] = {}
        """Running means of the terms of the training loss."""
        self.validation_losses: dict[str, float] = {}
        """Terms of the last validation loss."""
        self.validation_metrics: dict[str, float] = {}
        """What the last validation watched besides."""
        self._optimizer_state = optimizer_state
        self._validation_losses = EventMean()
        self._validation_metrics = EventMean()
        self._minutes_before = state.minutes
        self._started = self._batch_ended = time.perf_counter()

    @property
    def progress(self) -> float:
        """Part of the run that is done, in [0, 1]."""
        return run_progress(self.state, self.num_events, self.config)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser, as the run to continue left it."""
        optimizer = make_optimizer(self.model, self.config)
        if self._optimizer_state is not None:
            optimizer.load_state_dict(self._optimizer_state)
        return optimizer

    def on_train_start(self) -> None:
        """Start the clock."""
        self._started = self._batch_ended = time.perf_counter()

    def on_train_batch_start(self, batch: LabelledBatch, batch_idx: int) -> None:
        """Set the learning rate to where the run is."""
        rate = learning_rate(self.progress, self.config)
        for optimizer in self.trainer.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate

    def training_step(self, batch: LabelledBatch, batch_idx: int) -> Tensor:
        """Loss of one batch.

        Raises DataError where it is not finite, before it spoils the weights.
        """
        terms = loss_terms(self.model(batch), batch, self.config.loss)
        self._remember(terms)
        return torch.stack(list(terms.values())).sum()

    def on_train_batch_end(self, outputs: Any, batch: LabelledBatch, batch_idx: int) -> None:
        """Note what was done; the run is over when its epochs or minutes are."""
        state, now = self.state, time.perf_counter()
        state.steps += 1
        state.events_seen += batch.num_events
        state.batches_of_epoch += 1
        state.events_of_epoch += batch.num_events
        if state.events_of_epoch >= self.num_events:
            state.epoch += 1
            state.batches_of_epoch = state.events_of_epoch = 0
        state.training_seconds += now - self._batch_ended
        self._batch_ended = now
        state.minutes = self._minutes_before + (now - self._started) / 60.0
        if self.progress >= 1.0:
            self.trainer.should_stop = True

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self._validation_losses, self._validation_metrics = EventMean(), EventMean()
        self._directions = torch.Generator().manual_seed(self.config.seed)

    def validation_step(self, batch: LabelledBatch, batch_idx: int) -> None:
        """Add one batch to the validation."""
        output = self.model(batch)
        self._validation_losses.add(loss_terms(output, batch, self.config.loss), batch.num_events)
        watched = {
            "met_error": missing_momentum_error(output, batch),
            "sliced_wasserstein": sliced_wasserstein(output, batch, self._directions),
        }
        self._validation_metrics.add(watched, batch.num_events)

    def on_validation_epoch_end(self) -> None:
        """Means over events."""
        self.validation_losses = self._validation_losses.means()
        self.validation_metrics = self._validation_metrics.means()

    def on_validation_end(self) -> None:
        """Validating and writing was not training."""
        self._batch_ended = time.perf_counter()

    def _remember(self, terms: Terms) -> None:
        for name, term in terms.items():
            value = float(term.detach())
            if not math.isfinite(value):
                raise DataError(
                    f"the loss term {name} is {value} after {self.state.steps} steps: the training "
                    "diverged; lower its learning rate, or look for odd values in the data"
                )
            held = self.recent_losses.get(name, value)
            self.recent_losses[name] = held + RECENT * (value - held)
