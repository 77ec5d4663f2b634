"""From inputs to the first representation: standardisation, and an encoder for each element type.

Linear in the number of elements.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from partflow.model.linear import Linear

MAX_STANDARDISED = 8.0
"""Bound of standardised inputs, so that outliers do not dominate."""


class Standardisation(nn.Module):
    """(x - mean) / deviation, fitted on training data and stored with the weights.

    An input that is constant in the training data (a column that is not simulated) becomes 0
    wherever it has that value.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, num_inputs: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_inputs))
        self.register_buffer("deviation", torch.ones(num_inputs))

    def fit(self, inputs: Float[Tensor, "row input"]) -> None:
        """Set mean and deviation to those of `inputs`; without rows they stay as they are."""
        if not len(inputs):
            return
        double = inputs.double()
        mean, deviation = double.mean(0), double.std(0, correction=0)
        # By rounding, the deviation of a constant column is of this order instead of 0.
        constant = deviation <= 1e-5 * (1.0 + mean.abs())
        self.mean.copy_(mean)
        self.deviation.copy_(torch.where(constant, 1.0, deviation))

    def forward(self, inputs: Float[Tensor, "row input"]) -> Float[Tensor, "row input"]:
        """Standardised inputs, within +-MAX_STANDARDISED."""
        standardised = (inputs - self.mean) / self.deviation
        return standardised.clamp(-MAX_STANDARDISED, MAX_STANDARDISED)


class Encoder(nn.Sequential):
    """Two layers from the standardised inputs of one element type to vectors of width `dim`."""

    def __init__(self, num_inputs: int, dim: int) -> None:
        super().__init__(Linear(num_inputs, 2 * dim), nn.GELU(), Linear(2 * dim, dim))

    def forward(self, x: Float[Tensor, "row input"]) -> Float[Tensor, "row dim"]:
        """Output of the last layer, of the type of the inputs."""
        embedded: Tensor = super().forward(x)
        return embedded.to(x.dtype)
