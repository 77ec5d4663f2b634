"""One step of the training: loss, gradient and optimiser, over all processes.

Every term of the loss is a ratio of sums over a batch (`train.terms`). The sums of the weights are
those of all processes, so n processes with a part of a batch each have the gradient of one process
with the whole batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Float
from lightning.fabric import Fabric
from torch import Tensor, nn

from partflow.core.errors import DataError
from partflow.dataset.batches import LabelledBatch
from partflow.model.mlpf import MLPF
from partflow.model.precision import precision
from partflow.train.config import TrainConfig
from partflow.train.loss import loss_terms
from partflow.train.processes import gather_objects
from partflow.train.terms import MIN_WEIGHT, Terms

MAX_NAMED_EVENTS = 5
"""Events that an error names."""


class NetworkLoss(nn.Module):
    """Network and loss as one module, as data-parallel training needs it."""

    def __init__(self, model: MLPF, config: TrainConfig, dtype: torch.dtype) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.dtype = dtype
        self.term_names: tuple[str, ...] = ()
        """Names of the rows that `forward` returns."""

    def terms(self, batch: LabelledBatch) -> Terms:
        """Terms of the loss of one batch."""
        with precision(self.dtype, batch.features.device):
            output = self.model(batch)
        config = self.config
        return loss_terms(output, batch, config.loss, has_event_weights=config.event_weights)

    def forward(self, batch: LabelledBatch) -> Float[Tensor, "term 2"]:
        """Total and weight of each term."""
        terms = self.terms(batch)
        self.term_names = tuple(terms)
        return torch.stack([torch.stack([term.total, term.weight]) for term in terms.values()])


@dataclass(frozen=True)
class StepSums:
    """What one batch gave, over all processes."""

    losses: dict[str, float]
    """Mean of each term of the loss."""
    num_events: int
    """Events of the batch."""
    is_interrupted: bool
    """Whether a process was asked to stop."""
    minutes: float
    """Minutes on the clock of rank 0, which decides for all."""


class Stepper:
    """Makes steps of the optimiser."""

    def __init__(
        self, fabric: Fabric, network: NetworkLoss, optimizer: Any, config: TrainConfig
    ) -> None:
        """`network` and `optimizer` become those of `fabric`."""
        self._fabric = fabric
        self._bare = network
        self._network, self._optimizer = fabric.setup(network, optimizer)
        self._config = config

    @property
    def optimizer(self) -> Any:
        """The optimiser."""
        return self._optimizer.optimizer

    def step(
        self,
        batches: Sequence[LabelledBatch],
        rate: float,
        is_interrupted: bool,
        minutes: float,
        place: str,
    ) -> list[StepSums]:
        """One step of the optimiser with the learning rate `rate`.

        Args:
            batches: The batches of the step, this process's part of each.
            rate: Learning rate.
            is_interrupted: Whether this process was asked to stop.
            minutes: Minutes on the clock of this process.
            place: Where in the run the step is, for errors.

        Raises DataError, in all processes, where the loss or its gradient is not finite; weights
        stay as they were.
        """
        sums = []
        for number, batch in enumerate(batches, 1):
            is_last = number == len(batches)
            sums.append(self._add_gradient(batch, len(batches), is_last, is_interrupted, minutes))
            for name, value in sums[-1].losses.items():
                if not math.isfinite(value):
                    raise self._divergence(f"the loss term {name} is {value}", [batch], place)
        norm = self._fabric.clip_gradients(
            self._network,
            self._optimizer,
            max_norm=self._config.gradient_clip,
            error_if_nonfinite=False,
        )
        if norm is not None and not math.isfinite(norm):  # the same in all processes
            raise self._divergence(f"the gradient of the loss is {float(norm)}", batches, place)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self._optimizer.zero_grad()
        return sums

    def _add_gradient(
        self,
        batch: LabelledBatch,
        num_batches: int,
        is_last: bool,
        is_interrupted: bool,
        minutes: float,
    ) -> StepSums:
        """Add the gradient of one of `num_batches` batches; processes exchange that of the last."""
        fabric = self._fabric
        batch = batch.to(fabric.device, non_blocking=True)
        skips_exchange = fabric.world_size > 1 and not is_last
        with fabric.no_backward_sync(self._network, enabled=skips_exchange):
            of_terms = self._network(batch)
            mine = [batch.num_events, is_interrupted, minutes if fabric.global_rank == 0 else 0.0]
            counted = torch.cat([of_terms.detach().flatten(), of_terms.new_tensor(mine)])
            counted = cast(Tensor, fabric.all_reduce(counted, reduce_op="sum"))
            total, weight = counted[: of_terms.numel()].view(-1, 2).unbind(1)
            # Data-parallel training averages gradients over the processes: times their number.
            scale = fabric.world_size / num_batches
            loss = (of_terms[:, 0] / weight.clamp(min=MIN_WEIGHT)).sum() * scale
            fabric.backward(loss)
        names = self._bare.term_names
        means = (total / weight.clamp(min=MIN_WEIGHT)).tolist()
        num_events, was_interrupted, minutes_of_all = counted[of_terms.numel() :].tolist()
        losses = dict(zip(names, means, strict=True))
        return StepSums(losses, round(num_events), was_interrupted > 0, minutes_of_all)

    def _divergence(self, what: str, batches: Sequence[LabelledBatch], place: str) -> DataError:
        """The error of a training that diverged in a batch, or in those of a step; all processes
        must ask for it.
        """
        mine = [event_id for batch in batches for event_id in batch.event_id.tolist()]
        of_ranks = gather_objects(self._fabric, mine)
        event_ids = [event_id for events in of_ranks for event_id in events]
        named = ", ".join(map(str, event_ids[:MAX_NAMED_EVENTS]))
        more = ", ..." if len(event_ids) > MAX_NAMED_EVENTS else ""
        return DataError(
            f"{what} in a batch of {len(event_ids)} events ({place}; event_id {named}{more}): the "
            "training diverged, and its last validated weights are kept; lower the learning rate, "
            "or look for odd values in these events"
        )
