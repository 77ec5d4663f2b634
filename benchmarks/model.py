"""Time of the packed network of published MLPF v2.2.0 and of its padded form, at published size.

    python -m benchmarks.model [--threads 2] [--rounds 5] [--no-training]

Inference and training steps (forward, loss, backward, AdamW) of 52 million parameters, in float32
and in bfloat16 (`model.precision`), on events of 50 to 250 elements. The padded form
(`benchmarks.padded_mlpf`, float32) is checked to give the same predictions. The networks take turns
in every round, so that other work on the machine affects them alike; the median counts. Next to the
events per second stands the speed of the necessary products relative to that of 2048^3 products in
the same run: by `torch.mm`, and by `model.linear` in float32 and in bfloat16.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from benchmarks.padded_mlpf import PaddedMLPF
from partflow.core.features import ELEMENTS
from partflow.core.records import Collection
from partflow.dataset.batches import LabelledBatch
from partflow.infer.reconstruction import Reconstructor
from partflow.model.linear import linear
from partflow.model.precision import WeightCopies, precision
from partflow.model.product_speed import processor, processor_features
from partflow.model.published.config import PublishedConfig
from partflow.model.published.mlpf import PublishedMLPF, PublishedOutput
from partflow.train.published_loss import published_loss

SIZES = 50, 250
"""Elements of an event, drawn evenly."""
PUBLISHED = PublishedConfig(
    input_encoding="split",
    pt_mode="direct-elemtype-split",
    energy_mode="direct-elemtype-split",
    elemtypes_nonzero=(1, 2),
    num_convs=3,
    num_heads=32,
    head_dim=32,
    activation="relu",
    use_pre_layernorm=True,
)
BATCHES = (1, 8, 32)
DTYPES = "float32", "bfloat16"
PEAK_SIZE = 2048


def draw(num_events: int, rng: np.random.Generator) -> LabelledBatch:
    """Events of random elements, all of which have a target."""
    counts = rng.integers(SIZES[0], SIZES[1] + 1, num_events)
    x = rng.normal(size=(counts.sum(), len(ELEMENTS.names))).astype("f4")
    x[:, 0] = 1 + (rng.uniform(size=len(x)) < 0.6)
    x[:, 1] = np.exp(x[:, 1])
    x[:, 5] = x[:, 1] * np.cosh(x[:, 2])
    targets = np.zeros((len(x), 8), dtype="f4")
    targets[:, 0] = rng.integers(1, 6, len(x))
    targets[:, 2:7] = x[:, 1:6]
    return LabelledBatch(
        event_id=torch.arange(num_events),
        offsets=torch.from_numpy(np.concatenate([[0], np.cumsum(counts)])),
        features=torch.from_numpy(x),
        event_index=torch.from_numpy(np.repeat(np.arange(num_events), counts)),
        counts=tuple(counts.tolist()),
        targets=torch.from_numpy(targets),
        gen_met=torch.zeros(num_events, 2),
        process_index=torch.zeros(num_events, dtype=torch.int64),
        event_weight=torch.ones(num_events),
    )


def pad(batch: LabelledBatch) -> tuple[Tensor, Tensor]:
    """Published columns [event, element, feature], and whether each row is an element."""
    columns = batch.features[:, : PUBLISHED.input_dim]
    rectangle = pad_sequence(list(columns.split(batch.counts)), batch_first=True)
    return rectangle, rectangle[..., 0] != 0


def collection(batch: LabelledBatch) -> Collection:
    """The elements as `partflow reconstruct` reads them."""
    columns = dict(zip(ELEMENTS.names, batch.features.numpy().T, strict=True))
    return Collection(ELEMENTS, batch.offsets.numpy(), columns)


def necessary_flops(batch: LabelledBatch) -> float:
    """Floating-point operations of the products that are necessary for inference on `batch`."""
    dim, columns, layers = PUBLISHED.dim, PUBLISHED.input_dim, PUBLISHED.num_convs
    encoders = 2 * (columns * dim + dim * dim)
    projections = 2 * layers * 6 * dim * dim
    outputs = 2 + PUBLISHED.num_classes + 1 + 2 + 2 + 2 + 1
    heads = 7 * dim * dim + outputs * dim
    attention = sum(2 * layers * 2 * n * n * dim for n in batch.counts)
    return 2.0 * (len(batch) * (encoders + projections + heads) + attention)


def time_in_turns(
    calls: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float]
) -> dict[str, float]:
    """Median time [s] of each call."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for function in calls.values():
        function()
    for _ in range(rounds):
        for name, function in calls.items():
            start = clock()
            function()
            seconds[name].append(clock() - start)
    return {name: median(values) for name, values in seconds.items()}


def peaks() -> dict[str, Callable[[], object]]:
    square = torch.randn(PEAK_SIZE, PEAK_SIZE)
    rounded = square.bfloat16()

    def in_bfloat16() -> Tensor:
        with precision("bfloat16"):
            return linear(rounded, square)

    def in_float32() -> Tensor:
        return linear(square, square)

    return {
        "torch.mm": lambda: torch.mm(square, square),
        "float32": in_float32,
        "bfloat16": in_bfloat16,
    }


