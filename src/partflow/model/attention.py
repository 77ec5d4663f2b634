"""Softmax attention inside each event of a packed batch, with a term that falls with distance.

For the elements i, j of one event, in each head,

    a_ij = softmax_j( q_i . k_j / sqrt(width) - min(d_ij / scale, MAX_PENALTY) )
    out_i = sum_j a_ij v_j

with the distance d_ij at the calorimeter and the length scale of the head; some heads have no
distance term. Time and memory are quadratic in the number of elements of an event, linear in the
number of events; no row is padded.

Each event is one small matrix product per head on its own rows, with the softmax of
`softmax_kernels` in between. For events of e+e- collisions on a CPU that is faster than the simple
alternatives (`python -m benchmarks.attention`). Queries, keys and values may be bfloat16 (see
`precision`): the softmax is computed in float32, and its weights are rounded for the product.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from partflow.model.layout import EventRows
from partflow.model.linear import Linear
from partflow.model.softmax_kernels import are_kernels_used, softmax_
from partflow.model.torch_operators import operators

SHORTEST_SCALE, LONGEST_SCALE = 20.0, 1000.0
"""Length scales [mm] of the first and the last head with a distance term."""
LOCAL_FRACTION = 0.6
"""Fraction of the heads that have a distance term; the others do not depend on distance."""
MAX_PENALTY = 10.0
"""Largest reduction of a logit by distance, so that far elements keep some attention."""
MAX_STRIDED_HEADS = 8
"""Heads up to which float32 products read and write rows where they are (`_is_strided`)."""
CACHED_LOGITS = 2**19
"""Logits of some heads that are made, used and forgotten together: 1 or 2 MiB."""
MAX_LOGITS = 2**24
"""Logits of one event in memory at a time: all of 2048 elements with four heads (64 MiB)."""

MAX_PADDED_LOGITS = 2**28
"""Logits of all events that are computed at once on a GPU (1 GiB in float32)."""


def inverse_length_scales(num_heads: int) -> Float[Tensor, " head"]:
    """Inverse length scale of each head [1/mm]; 0 for a head without a distance term.

    The scales grow geometrically, as the slopes of ALiBi do (arXiv:2108.12409).
    """
    num_local = max(1, round(LOCAL_FRACTION * num_heads))
    local = torch.logspace(math.log10(SHORTEST_SCALE), math.log10(LONGEST_SCALE), num_local)
    return torch.cat([1.0 / local, torch.zeros(num_heads - num_local)])


def distance_bias(
    distance: Float[Tensor, "query key"], inverse_scales: Float[Tensor, " head"]
) -> Float[Tensor, "head query key"]:
    """The distance term -min(distance / scale, MAX_PENALTY) of one event's logits, by head."""
    return (distance * -inverse_scales[:, None, None]).clamp_(min=-MAX_PENALTY)


class DistanceBias(NamedTuple):
    """The distance term of a large event, which is computed for some queries at a time."""

    distance: Float[Tensor, "element element"]
    inverse_scales: Float[Tensor, " head"]

    def rows(self, begin: int, end: int) -> Float[Tensor, "head query element"]:
        """The term for the queries `begin:end`."""
        return distance_bias(self.distance[begin:end], self.inverse_scales)


def bias_of_event(
    distance: Float[Tensor, "element element"], inverse_scales: Float[Tensor, " head"]
) -> Tensor | DistanceBias:
    """The distance term of an event, as a tensor if it has at most MAX_LOGITS values."""
    if len(inverse_scales) * distance.numel() > MAX_LOGITS:
        return DistanceBias(distance, inverse_scales)
    return distance_bias(distance, inverse_scales)


def packed_attention(
    query_key_value: Float[Tensor, "element three head width"],
    events: Sequence[EventRows],
    biases: Sequence[Tensor | DistanceBias] | None,
) -> Float[Tensor, "element dim"]:
    """softmax(q k^T / sqrt(width) + bias) v of every event on its own rows.

    `events` cover all rows in order. `biases`, if there are any, are parallel to them and get no
    gradient. Logits of large events are computed for some queries at a time, so that memory stays
    bounded.
    """
    num_heads = query_key_value.shape[2]
    longest = max((event.end - event.begin for event in events), default=0)
    is_on_cpu = query_key_value.device.type == "cpu"
    if not is_on_cpu and 0 < len(events) * num_heads * longest**2 <= MAX_PADDED_LOGITS:
        return padded_attention(query_key_value, events, biases)
    if num_heads * longest**2 > MAX_LOGITS:
        return _attention_in_parts(query_key_value, events, biases)
    attended: Tensor = _PackedAttention.apply(query_key_value, events, biases)
    return attended.flatten(1)


