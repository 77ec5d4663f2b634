"""Terms of a loss, and their sums over batches and processes.

A term is a ratio of two sums: over the elements, targets or events of a batch. Both sums can be
added over batches and over the processes of a training, so that the mean does not depend on how
the events are divided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

MIN_WEIGHT = 1e-6
"""Lower limit of a sum of weights: a term without elements is 0, not undefined."""


class Term(NamedTuple):
    """One term: its mean is `total / weight`."""

    total: Float[Tensor, ""]
    """Sum of the weighted losses."""
    weight: Float[Tensor, ""]
    """Sum of the weights; no gradient."""

    @property
    def mean(self) -> Float[Tensor, ""]:
        """The value of the term."""
        return self.total / self.weight.clamp(min=MIN_WEIGHT)

    def scaled(self, factor: float) -> Term:
        """The term multiplied by a weight in the loss."""
        return Term(factor * self.total, self.weight)


Terms = dict[str, Term]
"""Terms by name; the sum of their means is the loss."""


def loss_of(terms: Mapping[str, Term]) -> Float[Tensor, ""]:
    """The loss: the sum of the means of all terms.

    >>> terms = {"a": Term(torch.tensor(6.0), torch.tensor(3.0))}
    >>> float(loss_of(terms))
    2.0
    """
    return torch.stack([term.mean for term in terms.values()]).sum()


class TermSums:
    """Sums of terms over batches, as double-precision numbers on the host."""

    def __init__(self) -> None:
        self.totals: dict[str, float] = {}
        self.weights: dict[str, float] = {}

    def add(self, terms: Mapping[str, Term]) -> None:
        """Add the terms of a batch."""
        for name, (total, weight) in terms.items():
            self._add(name, float(total), float(weight))

    @classmethod
    def joined(cls, parts: Sequence[TermSums]) -> TermSums:
        """The sums of all `parts`, added in their order."""
        joined = cls()
        for part in parts:
            for name, total in part.totals.items():
                joined._add(name, total, part.weights[name])
        return joined

    def _add(self, name: str, total: float, weight: float) -> None:
        """Add to the sums of one term."""
        self.totals[name] = self.totals.get(name, 0.0) + total
        self.weights[name] = self.weights.get(name, 0.0) + weight

    def means(self) -> dict[str, float]:
        """Mean of each term over everything that was added, by name."""
        return {
            name: total / max(self.weights[name], MIN_WEIGHT) for name, total in self.totals.items()
        }
