"""The trunk that a configuration asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from partflow.model.config import BackboneKind, ModelConfig
from partflow.model.favor import FavorAttention
from partflow.model.gnn_lsh import BinnedRows, GnnLshLayer
from partflow.model.layout import EventRows
from partflow.model.transformer import Transformer
from partflow.model.trunk import Trunk


class Favor(Trunk):
    """Kernel attention; linear in the number of elements."""

    def __init__(self, config: ModelConfig) -> None:
        mixers = [
            FavorAttention(config.dim, config.num_heads, config.favor)
            for _ in range(config.num_layers)
        ]
        super().__init__(config, mixers)

    def redraw(self, generator: torch.Generator | None = None) -> None:
        """Draw other random features in every layer, from `generator` or torch's own."""
        for block in self.blocks:
            cast(FavorAttention, block.attention).redraw(generator)


class GnnLsh(Trunk):
    """Messages inside bins of elements with similar hashes; linear in the number of elements.

    Elements with equal hashes stand in the order in which they came, so an event's answer
    depends, a little, on the order of its elements.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(
            config, [GnnLshLayer(config.dim, config.gnn_lsh) for _ in range(config.num_layers)]
        )
        self.config = config.gnn_lsh

    def prepare(
        self,
        x: Float[Tensor, "element dim"],
        events: Sequence[EventRows],
        distances: Sequence[Float[Tensor, "_ _"]] | None,
    ) -> BinnedRows:
        """Bins of each event."""
        counts = [event.end - event.begin for event in events]
        return BinnedRows.of_events(counts, self.config, x.device)


TRUNKS: dict[BackboneKind, Callable[[ModelConfig], Trunk]] = {
    "transformer": Transformer,
    "favor": Favor,
    "gnn_lsh": GnnLsh,
}


def make_trunk(config: ModelConfig) -> Trunk:
    """The trunk of `config.backbone`, with first weights drawn from torch's generator."""
    return TRUNKS[config.backbone](config)
