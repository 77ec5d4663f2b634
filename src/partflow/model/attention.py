"""Self-attention over packed events: no padded row, nothing across an event's border.

Every event is one small matrix product on its own rows. For the sizes of e+e- events on a CPU
that is the fastest of the simple ways: `scaled_dot_product_attention` event by event takes 1.2
times as long, on rectangles of padded events 1.7 to 2 times (18 events of 90 to 190 elements,
dim 128, one core, forward and backward; `python -m benchmarks.attention`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from partflow.model.layout import EventRows
from partflow.model.linear import Linear

SHORTEST_SCALE, LONGEST_SCALE = 20.0, 1000.0
"""Length scales of the most local and the least local head that feels distance [mm]."""
LOCAL_FRACTION = 0.6
"""Fraction of the heads that feel distance; the others see the whole event alike."""
MAX_PENALTY = 10.0
"""Largest reduction of an attention logit by distance: far is rare, not impossible."""
MAX_LOGITS = 2**24
"""Logits of one event in memory at a time: all of 2048 elements with four heads (64 MiB)."""


def inverse_length_scales(num_heads: int) -> Float[Tensor, " head"]:
    """Inverse length scale of each head [1/mm]; 0 for a head that does not feel distance.

    The scales grow geometrically, as the slopes of ALiBi do (arXiv:2108.12409).
    """
    num_local = max(1, round(LOCAL_FRACTION * num_heads))
    local = torch.logspace(math.log10(SHORTEST_SCALE), math.log10(LONGEST_SCALE), num_local)
    return torch.cat([1.0 / local, torch.zeros(num_heads - num_local)])


def distance_bias(
    distance: Float[Tensor, "listener source"], inverse_scales: Float[Tensor, " head"]
) -> Float[Tensor, "head listener source"]:
    """-min(distance / scale, MAX_PENALTY) for every head: one event's term in the logits."""
    return (distance * -inverse_scales[:, None, None]).clamp_(min=-MAX_PENALTY)


class DistanceBias(NamedTuple):
    """The same for an event so large that it is made for some of its rows at a time."""

    distance: Float[Tensor, "element element"]
    inverse_scales: Float[Tensor, " head"]

    def rows(self, begin: int, end: int) -> Float[Tensor, "head row element"]:
        """The terms of the listeners `begin:end`."""
        return distance_bias(self.distance[begin:end], self.inverse_scales)


def bias_of_event(
    distance: Float[Tensor, "element element"], inverse_scales: Float[Tensor, " head"]
) -> Tensor | DistanceBias:
    """Its term in the logits: whole, or for a large event as a recipe."""
    if len(inverse_scales) * distance.numel() > MAX_LOGITS:
        return DistanceBias(distance, inverse_scales)
    return distance_bias(distance, inverse_scales)


def packed_attention(
    query_key_value: Float[Tensor, "element three head width"],
    events: Sequence[EventRows],
    biases: Sequence[Tensor | DistanceBias] | None,
) -> Float[Tensor, "element dim"]:
    """softmax(q k^T / sqrt(width) + bias) v of every event on its own rows.

    `events` cover all rows in order; `biases`, if any, are parallel to them, and are given: no
    gradient flows into them. Of a large event some listeners at a time, so that memory stays
    bounded.
    """
    num_heads = query_key_value.shape[2]
    longest = max((event.end - event.begin for event in events), default=0)
    if num_heads * longest**2 > MAX_LOGITS:
        return _attention_in_parts(query_key_value, events, biases)
    attended: Tensor = _PackedAttention.apply(query_key_value, events, biases)
    return attended.flatten(1)