def padded_attention(
    query_key_value: Float[Tensor, "element three head width"],
    events: Sequence[EventRows],
    biases: Sequence[Tensor | DistanceBias] | None,
) -> Float[Tensor, "element dim"]:
    """`packed_attention` of all events at once, on a rectangle of padded events.

    For devices on which a few large kernels are faster than many small ones.
    """
    sizes = [end - begin for begin, _, end in events]
    num_events, longest, num_heads = len(events), max(sizes), query_key_value.shape[2]
    device = query_key_value.device
    first = torch.arange(num_events, device=device) * longest
    lengths = torch.tensor(sizes, device=device)
    before = torch.cumsum(lengths, 0) - lengths
    place = torch.arange(len(query_key_value), device=device)
    place = place + torch.repeat_interleave(first - before, lengths, output_size=len(place))
    rectangle = query_key_value.new_zeros(num_events * longest, *query_key_value.shape[1:])
    rectangle = rectangle.index_copy(0, place, query_key_value)
    query, key, value = rectangle.unflatten(0, (num_events, longest)).permute(2, 0, 3, 1, 4)
    heads_of_bias = 1 if biases is None else num_heads
    is_absent = torch.arange(longest, device=device) >= lengths[:, None]
    mask = query.new_zeros(num_events, heads_of_bias, longest, longest)
    mask.masked_fill_(is_absent[:, None, None], -torch.inf)  # keys; rows of absent queries go
    if biases is not None:
        for of_event, bias, size in zip(mask, biases, sizes, strict=True):
            whole = bias.rows(0, size) if isinstance(bias, DistanceBias) else bias
            of_event[:, :size, :size] = whole
    attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return attended.transpose(1, 2).flatten(0, 1)[place].flatten(1)


