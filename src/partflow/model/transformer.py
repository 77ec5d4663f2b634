"""The transformer: softmax attention inside each event, lowered by distance."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from partflow.model.attention import (
    PackedSelfAttention,
    SharedRows,
    bias_of_event,
    inverse_length_scales,
)
from partflow.model.config import ModelConfig
from partflow.model.layout import EventRows
from partflow.model.trunk import Trunk


class Transformer(Trunk):
    """Quadratic in the number of elements; the best of the three on events of usual size."""

    inverse_scales: Tensor

    def __init__(self, config: ModelConfig) -> None:
        mixers = [
            PackedSelfAttention(config.dim, config.num_heads) for _ in range(config.num_layers)
        ]
        super().__init__(config, mixers)
        self.needs_distances = config.distance_bias
        # A function of the number of heads, not something learned: not among the weights.
        scales = inverse_length_scales(config.num_heads)
        self.register_buffer("inverse_scales", scales, persistent=False)

    def prepare(
        self,
        x: Float[Tensor, "element dim"],
        events: Sequence[EventRows],
        distances: Sequence[Float[Tensor, "_ _"]] | None,
    ) -> SharedRows:
        """The rows of the events and the biases of their distances."""
        if not self.needs_distances or distances is None:
            return SharedRows(events, None)
        return SharedRows(events, [bias_of_event(d, self.inverse_scales) for d in distances])
