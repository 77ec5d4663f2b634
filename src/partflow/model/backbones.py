"""The two built-in backbones whose cost is linear in the number of elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from partflow.model.blocks import Backbone
from partflow.model.config import ModelConfig
from partflow.model.favor import FavorAttention
from partflow.model.gnn_lsh import BinnedRows, GnnLshLayer
from partflow.model.layout import EventRows


class Favor(Backbone):
    """Attention by random features (see `favor`); linear in the number of elements."""

    def __init__(self, config: ModelConfig) -> None:
        mixers = [
            FavorAttention(config.dim, config.num_heads, config.favor)
            for _ in range(config.num_layers)
        ]
        super().__init__(config, mixers)

    def redraw(self, generator: torch.Generator | None = None) -> None:
        """Draw new random features in every layer, from `generator` or torch's own."""
        for block in self.blocks:
            cast(FavorAttention, block.attention).redraw(generator)


class GnnLsh(Backbone):
    """Messages inside bins of similar elements (see `gnn_lsh`); linear in the number of elements.

    Elements with equal hashes keep their order, so the predictions for an event depend slightly on
    the order of its elements.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(
            config, [GnnLshLayer(config.dim, config.gnn_lsh) for _ in range(config.num_layers)]
        )
        self.config = config.gnn_lsh

    def context(
        self,
        x: Float[Tensor, "element dim"],
        events: Sequence[EventRows],
        distances: Sequence[Float[Tensor, "_ _"]] | None,
    ) -> BinnedRows:
        """The bins of each event."""
        counts = [event.end - event.begin for event in events]
        return BinnedRows.of_events(counts, self.config, x.device)