def check_same(packed: PublishedMLPF, padded: PaddedMLPF, batch: LabelledBatch) -> None:
    rectangle, is_element = pad(batch)
    output, expected = packed(batch), padded(rectangle, is_element)
    predictions = output.binary_logits, output.class_logits, output.momentum
    for values, of_rectangle in zip(predictions, expected, strict=True):
        torch.testing.assert_close(values, of_rectangle[is_element], rtol=1e-5, atol=1e-5)


def measure_inference(options: argparse.Namespace, packed: PublishedMLPF) -> None:
    padded = PaddedMLPF(PUBLISHED).eval()
    padded.load_state_dict(packed.state_dict())
    rng = np.random.default_rng(1)
    best: dict[str, float] = {}
    copies = WeightCopies()
    reconstructors = {
        dtype: Reconstructor(packed, threads=options.threads, dtype=dtype) for dtype in DTYPES
    }

    def in_dtype(dtype: str, batch: LabelledBatch) -> PublishedOutput:
        with precision(dtype, fixed_weights=copies):
            return packed(batch)

    with torch.inference_mode():
        for num_events in BATCHES:
            batch = draw(num_events, rng) if num_events > 1 else _average(rng)
            check_same(packed, padded, batch)
            rectangle, is_element = pad(batch)
            elements = collection(batch)
            calls: dict[str, Callable[[], object]] = {
                "padded": lambda r=rectangle, i=is_element: padded(r, i)
            }
            for dtype in DTYPES:
                calls[f"packed {dtype}"] = lambda d=dtype, b=batch: in_dtype(d, b)
                calls[f"reconstruct {dtype}"] = lambda d=dtype, e=elements: reconstructors[d](e)
            seconds = time_in_turns({**calls, **peaks()}, options.rounds, options.clock)
            report(f"inference, batch {num_events}", batch, seconds, necessary_flops(batch))
            for name in calls:
                best[name] = max(best.get(name, 0.0), len(batch) / seconds[name])
    print("best batch sizes, elements/s:")
    for name, rate in best.items():
        print(f"  {name:22s} {rate:7.0f}   x {rate / best['padded']:5.2f}")


def _average(rng: np.random.Generator) -> LabelledBatch:
    """One event of the average size."""
    while True:
        batch = draw(1, rng)
        if abs(len(batch) - sum(SIZES) / 2) < 3:
            return batch


def measure_training(options: argparse.Namespace, packed: PublishedMLPF) -> None:
    padded = PaddedMLPF(PUBLISHED)
    padded.load_state_dict(packed.state_dict())
    packed.train(), padded.train()
    fused = torch.optim.AdamW(packed.parameters(), lr=1e-4, fused=True)
    plain = torch.optim.AdamW(padded.parameters(), lr=1e-4)
    batch = draw(options.training_batch, np.random.default_rng(2))
    rectangle, is_element = pad(batch)

    def packed_step(dtype: str) -> None:
        fused.zero_grad()
        with precision(dtype):
            published_loss(packed(batch), batch)["Total"].backward()
        fused.step()

    def padded_step() -> None:
        plain.zero_grad()
        output = PublishedOutput(*(part[is_element] for part in padded(rectangle, is_element)))
        published_loss(output, batch)["Total"].backward()
        plain.step()

    calls: dict[str, Callable[[], object]] = {"padded": padded_step}
    for dtype in DTYPES:
        calls[f"packed {dtype}"] = lambda d=dtype: packed_step(d)
    seconds = time_in_turns({**calls, **peaks()}, options.rounds, options.clock)
    # Each product of the forward pass has two of the same size in the backward pass.
    name = f"training step, batch {options.training_batch}"
    report(name, batch, seconds, 3 * necessary_flops(batch))


def report(name: str, batch: LabelledBatch, seconds: dict[str, float], flops: float) -> None:
    peak = {n: 2.0 * PEAK_SIZE**3 / seconds[n] for n in ("torch.mm", *DTYPES)}
    print(f"{name}: {len(batch)} elements; 2048^3 products, GFLOP/s: "
          + ", ".join(f"{n} {speed / 1e9:.0f}" for n, speed in peak.items()))  # fmt: skip
    for network, duration in seconds.items():
        if network not in peak:
            parts = ", ".join(f"{n} {flops / duration / p:.2f}" for n, p in peak.items())
            print(f"  {network:22s} {batch.num_events / duration:7.2f} events/s   "
                  f"x {seconds['padded'] / duration:5.2f}   of the peaks: {parts}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--training-batch", type=int, default=32)
    parser.add_argument("--no-training", action="store_true")
    parser.add_argument("--no-inference", action="store_true")
    parser.add_argument(
        "--cpu-time",
        dest="clock",
        action="store_const",
        const=time.process_time,
        default=time.perf_counter,
        help="count processor time, for a machine that others use as well (with --threads 1)",
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    packed = PublishedMLPF(PUBLISHED).eval()
    print(f"{processor()}; {', '.join(processor_features()) or 'features unknown'}")
    print(f"{packed.num_parameters / 1e6:.1f} million parameters, {options.threads} threads")
    if not options.no_inference:
        measure_inference(options, packed)
    if not options.no_training:
        measure_training(options, packed)


if __name__ == "__main__":
    main()