class _PackedAttention(torch.autograd.Function):
    """Attention event by event, whose results and gradients go straight to their rows.

    Left to autograd, slices of events would be cut and put together again in both directions.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query_key_value: Tensor,
        events: Sequence[EventRows],
        biases: Sequence[Tensor] | None,
    ) -> Tensor:
        """Attended values [element, head, width]."""
        num_elements, _, num_heads, width = query_key_value.shape
        attended = query_key_value.new_empty(num_elements, num_heads, width)
        of_heads, into = query_key_value.permute(1, 2, 0, 3), attended.transpose(0, 1)
        kept = []
        for i, (begin, _, end) in enumerate(events):
            query, key, value = of_heads[:, :, begin:end].unbind(0)
            weights = _weights(query, key, None if biases is None else biases[i])
            torch.bmm(weights, value, out=into[:, begin:end])
            if ctx.needs_input_grad[0]:
                kept.append(weights)
        ctx.events = events
        ctx.save_for_backward(query_key_value, *kept)
        return attended

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None, None]:
        """With weights A: dv = A^T do, dA = do v^T, and dlogits of q and k through softmax."""
        query_key_value, *kept = ctx.saved_tensors
        gradient = torch.empty_like(query_key_value)
        of_heads, into = query_key_value.permute(1, 2, 0, 3), gradient.permute(1, 2, 0, 3)
        above = upstream[0].transpose(0, 1)
        for weights, (begin, _, end) in zip(kept, ctx.events, strict=True):
            query, key, value = of_heads[:, :, begin:end].unbind(0)
            of_query, of_key, of_value = into[:, :, begin:end].unbind(0)
            of_output = above[:, begin:end]
            torch.bmm(weights.transpose(1, 2), of_output, out=of_value)
            of_weights = torch.bmm(of_output, value.transpose(1, 2))
            of_logits = torch.ops.aten._softmax_backward_data(
                of_weights, weights, -1, weights.dtype
            )
            torch.bmm(of_logits, key, out=of_query)
            torch.bmm(of_logits.transpose(1, 2), query, out=of_key)
        gradient[:, :2].mul_(query_key_value.shape[-1] ** -0.5)
        return gradient, None, None


def _attention_in_parts(
    query_key_value: Tensor,
    events: Sequence[EventRows],
    biases: Sequence[Tensor | DistanceBias] | None,
) -> Tensor:
    """The same with at most MAX_LOGITS logits at a time."""
    num_heads = query_key_value.shape[2]
    of_heads = query_key_value.permute(1, 2, 0, 3)
    outputs = []
    for i, (first, _, last) in enumerate(events):
        query, key, value = of_heads[:, :, first:last].unbind(0)
        step = max(1, MAX_LOGITS // (num_heads * (last - first)))
        for begin in range(0, last - first, step):
            end = min(begin + step, last - first)
            bias = None if biases is None else biases[i]
            of_rows = bias.rows(begin, end) if isinstance(bias, DistanceBias) else bias
            outputs.append(torch.bmm(_weights(query[:, begin:end], key, of_rows), value))
    return torch.cat(outputs, 1).transpose(0, 1).flatten(1)


def _weights(query: Tensor, key: Tensor, bias: Tensor | None) -> Tensor:
    """softmax(q k^T / sqrt(width) + bias) of one event."""
    scale = query.shape[-1] ** -0.5
    if bias is None:
        logits = torch.bmm(query, key.transpose(1, 2)) * scale
    else:
        logits = torch.baddbmm(bias, query, key.transpose(1, 2), alpha=scale)
    return torch.softmax(logits, -1)


class SharedRows(NamedTuple):
    """What the attention of all layers shares of a batch."""

    events: Sequence[EventRows]
    """Rows of each event; they cover all rows in order."""
    biases: Sequence[Tensor | DistanceBias] | None
    """Terms in the logits, parallel to `events`."""


class PackedSelfAttention(nn.Module):
    """Multi-head self-attention inside each event of a packed batch."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.head_shape = num_heads, dim // num_heads
        self.query_key_value = Linear(dim, 3 * dim)
        self.output = Linear(dim, dim)

    def forward(
        self, x: Float[Tensor, "element dim"], shared: SharedRows
    ) -> Float[Tensor, "element dim"]:
        """Attended values."""
        projected = self.query_key_value(x).view(len(x), 3, *self.head_shape)
        attended: Tensor = self.output(packed_attention(projected, *shared))
        return attended

    def maps(
        self, x: Float[Tensor, "element dim"], shared: SharedRows
    ) -> list[Float[Tensor, "head _ _"]]:
        """The weights of each event; those of an element sum to one."""
        projected = self.query_key_value(x).view(len(x), 3, *self.head_shape)
        query, key, _ = projected.permute(1, 2, 0, 3)
        maps = []
        for i, (begin, _, end) in enumerate(shared.events):
            bias = None if shared.biases is None else shared.biases[i]
            whole = bias.rows(0, end - begin) if isinstance(bias, DistanceBias) else bias
            maps.append(_weights(query[:, begin:end], key[:, begin:end], whole))
        return maps
