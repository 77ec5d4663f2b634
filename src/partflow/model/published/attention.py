"""Attention layer of published MLPF v2.2.0 on packed events.

Time is quadratic in the number of elements of an event; memory as well, except where a kernel of
`scaled_dot_product_attention` avoids it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from partflow.model.attention import attend, packed_attention
from partflow.model.layout import events_of_counts
from partflow.model.linear import Linear, linear, linear_add
from partflow.model.published.config import Activation
from partflow.model.published.layers import activated

MAX_PACKED_LOGITS = 2**22
"""Logits of one event up to which their products are computed as a whole: 360 elements with 32
heads."""


class AttentionLayer(nn.Module):
    """A layer, with the activation function f:

        y = norm0(x);  q = y, or the input embedding of the stack in its last layer
        r = y + attention(q, y, y)
        x <- r + f(W f(W' norm1(r)))

    As published, the residual adds the normalised elements y, not x.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        activation: Activation,
        dropout_attention: float,
        dropout: float,
        queries_from_embedding: bool,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.queries_from_embedding = queries_from_embedding
        self.mha = Attention(dim, num_heads, dropout_attention)
        self.norm0 = nn.LayerNorm(dim)
        self.norm1 = nn.LayerNorm(dim)
        self.seq = nn.Sequential(Linear(dim, dim), nn.Identity(), Linear(dim, dim))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Float[Tensor, "element dim"],
        counts: Sequence[int],
        embedding: Float[Tensor, "element dim"],
    ) -> Float[Tensor, "element dim"]:
        """The elements after the layer; `embedding` is the input of the stack."""
        normed = self.norm0(x)
        query = embedding if self.queries_from_embedding else None
        x = self.mha(normed, counts, query)
        first, _, second = self.seq
        change = activated(
            activated(self.norm1(x), first, self.activation), second, self.activation
        )
        result: Tensor = self.dropout(x + change)
        return result


class Attention(nn.Module):
    """Multi-head attention inside each event, added to the elements."""

    def __init__(self, dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.out_proj = Linear(dim, dim)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(
        self,
        x: Float[Tensor, "element dim"],
        counts: Sequence[int],
        query: Float[Tensor, "element dim"] | None,
    ) -> Float[Tensor, "element dim"]:
        """`x` plus the attention with queries from `query` (or `x`), keys and values from `x`."""
        dim = x.shape[1]
        weight, bias = self.in_proj_weight, self.in_proj_bias
        if query is None:
            q, k, v = linear(x, weight, bias).split(dim, 1)
        else:
            q = linear(query, weight[:dim], bias[:dim])
            k, v = linear(x, weight[dim:], bias[dim:]).split(dim, 1)
        q, k, v = (part.unflatten(1, (self.num_heads, -1)) for part in (q, k, v))
        attended = event_attention(q, k, v, counts, self.dropout if self.training else 0.0)
        return linear_add(attended, self.out_proj.weight, self.out_proj.bias, x)


def event_attention(
    query: Float[Tensor, "element head width"],
    key: Float[Tensor, "element head width"],
    value: Float[Tensor, "element head width"],
    counts: Sequence[int],
    dropout: float = 0.0,
) -> Float[Tensor, "element dim"]:
    """softmax(q k^T / sqrt(width)) v of every event on its own rows, all heads concatenated."""
    if query.device.type == "cuda":
        attended = _jagged_attention(query, key, value, counts, dropout)
    elif _is_packed_faster(query, counts, dropout):
        events = events_of_counts(counts)
        if torch.is_grad_enabled():
            return packed_attention(torch.stack([query, key, value], 1), events, None)
        attended = attend(query, key, value, events)
    else:
        sizes = [count for count in counts if count]
        outputs = [query.new_empty(0, *query.shape[1:])]
        for parts in zip(*(x.split(sizes) for x in (query, key, value)), strict=True):
            q, k, v = (part.transpose(0, 1)[None] for part in parts)
            of_event = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
            outputs.append(of_event[0].transpose(0, 1))
        attended = torch.cat(outputs)
    return attended.flatten(1)


def _is_packed_faster(query: Tensor, counts: Sequence[int], dropout: float) -> bool:
    """Whether `model.attention` is faster than `scaled_dot_product_attention` of each event.

    It has no dropout, and for large events it needs more memory than the cache has. Its backward
    pass is slower in float32 and four times as fast in bfloat16.
    """
    num_logits = query.shape[1] * max(counts, default=0) ** 2
    is_fast = query.dtype == torch.bfloat16 or not torch.is_grad_enabled()
    return not dropout and is_fast and num_logits <= MAX_PACKED_LOGITS


def _jagged_attention(
    query: Tensor, key: Tensor, value: Tensor, counts: Sequence[int], dropout: float
) -> Tensor:
    """`event_attention` by one kernel for events of different sizes, [element, head, width]."""
    sizes = torch.tensor([0, *(count for count in counts if count)], device=query.device)
    offsets = sizes.cumsum(0)
    longest = max(counts, default=0)
    q, k, v = (
        torch.nested.nested_tensor_from_jagged(
            x, offsets, min_seqlen=1, max_seqlen=longest
        ).transpose(1, 2)
        for x in (query, key, value)
    )
    attended = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
    values: Tensor = attended.transpose(1, 2).values()
    return values