class _PackedAttention(torch.autograd.Function):
    """Attention event by event; results and gradients are written directly to the events' rows.

    Autograd of the same operations would cut the rows into events and join them in both
    directions.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query_key_value: Tensor,
        events: Sequence[EventRows],
        biases: Sequence[Tensor] | None,
    ) -> Tensor:
        """A v with the attention weights A of each event, [element, head, width]."""
        saved: list[Tensor] = []
        query, key, value = query_key_value.unbind(1)
        kept = saved if ctx.needs_input_grad[0] else None
        attended = attend(query, key, value, events, biases, kept)
        ctx.events = events
        ctx.save_for_backward(query_key_value, *saved)
        return attended

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None, None]:
        """With the gradient do of the output: dv = A^T do, dA = do v^T, then through softmax
        dlogits, dq = dlogits k / sqrt(width) and dk = dlogits^T q / sqrt(width).
        """
        query_key_value, *saved = ctx.saved_tensors
        softmax_gradient = operators().softmax_gradient
        gradient = torch.empty_like(query_key_value)
        query, key, value = (_of_heads(x) for x in query_key_value.permute(1, 2, 0, 3))
        of_queries, of_keys, of_values = gradient.permute(1, 2, 0, 3)
        of_outputs = _of_heads(upstream[0].transpose(0, 1))
        for weights, (begin, _, end) in zip(saved, ctx.events, strict=True):
            of_output = of_outputs[:, begin:end]
            _multiply(weights.transpose(1, 2), of_output, of_values[:, begin:end])
            of_logits = torch.bmm(of_output, value[:, begin:end].transpose(1, 2))
            of_logits = softmax_gradient(of_logits, weights)
            _multiply(of_logits, key[:, begin:end], of_queries[:, begin:end])
            _multiply(of_logits.transpose(1, 2), query[:, begin:end], of_keys[:, begin:end])
        gradient[:, :2].mul_(query_key_value.shape[-1] ** -0.5)
        return gradient, None, None


def attend(
    query: Float[Tensor, "element head width"],
    key: Float[Tensor, "element head width"],
    value: Float[Tensor, "element head width"],
    events: Sequence[EventRows],
    biases: Sequence[Tensor] | None = None,
    weights_of_events: list[Tensor] | None = None,
) -> Float[Tensor, "element head width"]:
    """softmax(q k^T / sqrt(width) + bias) v of every event on its own rows, without gradients.

    The weights [head, query, key] of each event are appended to `weights_of_events`, if it is
    given.
    """
    num_heads = query.shape[1]
    attended = torch.empty_like(query, memory_format=torch.contiguous_format)
    query, key, value = (_of_heads(part.transpose(0, 1)) for part in (query, key, value))
    into = attended.transpose(0, 1)
    for i, (begin, _, end) in enumerate(events):
        q, k, v = query[:, begin:end], key[:, begin:end], value[:, begin:end]
        bias = None if biases is None else biases[i]
        num_at_once = CACHED_LOGITS // (end - begin) ** 2
        if num_at_once >= num_heads or weights_of_events is not None:
            weights = _attention_weights(q, k, bias)
            _multiply(weights, v, into[:, begin:end])
            if weights_of_events is not None:
                weights_of_events.append(weights)
            continue
        for first in range(0, num_heads, max(1, num_at_once)):
            heads = slice(first, first + max(1, num_at_once))
            of_heads = None if bias is None else bias[heads]
            weights = _attention_weights(q[heads], k[heads], of_heads)
            _multiply(weights, v[heads], into[heads, begin:end])
    return attended


def _is_strided(of_heads: Tensor) -> bool:
    """Whether products of [head, element, width] read and write rows where they are.

    In bfloat16, or for many heads, products of rows that follow each other in memory are faster, by
    more than copies take.
    """
    return of_heads.dtype != torch.bfloat16 and len(of_heads) <= MAX_STRIDED_HEADS


def _of_heads(values: Tensor) -> Tensor:
    """`values` [head, element, width] as products read them."""
    return values if _is_strided(values) else values.contiguous()


def _multiply(first: Tensor, second: Tensor, into: Tensor) -> None:
    """Write the products of all heads to rows of a larger tensor."""
    if _is_strided(into):
        torch.bmm(first, second, out=into)
    else:
        into.copy_(torch.bmm(first, second))


def _attention_in_parts(
    query_key_value: Tensor,
    events: Sequence[EventRows],
    biases: Sequence[Tensor | DistanceBias] | None,
) -> Tensor:
    """`packed_attention` with at most MAX_LOGITS logits in memory at a time."""
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
            outputs.append(torch.bmm(_attention_weights(query[:, begin:end], key, of_rows), value))
    return torch.cat(outputs, 1).transpose(0, 1).flatten(1)


def _attention_weights(query: Tensor, key: Tensor, bias: Tensor | None) -> Tensor:
    """softmax(q k^T / sqrt(width) + bias) of one event, [head, query, key], of the type of q."""
    scale = query.shape[-1] ** -0.5
    if not torch.is_grad_enabled() and are_kernels_used(query):
        logits = torch.bmm(query, key.transpose(1, 2))
        softmax_(logits, scale, bias)
        return logits
    if bias is not None and bias.dtype == query.dtype:
        logits = torch.baddbmm(bias, query, key.transpose(1, 2), alpha=scale)
    else:
        product = torch.bmm(query, key.transpose(1, 2))
        logits = product.to(torch.promote_types(product.dtype, torch.float32)) * scale
        logits = logits if bias is None else logits + bias
    return torch.softmax(logits, -1).to(query.dtype)


class AttentionContext(NamedTuple):
    """The rows and distance terms of a batch, which the attention of all layers shares."""

    events: Sequence[EventRows]
    """Rows of each event; they cover all rows in order."""
    biases: Sequence[Tensor | DistanceBias] | None
    """Distance terms, parallel to `events`."""


class PackedSelfAttention(nn.Module):
    """Multi-head self-attention inside each event of a packed batch."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.head_shape = num_heads, dim // num_heads
        self.query_key_value = Linear(dim, 3 * dim)
        self.output = Linear(dim, dim)

    def forward(
        self, x: Float[Tensor, "element dim"], context: AttentionContext
    ) -> Float[Tensor, "element dim"]:
        """Attention outputs of all heads, through the output projection."""
        projected = self.query_key_value(x).view(len(x), 3, *self.head_shape)
        attended: Tensor = self.output(packed_attention(projected, *context))
        return attended

    def attention_weights(
        self, x: Float[Tensor, "element dim"], context: AttentionContext
    ) -> list[Float[Tensor, "head _ _"]]:
        """Attention weights [head, query, key] of each event; those of a query sum to one."""
        projected = self.query_key_value(x).view(len(x), 3, *self.head_shape)
        query, key, _ = projected.permute(1, 2, 0, 3)
        weights = []
        for i, (begin, _, end) in enumerate(context.events):
            bias = None if context.biases is None else context.biases[i]
            whole = bias.rows(0, end - begin) if isinstance(bias, DistanceBias) else bias
            weights.append(_attention_weights(query[:, begin:end], key[:, begin:end], whole))
        return weights
