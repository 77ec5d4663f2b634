"""What a training would take: size of the network, memory, speed and the estimated end.

A few steps are measured, in one process on the CPU whatever the devices of the training; nothing is
written.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import torch
from torch import Tensor, nn

from partflow.dataset.batches import LabelledBatch
from partflow.dataset.loader import training_batches
from partflow.dataset.mixture import Mixture
from partflow.model.config import ModelConfig
from partflow.model.mlpf import MLPF
from partflow.model.precision import choose_dtype
from partflow.train.config import TrainConfig
from partflow.train.configuration import NO_LIMIT
from partflow.train.optimizer import make_average, make_optimizer
from partflow.train.step import NetworkLoss
from partflow.train.terms import loss_of
from partflow.train.transfer import freeze

WARM_UP_STEPS = 2
"""Steps before the measurement: the first ones allocate memory."""
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class DryRun:
    """What a training would take; `print` it."""

    network: str
    """Backbone, head and width of the network."""
    parameters: dict[str, int]
    """Trainable parameters of each part of the network."""
    weight_bytes: int
    """Memory of the weights, and of buffers such as the standardisation."""
    gradient_bytes: int
    """Memory of the gradients."""
    optimizer_bytes: int
    """Memory of the optimiser's state."""
    activation_bytes: int
    """Memory of what a batch keeps for its gradient: of the largest one that was measured."""
    batch_elements: int
    """Elements of that batch."""
    num_events: int
    """Training events of an epoch."""
    events_per_second: float
    """Training events per second."""
    minutes: float
    """Estimated duration of the training, without validation and writing [min]."""
    end: datetime
    """Time at which it would end if it began now."""

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {count:,}" for name, count in self.parameters.items())
        memory = (self.weight_bytes, self.gradient_bytes, self.optimizer_bytes,
                  self.activation_bytes)  # fmt: skip
        weights, gradients, optimizer, activations = (f"{b / MEBIBYTE:.1f}" for b in memory)
        return "\n".join(
            [
                f"network     {self.network}",
                f"parameters  {sum(self.parameters.values()):,}: {parts}",
                f"memory      {sum(memory) / MEBIBYTE:.1f} MiB: weights {weights}, gradients "
                f"{gradients}, optimiser {optimizer}, activations {activations} (a batch of "
                f"{self.batch_elements:,} elements)",
                f"speed       {self.events_per_second:,.0f} events/s; {self.num_events:,} training "
                "events in an epoch",
                "            (measured in one process on the CPU)",
                f"end         {self.end:%Y-%m-%d %H:%M}, {self.minutes:.1f} min from now",
            ]
        )


def dry_run(
    mixture: Mixture, model_config: ModelConfig, config: TrainConfig, num_steps: int = 5
) -> DryRun:
    """Measure `num_steps` steps of the training of `model_config` on `mixture`, on one CPU.

    Raises what the network raises.
    """
    num_threads = torch.get_num_threads()
    torch.set_num_threads(config.threads or num_threads)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            return _measure(mixture, model_config, config, num_steps)
    finally:
        torch.set_num_threads(num_threads)


def _measure(
    mixture: Mixture, model_config: ModelConfig, config: TrainConfig, num_steps: int
) -> DryRun:
    """The measurement, with torch's generator and threads set."""
    stream = training_batches(
        mixture, config.batch_elements, seed=config.seed, augment=config.augment
    )
    batches = list(itertools.islice(stream, WARM_UP_STEPS + num_steps))
    model = MLPF(model_config).train()
    model.fit_standardisation(batches)
    freeze(model, config.freeze)
    network = NetworkLoss(model, config, choose_dtype("cpu", config.dtype))
    optimizer = make_optimizer(model, config)
    average = make_average(model, config)
    largest = max(batches, key=len)
    activation_bytes = _saved_bytes(network, largest)
    seconds, num_events = 0.0, 0
    for number, batch in enumerate(batches):
        start = time.perf_counter()
        loss_of(network.terms(batch)).backward()
        optimizer.step()
        optimizer.zero_grad()
        if average is not None:
            average.update_parameters(model)
        if number >= WARM_UP_STEPS or len(batches) <= WARM_UP_STEPS:
            seconds += time.perf_counter() - start
            num_events += batch.num_events
    parameters = list(model.parameters())
    tensors = [*parameters, *model.buffers()]
    state = [t for values in optimizer.state.values() for t in values.values() if _is_array(t)]
    trainable = [p for p in parameters if p.requires_grad]
    of_epoch = mixture.num_events
    rate = num_events / seconds
    minutes = _minutes(config, of_epoch, rate)
    return DryRun(
        network=f"{model_config.backbone}, head {model.config.head}, dim {model_config.dim}, "
        f"{model_config.num_layers} layers",
        parameters=_parameters_of_parts(model),
        weight_bytes=_num_bytes(tensors),
        gradient_bytes=_num_bytes(trainable),
        optimizer_bytes=_num_bytes(state),
        activation_bytes=activation_bytes,
        batch_elements=len(largest),
        num_events=of_epoch,
        events_per_second=rate,
        minutes=minutes,
        end=datetime.now() + timedelta(minutes=minutes),
    )


def _saved_bytes(network: NetworkLoss, batch: LabelledBatch) -> int:
    """Memory of the tensors that one batch keeps until its gradient is computed."""
    model = network.model
    not_counted = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    not_counted.add(batch.features.untyped_storage().data_ptr())
    sizes: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in not_counted:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        loss = loss_of(network.terms(batch))  # it keeps the tensors alive, so addresses are unique
    del loss
    return sum(sizes.values())


def _parameters_of_parts(model: nn.Module) -> dict[str, int]:
    """Trainable parameters of each part of the network that has some."""
    counts = {
        name: sum(p.numel() for p in part.parameters() if p.requires_grad)
        for name, part in model.named_children()
    }
    return {name: count for name, count in counts.items() if count}


def _minutes(config: TrainConfig, num_events: int, events_per_second: float) -> float:
    """Duration of the training, which ends after its epochs or minutes [min]."""
    of_epochs = config.epochs * num_events / events_per_second / 60.0
    if config.max_minutes is None:
        return of_epochs
    return config.max_minutes if config.epochs >= NO_LIMIT else min(of_epochs, config.max_minutes)


def _is_array(value: object) -> bool:
    """Whether `value` is a tensor of the size of a parameter, and not a counter."""
    return isinstance(value, Tensor) and value.ndim > 0


def _num_bytes(tensors: list[Tensor] | list[nn.Parameter]) -> int:
    """Memory of `tensors`."""
    return sum(t.numel() * t.element_size() for t in tensors)
