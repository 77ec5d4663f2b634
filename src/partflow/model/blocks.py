"""The part that all backbones have in common: pre-norm blocks, and a final norm.

    x <- x + mixer(norm(x))             the elements of an event exchange information
    x <- x + feed_forward(norm(x))      each element by itself

Backbones differ in their `Mixer` and in its context: what the mixers of all layers share of a
batch, made once by `Backbone.context`. All but the mixer is linear in the number of elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

from jaxtyping import Float
from torch import Tensor, nn

from partflow.model.config import ModelConfig
from partflow.model.layout import EventRows
from partflow.model.linear import Linear


class Mixer(Protocol):
    """The layer in which the elements of each event exchange information.

    `context` is what the backbone's `context` returned for the batch.
    """

    def __call__(self, x: Float[Tensor, "element dim"], context: Any) -> Tensor:
        """Update of each element [element, dim], to be added to `x`."""

    def attention_weights(self, x: Float[Tensor, "element dim"], context: Any) -> list[Tensor]:
        """Attention weights [head, query, key] of each event, or what stands for them."""


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x)); any mixer may be the attention."""

    def __init__(self, config: ModelConfig, attention: nn.Module) -> None:
        super().__init__()
        hidden = round(config.mlp_ratio * config.dim)
        self.attention_norm = nn.LayerNorm(config.dim)
        self.attention = attention
        self.feed_forward_norm = nn.LayerNorm(config.dim)
        self.feed_forward = nn.Sequential(
            Linear(config.dim, hidden), nn.GELU(), Linear(hidden, config.dim)
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x: Float[Tensor, "element dim"], context: Any
    ) -> Float[Tensor, "element dim"]:
        """The elements after one block; `context` is that of the batch."""
        x = x + self.dropout(self.attention(self.attention_norm(x), context))
        x = x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
        return x


class Backbone(nn.Module):
    """A sequence of blocks and a final norm."""

    needs_distances = False
    """Whether `forward` needs the distances, which are quadratic in an event's size."""

    def __init__(self, config: ModelConfig, mixers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(config, mixer) for mixer in mixers)
        self.norm = nn.LayerNorm(config.dim)

    def context(
        self,
        x: Float[Tensor, "element dim"],
        events: Sequence[EventRows],
        distances: Sequence[Float[Tensor, "_ _"]] | None,
    ) -> Any:
        """What the mixers of all layers share of a batch: here the rows of the events."""
        return events

    def forward(
        self,
        x: Float[Tensor, "element dim"],
        events: Sequence[EventRows],
        distances: Sequence[Float[Tensor, "_ _"]] | None = None,
    ) -> Float[Tensor, "element dim"]:
        """Representation of every element.

        `events` cover all rows in order; `distances` [mm], where they are needed, are parallel
        to them.
        """
        context = self.context(x, events, distances)
        for block in self.blocks:
            x = block(x, context)
        normed: Tensor = self.norm(x)
        return normed

    def attention_weights(
        self,
        x: Float[Tensor, "element dim"],
        events: Sequence[EventRows],
        distances: Sequence[Float[Tensor, "_ _"]] | None = None,
    ) -> list[list[Float[Tensor, "head _ _"]]]:
        """`Mixer.attention_weights` of every layer: a list of layers, each a list of events."""
        context = self.context(x, events, distances)
        of_layers = []
        for block in self.blocks:
            mixer = cast(Mixer, block.attention)
            normed = cast(Block, block).attention_norm(x)
            of_layers.append(mixer.attention_weights(normed, context))
            x = block(x, context)
        return of_layers
