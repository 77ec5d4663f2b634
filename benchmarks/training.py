"""Time of a training step relative to a lower bound: its matrix products alone.

    python -m benchmarks.training labelled/ [--preset small] [--backbone transformer] [--head auto]
        [--threads 2]

A training step reads and augments a batch, evaluates network and loss, and makes the backward
pass, gradient clipping and the AdamW step. The lower bound is the time of all matrix products of
the network, forward and backward, with the same shapes, as plain `torch.mm` and `torch.bmm`. Both
are timed in turns, batch by batch; the results are medians over batches. The last lines give the
time of each part of a step.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

from partflow.dataset.batches import LabelledBatch
from partflow.dataset.loader import training_batches
from partflow.dataset.mixture import Mixture
from partflow.model.config import BACKBONES
from partflow.model.mlpf import MLPF
from partflow.presets import PRESETS, preset
from partflow.train.configuration import Configuration
from partflow.train.loss import loss_terms
from partflow.train.optimizer import make_optimizer
from partflow.train.terms import loss_of

NUM_BATCHES, NUM_WARM_UP_BATCHES = 30, 4
PARTS = ("data", "forward", "loss", "backward", "optimiser")

Product = Callable[[], Tensor]


def training_step(
    model: MLPF,
    chosen: Configuration,
    optimizer: torch.optim.Optimizer,
    next_batch: Callable[[], LabelledBatch],
) -> tuple[LabelledBatch, list[float]]:
    """Make one step; returns the batch and the time of each of PARTS [s]."""
    clock = [time.perf_counter()]
    batch = next_batch()
    clock.append(time.perf_counter())
    output = model(batch)
    clock.append(time.perf_counter())
    loss = loss_of(loss_terms(output, batch, chosen.train.loss))
    clock.append(time.perf_counter())
    loss.backward()
    clock.append(time.perf_counter())
    nn.utils.clip_grad_norm_(model.parameters(), chosen.train.gradient_clip)
    optimizer.step()
    optimizer.zero_grad()
    clock.append(time.perf_counter())
    return batch, [end - start for start, end in pairwise(clock)]


def linear_products(model: MLPF, batch: LabelledBatch) -> list[Product]:
    """Products of all linear layers: forward, gradient of the weights, gradient of the inputs."""
    products: list[Product] = []

    def add_products(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(layer, nn.Linear)
        x, weight = inputs[0].detach(), layer.weight.detach()
        gradient = torch.randn(output.shape)
        products.append(lambda: torch.mm(x, weight.T))
        products.append(lambda: torch.mm(gradient.T, x))
        if inputs[0].requires_grad:  # not for the first layer
            products.append(lambda: torch.mm(gradient, weight))

    layers = [m for m in model.modules() if isinstance(m, nn.Linear)]
    hooks = [layer.register_forward_hook(add_products) for layer in layers]
    model(batch)
    for hook in hooks:
        hook.remove()
    return products


def attention_products(model: MLPF, batch: LabelledBatch) -> list[Product]:
    """Products of the attention of every layer and event: two forward and four backward."""
    config = model.config
    width = config.dim // config.num_heads
    products: list[Product] = []
    for count in batch.counts * config.num_layers:
        narrow = torch.randn(config.num_heads, count, width)
        square = torch.randn(config.num_heads, count, count)
        for _ in range(2):  # logits, and the gradient of the weights
            products.append(lambda x=narrow: torch.bmm(x, x.transpose(1, 2)))
        for _ in range(2):  # values, and the gradient of queries
            products.append(lambda x=narrow, y=square: torch.bmm(y, x))
        for _ in range(2):  # gradients of keys and of values
            products.append(lambda x=narrow, y=square: torch.bmm(y.transpose(1, 2), x))
    return products


def favor_products(model: MLPF, batch: LabelledBatch) -> list[Product]:
    """Products of the kernel attention of every layer and event, forward and backward."""
    config = model.config
    heads, width, features = config.num_heads, config.dim // config.num_heads, config.favor
    products: list[Product] = []
    direction = torch.randn(heads, width, features.num_features)
    for count in batch.counts * config.num_layers:
        x = torch.randn(heads, count, width)
        phi = torch.randn(heads, count, features.num_features)
        for _ in range(2):  # queries and keys
            products.append(lambda x=x: torch.bmm(x, direction))
            products.append(lambda y=phi: torch.bmm(y, direction.transpose(1, 2)))
        for _ in range(2):  # sum over keys, and its gradient
            products.append(lambda x=x, y=phi: torch.bmm(y.transpose(1, 2), x))
        for _ in range(2):  # output of the queries, and gradient of the values
            products.append(lambda y=phi: torch.bmm(y, direction.transpose(1, 2)))
        for _ in range(2):  # gradients of the features of queries and keys
            products.append(lambda x=x: torch.bmm(x, direction))
    return products


def all_products(model: MLPF, batch: LabelledBatch) -> Callable[[], None]:
    """A function that computes all matrix products of a training step on `batch`."""
    products = linear_products(model, batch)
    if model.config.backbone == "transformer":
        products += attention_products(model, batch)
    elif model.config.backbone == "favor":
        products += favor_products(model, batch)

    def compute() -> None:
        for product in products:
            product()

    return compute


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labelled", type=Path)
    parser.add_argument("--preset", choices=PRESETS, default="small")
    parser.add_argument("--backbone", choices=BACKBONES, default="transformer")
    parser.add_argument("--head", choices=("auto", "direct", "sharing"), default="auto")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    chosen = preset(options.preset)
    mixture = Mixture.open([options.labelled])
    batches = training_batches(mixture, chosen.train.batch_elements, seed=1, augment=True)
    network = replace(chosen.model, backbone=options.backbone, head=options.head)
    labelled_as = network.for_labels(mixture.element_set, mixture.has_shares)
    model = MLPF(labelled_as.at(mixture.face))
    model.fit_standardisation([next(batches)])
    optimizer = make_optimizer(model, chosen.train)

    step_times, product_times, part_times = [], [], []
    for number in range(NUM_BATCHES + NUM_WARM_UP_BATCHES):
        batch, seconds_of_parts = training_step(model, chosen, optimizer, lambda: next(batches))
        compute_products = all_products(model, batch)
        start = time.perf_counter()
        with torch.no_grad():
            compute_products()
        product_seconds = time.perf_counter() - start
        if number >= NUM_WARM_UP_BATCHES:
            step_times.append(sum(seconds_of_parts) / batch.num_events)
            product_times.append(product_seconds / batch.num_events)
            part_times.append([seconds / batch.num_events for seconds in seconds_of_parts])
    ratio = median(p / s for p, s in zip(product_times, step_times, strict=True))
    print(f"{options.preset}, {options.backbone}, {labelled_as.head}, "
          f"{model.num_parameters:,} parameters, {options.threads} threads, "
          f"{chosen.train.batch_elements} elements a batch")  # fmt: skip
    print(f"step      {1 / median(step_times):7.0f} events/s")
    print(f"products  {1 / median(product_times):7.0f} events/s")
    print(f"ratio     {ratio:7.2f}")
    for name, seconds in zip(PARTS, zip(*part_times, strict=True), strict=True):
        print(f"{name:10s}{1e3 * median(seconds):7.2f} ms per event")


if __name__ == "__main__":
    main()
