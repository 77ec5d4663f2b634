"""Training steps with and without `torch.compile` of the feed-forward parts, on one core.

    python -m benchmarks.compilation labelled/ [--preset small]

Attention and linear layers are functions of ours that the compiler of torch does not look into, so
the feed-forward parts are what it can fuse. Both networks take turns on the same batches; processor
time counts. Needs a C++ compiler.
"""

from __future__ import annotations

import argparse
import time
from itertools import islice
from pathlib import Path

import torch
from torch import nn

from partflow.dataset.batches import LabelledBatch
from partflow.dataset.loader import training_batches
from partflow.dataset.mixture import Mixture
from partflow.model.mlpf import MLPF
from partflow.presets import PRESETS, preset
from partflow.train.configuration import Configuration
from partflow.train.loss import loss_terms
from partflow.train.optimizer import make_optimizer
from partflow.train.terms import loss_of

NUM_BATCHES, NUM_WARM_UP_BATCHES, ROUNDS = 10, 2, 2


class Trained:
    """A network and its optimiser."""

    def __init__(self, chosen: Configuration, batch: LabelledBatch, is_compiled: bool) -> None:
        torch.manual_seed(0)
        self.model = MLPF(chosen.model)
        self.model.fit_standardisation([batch])
        if is_compiled:
            for block in self.model.backbone.blocks:
                assert isinstance(block, nn.Module)
                block.feed_forward = torch.compile(block.feed_forward, dynamic=True)
        self.loss = chosen.train.loss
        self.optimizer = make_optimizer(self.model, chosen.train)

    def step(self, batch: LabelledBatch) -> float:
        """Make a step; returns its processor time [s]."""
        start = time.process_time()
        loss_of(loss_terms(self.model(batch), batch, self.loss)).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labelled", type=Path)
    parser.add_argument("--preset", choices=PRESETS, default="small")
    options = parser.parse_args()
    torch.set_num_threads(1)
    chosen = preset(options.preset)
    mixture = Mixture.open([options.labelled])
    model = chosen.model.for_labels(mixture.element_set, mixture.has_shares).at(mixture.face)
    chosen = Configuration(model, chosen.train)
    stream = training_batches(mixture, chosen.train.batch_elements, seed=1, augment=True)
    batches = list(islice(stream, NUM_WARM_UP_BATCHES + NUM_BATCHES))
    networks = {
        name: Trained(chosen, batches[0], name == "compiled") for name in ("as it is", "compiled")
    }
    for name, network in networks.items():
        start = time.perf_counter()
        for batch in batches[:NUM_WARM_UP_BATCHES]:
            network.step(batch)
        print(f"{name}: first steps {time.perf_counter() - start:.1f} s")
    seconds = dict.fromkeys(networks, 0.0)
    for _ in range(ROUNDS):
        for batch in batches[NUM_WARM_UP_BATCHES:]:
            for name, network in networks.items():
                seconds[name] += network.step(batch)
    num_events = ROUNDS * sum(batch.num_events for batch in batches[NUM_WARM_UP_BATCHES:])
    for name, total in seconds.items():
        print(f"{name}: {num_events / total:.1f} events/s")
    print(f"ratio {seconds['as it is'] / seconds['compiled']:.2f}")


if __name__ == "__main__":
    main()
