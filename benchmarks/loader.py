"""Events per second of the loader alone, and of the training steps that it has to supply.

    python -m benchmarks.loader labelled/ [more/ ...] [--presets small tiny] [--batches 30]

The loader reads and augments batches in this process, without workers. A step evaluates network
and loss, and makes the backward pass, gradient clipping and the AdamW step. All are timed in turns,
batch by batch, in one thread, as processor time, so that other work on the machine does not count.
With several folders the sources are mixed by their events.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import torch

from benchmarks.training import training_step
from partflow.dataset.batches import LabelledBatch
from partflow.dataset.loader import training_batches
from partflow.dataset.mixture import Mixture
from partflow.model.mlpf import MLPF
from partflow.presets import PRESETS, preset
from partflow.train.optimizer import make_optimizer

NUM_WARM_UP_BATCHES = 3
BATCHES_PER_STEP = 20
"""Batches that are loaded for each step: their time is short, and a mean is steadier."""


def processor_seconds(function: Callable[[], object]) -> float:
    """Processor time of a call [s]."""
    start = time.process_time()
    function()
    return time.process_time() - start


def make_step(name: str, mixture: Mixture) -> Callable[[], tuple[int, float]]:
    """A function that trains the preset on a further batch.

    It returns the number of events and the processor time [s], without reading the batch.
    """
    chosen = preset(name)
    batches = training_batches(mixture, chosen.train.batch_elements, seed=1, augment=True)
    of_labels = chosen.model.for_labels(mixture.element_set, mixture.has_shares)
    model = MLPF(of_labels.at(mixture.face))
    model.fit_standardisation([next(batches)])
    optimizer = make_optimizer(model, chosen.train)

    def step() -> tuple[int, float]:
        batch = next(batches)
        seconds = processor_seconds(lambda: training_step(model, chosen, optimizer, lambda: batch))
        return batch.num_events, seconds

    return step


def load(batches: Iterator[LabelledBatch]) -> tuple[int, float]:
    """Number of events in BATCHES_PER_STEP batches, and the processor time to read them [s]."""
    numbers: list[int] = []

    def read() -> None:
        numbers.extend(next(batches).num_events for _ in range(BATCHES_PER_STEP))

    seconds = processor_seconds(read)
    return sum(numbers), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labelled", type=Path, nargs="+")
    parser.add_argument("--presets", choices=PRESETS, nargs="+", default=["small", "tiny"])
    parser.add_argument("--batches", type=int, default=30)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    mixture = Mixture.open(options.labelled)
    limit = preset(options.presets[0]).train.batch_elements
    batches = training_batches(mixture, limit, seed=2, augment=True)
    timed = {"loader": lambda: load(batches)}
    timed |= {name: make_step(name, mixture) for name in options.presets}
    seconds_per_event: dict[str, list[float]] = {name: [] for name in timed}
    for number in range(options.batches + NUM_WARM_UP_BATCHES):
        for name, function in timed.items():
            num_events, seconds = function()
            if number >= NUM_WARM_UP_BATCHES:
                seconds_per_event[name].append(seconds / num_events)
    names = ", ".join(source.name for source in mixture.sources)
    print(f"{names}: {mixture.num_events:,} training events, {limit} elements a batch, 1 thread")
    loader = median(seconds_per_event["loader"])
    print(f"loader alone {1 / loader:9,.0f} events/s")
    for name in options.presets:
        step = median(seconds_per_event[name])
        print(f"step {name:8s}{1 / step:9,.0f} events/s   loader / step {step / loader:6.1f}")


if __name__ == "__main__":
    main()
