"""The transformer: softmax attention inside each event, with a distance term (`attention`).

Quadratic in the number of elements of an event.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from partflow.model.attention import (
    AttentionContext,
    PackedSelfAttention,
    bias_of_event,
    inverse_length_scales,
)
from partflow.model.blocks import Backbone
from partflow.model.config import ModelConfig
from partflow.model.layout import EventRows


class Transformer(Backbone):
    """Backbone of softmax attention; the best of the three on events of e+e- collisions."""

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

    def context(
        self,
        x: Float[Tensor, "element dim"],
        events: Sequence[EventRows],
        distances: Sequence[Float[Tensor, "_ _"]] | None,
    ) -> AttentionContext:
        """The rows of the events and their distance terms."""
        if not self.needs_distances or distances is None:
            return AttentionContext(events, None)
        return AttentionContext(events, [bias_of_event(d, self.inverse_scales) for d in distances])
