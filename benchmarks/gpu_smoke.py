"""Training and inference on a GPU, compared with the CPU: a check of a few minutes.

    python -m benchmarks.gpu_smoke [--device cuda] [--steps 20]

For each backbone, and for the published network in a small size, the same weights and random events
go through both devices:

    predictions     of both devices, float32
    gradients       of one step, float32
    losses          of some training steps, float32; and of bfloat16 on the device
    speed           events/s of a training step on both

Exits with status 1 if a difference is above its tolerance. `--device cpu` compares the CPU with
itself, which tests the comparison.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.model import draw
from partflow.dataset.batches import LabelledBatch
from partflow.model.config import BACKBONES
from partflow.model.layout import tracks_first
from partflow.model.mlpf import MLPF
from partflow.model.precision import precision
from partflow.model.published.config import PublishedConfig
from partflow.model.published.mlpf import PublishedMLPF
from partflow.presets import preset
from partflow.train.loss import loss_terms
from partflow.train.published_loss import published_loss
from partflow.train.terms import loss_of

PREDICTION_TOLERANCE = 2e-3
"""Difference of predictions, relative to their spread. TF32 and other orders of sums allow it."""
GRADIENT_TOLERANCE = 1e-2
"""Size of the difference of all gradients relative to their size."""
LOSS_TOLERANCE = 0.02
"""Relative difference of the loss after some steps in float32."""
BFLOAT16_TOLERANCE = 0.1
"""The same, of bfloat16 on the device and float32 on the CPU."""
NUM_EVENTS = 8


class Case(NamedTuple):
    """A network and its loss."""

    name: str
    model: nn.Module
    loss: Callable[[object, LabelledBatch], Tensor]


class Check(NamedTuple):
    """A difference of the devices."""

    name: str
    difference: float
    tolerance: float

    @property
    def is_passed(self) -> bool:
        """Whether the difference is a number below the tolerance."""
        return self.difference <= self.tolerance


def random_events(seed: int) -> LabelledBatch:
    """Events of random elements, tracks first; no column is negative, since some are energies."""
    batch = draw(NUM_EVENTS, np.random.default_rng(seed))
    order = tracks_first(batch.features, batch.event_index)
    return replace(batch, features=batch.features[order].abs(), targets=batch.targets[order])


def cases() -> Iterator[Case]:
    """The networks with random weights, on the CPU."""
    chosen = preset("tiny")
    for backbone in BACKBONES:
        torch.manual_seed(0)
        model = MLPF(replace(chosen.model, backbone=backbone, head="direct"))
        model.fit_standardisation([random_events(0)])
        yield Case(
            backbone,
            model,
            lambda output, batch: loss_of(loss_terms(output, batch, chosen.train.loss)),
        )
    torch.manual_seed(0)
    config = PublishedConfig(
        input_encoding="split",
        elemtypes_nonzero=(1, 2),
        num_convs=2,
        num_heads=4,
        head_dim=32,
        use_pre_layernorm=True,
    )
    yield Case(
        "published",
        PublishedMLPF(config),
        lambda output, batch: published_loss(output, batch)["Total"],
    )


def compare(case: Case, device: torch.device, num_steps: int) -> list[Check]:
    """Differences between the CPU and `device` for one network."""
    batches = [random_events(seed) for seed in range(4)]
    on_cpu, on_device = case.model, copy.deepcopy(case.model).to(device)
    rounded = copy.deepcopy(on_device)
    on_cpu.eval(), on_device.eval()
    with torch.inference_mode():
        expected, found = on_cpu(batches[0]), on_device(batches[0].to(device))
    checks = [
        Check(f"{case.name}: {field.name}", spread_difference(
            getattr(found, field.name), getattr(expected, field.name)
        ), PREDICTION_TOLERANCE)
        for field in fields(expected) if isinstance(getattr(expected, field.name), Tensor)
    ]  # fmt: skip
    of_cpu, of_device = (
        gradient(m, case, batches[0].to(d))
        for m, d in ((on_cpu, torch.device("cpu")), (on_device, device))
    )
    relative = float((of_device - of_cpu).norm() / of_cpu.norm())
    checks.append(Check(f"{case.name}: gradients", relative, GRADIENT_TOLERANCE))
    last, rate = train(case, on_cpu, batches, torch.device("cpu"), "float32", num_steps)
    for dtype, model, tolerance in (
        ("float32", on_device, LOSS_TOLERANCE),
        ("bfloat16", rounded, BFLOAT16_TOLERANCE),
    ):
        loss, device_rate = train(case, model, batches, device, dtype, num_steps)
        name = f"{case.name}: loss after {num_steps} steps, {dtype}"
        checks.append(Check(name, abs(loss - last) / abs(last), tolerance))
        print(f"{case.name}: {device_rate:.0f} events/s in {dtype} on {device}, {rate:.0f} on the "
              "CPU in float32")  # fmt: skip
    return checks


def spread_difference(found: Tensor, expected: Tensor) -> float:
    """Largest difference, relative to the spread of the expected values; 0 if there are none."""
    if not expected.numel():  # an output that this network does not have
        return 0.0
    difference = (found.float().cpu() - expected.float()).abs().max()
    spread = expected.float().std().clamp(min=1e-6)
    return float(difference / spread)


def gradient(model: nn.Module, case: Case, batch: LabelledBatch) -> Tensor:
    """All gradients of one batch, on the CPU."""
    model.train()
    model.zero_grad()
    case.loss(model(batch), batch).backward()
    parts = [p.grad for p in model.parameters() if p.grad is not None]
    return torch.cat([part.flatten().float().cpu() for part in parts])


def train(
    case: Case,
    model: nn.Module,
    batches: list[LabelledBatch],
    device: torch.device,
    dtype: str,
    num_steps: int,
) -> tuple[float, float]:
    """Loss of the last step, and events per second."""
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    on_device = [batch.to(device) for batch in batches]
    start, loss = time.perf_counter(), torch.tensor(float("nan"))
    for step in range(num_steps):
        batch = on_device[step % len(on_device)]
        optimizer.zero_grad()
        with precision(dtype, device):
            loss = case.loss(model(batch), batch)
        loss.backward()
        optimizer.step()
    last = float(loss.detach())  # waits for the device
    return last, num_steps * NUM_EVENTS / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    device = torch.device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    print(f"{name}, torch {torch.__version__}")
    checks = [check for case in cases() for check in compare(case, device, options.steps)]
    for check in checks:
        outcome = "ok" if check.is_passed else "FAILED"
        print(f"{outcome:7s}{check.name:48s} {check.difference:.2e} (at most {check.tolerance:g})")
    sys.exit(not all(check.is_passed for check in checks))


if __name__ == "__main__":
    main()
