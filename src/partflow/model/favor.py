"""FAVOR+: softmax attention in linear time by positive random features (arXiv:2009.14794).

With w drawn from a standard normal distribution, exp(q.k) is the expectation of
phi_w(q) phi_w(k) with phi_w(x) = exp(w.x - |x|^2 / 2). The mean over m directions w estimates the
expectation, and attention becomes a ratio of sums over the elements of an event:

    attention(q) = phi(q) . (sum_j phi(k_j) v_j) / (phi(q) . sum_j phi(k_j))

The sums are formed once for an event, so time and memory are linear in its number of elements (and
in m). The w are orthogonal in groups of the heads' width, which lowers the variance, and have the
lengths of independent normal vectors, which keeps the estimate unbiased. There is no distance term.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from partflow.model.config import FavorConfig
from partflow.model.layout import EventRows
from partflow.model.linear import Linear

FEATURE_FLOOR = 1e-6
"""Added to every feature, relative to the largest, so that no sum of features underflows to 0."""


def orthogonal_directions(
    num_heads: int, num_features: int, width: int, generator: torch.Generator | None = None
) -> Float[Tensor, "head width feature"]:
    """Random directions of each head, orthogonal in groups of `width`, with the lengths of normal
    vectors; drawn from `generator`, or torch's own.
    """
    num_groups = math.ceil(num_features / width)
    drawn = torch.randn(num_heads, num_groups, width, width, generator=generator)
    orthogonal, upper = torch.linalg.qr(drawn)
    # QR fixes the signs by its own convention; those of R's diagonal make the rotation uniform.
    orthogonal = orthogonal * torch.sign(torch.diagonal(upper, dim1=-2, dim2=-1))[..., None, :]
    lengths = torch.randn(num_heads, num_groups, width, width, generator=generator).norm(dim=-2)
    directions = orthogonal * lengths[..., None, :]
    return directions.transpose(1, 2).flatten(2)[:, :, :num_features].contiguous()


def exponents(
    x: Float[Tensor, "head element width"], directions: Float[Tensor, "head width feature"]
) -> Float[Tensor, "head element feature"]:
    """The exponent log phi_w(x) = w.x - |x|^2 / 2 for every direction w."""
    return torch.baddbmm(-0.5 * x.square().sum(-1, keepdim=True), x, directions)


class FavorAttention(nn.Module):
    """Multi-head attention by random features inside each event of a packed batch.

    The directions are drawn when the layer is made, stored with its weights, and change only by
    `redraw`.
    """

    directions: Tensor

    def __init__(self, dim: int, num_heads: int, config: FavorConfig) -> None:
        super().__init__()
        self.head_shape = num_heads, dim // num_heads
        self.num_features = config.num_features
        self.query_key_value = Linear(dim, 3 * dim)
        self.output = Linear(dim, dim)
        drawn = orthogonal_directions(num_heads, config.num_features, dim // num_heads)
        self.register_buffer("directions", drawn)

    @torch.no_grad()
    def redraw(self, generator: torch.Generator | None = None) -> None:
        """Draw new directions from `generator` (on the CPU), or from torch's own."""
        num_heads, width = self.head_shape
        drawn = orthogonal_directions(num_heads, self.num_features, width, generator)
        self.directions.copy_(drawn)

    def forward(
        self, x: Float[Tensor, "element dim"], events: Sequence[EventRows]
    ) -> Float[Tensor, "element dim"]:
        """Attention outputs of all heads, through the output projection; `events` cover all rows
        in order.
        """
        queries, keys, values = self._features(x, events)
        # A last column of ones: its attention output is the normalisation.
        values = torch.cat([values, torch.ones_like(values[..., :1])], -1)
        sizes = [event.end - event.begin for event in events]
        attended = [values.new_empty(values.shape[0], 0, values.shape[2])]
        parts = (part.split(sizes, 1) for part in (queries, keys, values))
        for query, key, value in zip(*parts, strict=True):
            attended.append(torch.bmm(query, torch.bmm(key.transpose(1, 2), value)))
        summed = torch.cat(attended, 1)
        normalised = summed[..., :-1] / summed[..., -1:]
        output: Tensor = self.output(normalised.transpose(0, 1).flatten(1))
        return output

    def attention_weights(
        self, x: Float[Tensor, "element dim"], events: Sequence[EventRows]
    ) -> list[Float[Tensor, "head _ _"]]:
        """Attention weights [head, query, key] that the features imply, for each event; those of
        a query sum to one.
        """
        queries, keys, _ = self._features(x, events)
        normalised = []
        for begin, _, end in events:
            weights = queries[:, begin:end] @ keys[:, begin:end].transpose(1, 2)
            normalised.append(weights / weights.sum(-1, keepdim=True))
        return normalised

    def _features(self, x: Tensor, events: Sequence[EventRows]) -> tuple[Tensor, Tensor, Tensor]:
        """Features of queries and keys, and values, [head, element, _].

        A factor common to the features of a query, or to all keys of an event, cancels in the
        attention. Exponents are therefore taken relative to the largest, in each event by itself.
        """
        num_heads, width = self.head_shape
        projected = self.query_key_value(x).to(x.dtype).view(len(x), 3, num_heads, width)
        query, key, value = projected.permute(1, 2, 0, 3)
        scale = width**-0.25  # on both: q.k / sqrt(width), as in softmax attention
        of_queries = exponents(scale * query, self.directions)
        of_keys = exponents(scale * key, self.directions)
        largest_query = of_queries.detach().amax(-1, keepdim=True)
        largest_key = _largest_of_event(of_keys.detach().amax(-1), events)
        queries = torch.exp(of_queries - largest_query) + FEATURE_FLOOR
        keys = torch.exp(of_keys - largest_key[..., None]) + FEATURE_FLOOR
        return queries, keys, value


def _largest_of_event(
    values: Float[Tensor, "head element"], events: Sequence[EventRows]
) -> Float[Tensor, "head element"]:
    """The largest value of its event for every element."""
    sizes = [event.end - event.begin for event in events]
    largest = [part.amax(1, keepdim=True).expand_as(part) for part in values.split(sizes, 1)]
    return torch.cat([values[:, :0], *largest], 1)
