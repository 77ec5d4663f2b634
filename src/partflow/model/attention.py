"""Self-attention over packed events: no padded row, nothing across an event's border.

Every event is one small matrix product on its own rows. For the sizes of e+e- events on a CPU
that is the fastest of the simple ways: `scaled_dot_product_attention` event by event takes 1.2
times as long, on rectangles of padded events 1.7 to 2 times (18 events of 90 to 190 elements,
dim 128, one core, forward and backward; `python -m benchmarks.attention`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from partflow.model.layout import EventRows

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

    `events` cover all rows in order; `biases`, if any, are parallel to them. Of a large event
    some listeners at a time, so that memory stays bounded.
    """
    num_elements, _, num_heads, width = query_key_value.shape
    sizes = [event.end - event.begin for event in events]
    # split, not slices: its gradient is one concatenation, theirs a zero-filled copy each.
    parts = (part.split(sizes, 1) for part in query_key_value.permute(1, 2, 0, 3))
    outputs = [query_key_value.new_empty(num_heads, 0, width)]
    for i, (query, key, value) in enumerate(zip(*parts, strict=True)):
        bias = None if biases is None else biases[i]
        step = max(1, MAX_LOGITS // (num_heads * sizes[i]))
        if step >= sizes[i]:
            assert not isinstance(bias, DistanceBias)
            outputs.append(_attend(query, key, value, bias))
            continue
        for begin in range(0, sizes[i], step):
            end = min(begin + step, sizes[i])
            of_rows = bias.rows(begin, end) if isinstance(bias, DistanceBias) else None
            outputs.append(_attend(query[:, begin:end], key, value, of_rows))
    return torch.cat(outputs, 1).transpose(0, 1).reshape(num_elements, num_heads * width)


def _attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    scale = query.shape[-1] ** -0.5
    if bias is None:
        logits = torch.bmm(query, key.transpose(1, 2)) * scale
    else:
        logits = torch.baddbmm(bias, query, key.transpose(1, 2), alpha=scale)
    return torch.bmm(torch.softmax(logits, -1), value)


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
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.output = nn.Linear(dim, dim)

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
            logits = query[:, begin:end] @ key[:, begin:end].transpose(1, 2)
            logits = logits * self.head_shape[1] ** -0.5
            if shared.biases is not None:
                bias = shared.biases[i]
                whole = bias.rows(0, end - begin) if isinstance(bias, DistanceBias) else bias
                logits = logits + whole
            maps.append(torch.softmax(logits, -1))
        return maps
