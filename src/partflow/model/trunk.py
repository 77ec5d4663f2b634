"""What every backbone is: pre-norm blocks in which the elements of an event exchange, and a norm.

The backbones differ in how elements exchange, their `Mixer`, and in what the mixers of all
layers share of a batch, made once by `Trunk.prepare`. The rest of a block sees one element at a
time, so a trunk costs what its mixer costs.
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
    """Exchange between the elements of each event; `shared` is what `Trunk.prepare` made."""

    def __call__(self, x: Float[Tensor, "element dim"], shared: Any) -> Tensor:
        """What each element takes from its event [element, dim]."""

    def maps(self, x: Float[Tensor, "element dim"], shared: Any) -> list[Tensor]:
        """How much each element listens to each other one [head, listener, source], by event."""


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

    def forward(self, x: Float[Tensor, "element dim"], shared: Any) -> Float[Tensor, "element dim"]:
        """One block; `shared` is what `Trunk.prepare` made."""
        x = x + self.dropout(self.attention(self.attention_norm(x), shared))
        x = x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
        return x


class Trunk(nn.Module):
    """Blocks one after the other, and a last norm."""

    needs_distances = False
    """Whether `forward` must be given the distances, which are quadratic in an event's size."""

    def __init__(self, config: ModelConfig, mixers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(config, mixer) for mixer in mixers)
        self.norm = nn.LayerNorm(config.dim)

    def prepare(
        self,
        x: Float[Tensor, "element dim"],
        events: Sequence[EventRows],
        distances: Sequence[Float[Tensor, "_ _"]] | None,
    ) -> Any:
        """What the mixers of all layers share: here the rows of the events."""
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
        shared = self.prepare(x, events, distances)
        for block in self.blocks:
            x = block(x, shared)
        normed: Tensor = self.norm(x)
        return normed

    def maps(
        self,
        x: Float[Tensor, "element dim"],
        events: Sequence[EventRows],
        distances: Sequence[Float[Tensor, "_ _"]] | None = None,
    ) -> list[list[Float[Tensor, "head _ _"]]]:
        """`Mixer.maps` of every layer, on the way through; the outer list is that of layers."""
        shared = self.prepare(x, events, distances)
        of_layers = []
        for block in self.blocks:
            mixer = cast(Mixer, block.attention)
            of_layers.append(mixer.maps(cast(Block, block).attention_norm(x), shared))
            x = block(x, shared)
        return of_layers
