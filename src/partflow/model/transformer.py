"""The trunk: pre-norm transformer blocks over packed events."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from partflow.model.attention import PackedSelfAttention, distance_bias, inverse_length_scales
from partflow.model.config import ModelConfig
from partflow.model.layout import EventRows


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        hidden = round(config.mlp_ratio * config.dim)
        self.attention_norm = nn.LayerNorm(config.dim)
        self.attention = PackedSelfAttention(config.dim, config.num_heads)
        self.feed_forward_norm = nn.LayerNorm(config.dim)
        self.feed_forward = nn.Sequential(
            nn.Linear(config.dim, hidden), nn.GELU(), nn.Linear(hidden, config.dim)
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Float[Tensor, "element dim"],
        events: Sequence[EventRows],
        biases: Sequence[Tensor] | None,
    ) -> Float[Tensor, "element dim"]:
        """One block; `events` and `biases` as in `packed_attention`."""
        x = x + self.dropout(self.attention(self.attention_norm(x), events, biases))
        x = x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
        return x


class Transformer(nn.Module):
    """Blocks one after the other, and a last norm."""

    inverse_scales: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(config.dim)
        self.has_bias = config.distance_bias
        # A function of the number of heads, not something learned: not among the weights.
        scales = inverse_length_scales(config.num_heads)
        self.register_buffer("inverse_scales", scales, persistent=False)

    def forward(
        self,
        x: Float[Tensor, "element dim"],
        events: Sequence[EventRows],
        distances: Sequence[Float[Tensor, "_ _"]],
    ) -> Float[Tensor, "element dim"]:
        """Representation of every element; `distances` [mm] are parallel to `events`."""
        biases = None
        if self.has_bias:  # once for an event, shared by all layers
            biases = [distance_bias(distance, self.inverse_scales) for distance in distances]
        for block in self.blocks:
            x = block(x, events, biases)
        normed: Tensor = self.norm(x)
        return normed
