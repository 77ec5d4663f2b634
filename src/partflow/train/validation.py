"""Validation: losses and metrics of the validation events, of each source and of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from lightning.fabric import Fabric

from partflow.dataset.batches import LabelledBatch
from partflow.model.mlpf import MLPF
from partflow.model.precision import precision
from partflow.train.config import TrainConfig
from partflow.train.loss import loss_terms
from partflow.train.metrics import missing_momentum_error, projections, sliced_wasserstein
from partflow.train.processes import gather_objects
from partflow.train.terms import TermSums

METRICS = ("met_error", "sliced_wasserstein")
"""Names of the metrics that are monitored and not optimised."""


@dataclass(frozen=True)
class Validation:
    """Means over the validation events."""

    losses: dict[str, float]
    """Terms of the loss, over all sources."""
    metrics: dict[str, float]
    """METRICS, over all sources."""
    of_sources: dict[str, dict[str, float]]
    """Terms and metrics of each source, by its name."""

    @property
    def loss(self) -> float:
        """The validation loss."""
        return sum(self.losses.values())

    def loss_of(self, source: str) -> float:
        """The validation loss of one source."""
        return sum(v for name, v in self.of_sources[source].items() if name not in METRICS)


def validate(
    fabric: Fabric,
    model: MLPF,
    batches: Mapping[str, Sequence[LabelledBatch]],
    config: TrainConfig,
    dtype: torch.dtype,
) -> Validation:
    """Losses and metrics of `model` on the `batches` of each source.

    Every process gives its part of the batches and gets the means over all of them.
    """
    was_training = model.training
    model.eval()
    directions = projections(config.seed)
    of_sources = {}
    with torch.inference_mode():
        for source, of_source in batches.items():
            sums = of_sources[source] = TermSums()
            for batch in of_source:
                batch = batch.to(fabric.device)
                with precision(dtype, fabric.device):
                    output = model(batch)
                has_weights = config.event_weights
                sums.add(loss_terms(output, batch, config.loss, has_event_weights=has_weights))
                sums.add({"met_error": missing_momentum_error(output, batch)})
                sums.add({"sliced_wasserstein": sliced_wasserstein(output, batch, directions)})
    model.train(was_training)
    return _means(gather_objects(fabric, of_sources))


def _means(of_ranks: list[dict[str, TermSums]]) -> Validation:
    """The means over the sums of all processes."""
    of_sources = {
        source: TermSums.joined([of_rank[source] for of_rank in of_ranks]) for source in of_ranks[0]
    }
    means = TermSums.joined(list(of_sources.values())).means()
    return Validation(
        losses={name: value for name, value in means.items() if name not in METRICS},
        metrics={name: means[name] for name in METRICS if name in means},
        of_sources={source: sums.means() for source, sums in of_sources.items()},
    )
