"""Graph network whose graph is built in every layer by locality-sensitive hashing.

The layer of MLPF (arXiv:2101.08578, arXiv:2309.06782), on packed events. Elements are hashed by
the largest of their projections on random directions, sorted by hash, and cut into bins of equal
size. Only elements of one bin exchange messages:

    u_i  = elu(MLP(x_i))                      position of element i in the space of the hash
    A_ij = exp(-|u_i - u_j| / 10)             for i, j of one bin
    f    = A (x theta),  h = x W_h,  g = sigmoid(x W_t + b_t)
    x    <- elu(g f + (1 - g) h)              in each round of messages

Time and memory are linear in the number of elements (and in the bin size). Events do not mix: each
is padded to whole bins of its own, by rows of zeros that take part as elements do (as in the
published MLPF v2.2.0), and hashed with a number of directions that grows with its number of bins.
Parameters have the names of published checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from partflow.model.config import GnnLshConfig
from partflow.model.linear import Linear
from partflow.model.precision import float32_products

NORM_EPSILON = 1e-6
"""Added to the variance in the norm of a layer, as published."""
INVERSE_RANGE = 0.1
"""Inverse distance, in the learned space of the hash, over which the adjacency falls to 1/e."""
MIN_SQUARED_DISTANCE, MAX_SQUARED_DISTANCE = 1e-6, 1e6
"""Bounds of squared distances in the space of the hash, as published."""


class BinnedRows(NamedTuple):
    """The rows of a batch in which every event is padded to whole bins.

    They depend on the sizes of the events alone: made once for a batch, used by every layer.
    """

    row: Int[Tensor, " element"]
    """Row of each element among the padded rows."""
    event: Int[Tensor, " row"]
    """Event of each padded row."""
    num_directions: Int[Tensor, " row"]
    """Number of random directions that hash the event of each row."""
    bin_size: int
    """Rows of a bin."""

    @classmethod
    def of_events(
        cls, counts: Sequence[int], config: GnnLshConfig, device: torch.device | str = "cpu"
    ) -> Self:
        """Padded rows of events with `counts` elements each; an empty event has none."""
        size = config.bin_size
        elements = np.asarray(counts, dtype=np.int64).reshape(-1)
        num_bins = -(-elements // size)
        padding = num_bins * size - elements
        padding_before = np.cumsum(padding) - padding
        event = np.repeat(np.arange(len(elements)), num_bins * size)
        num_directions = np.clip(num_bins // 2, 1, config.max_num_bins // 2)
        row = np.arange(elements.sum()) + np.repeat(padding_before, elements)

        def on_device(values: np.ndarray) -> Tensor:
            return torch.from_numpy(values).to(device)

        return cls(on_device(row), on_device(event), on_device(num_directions[event]), size)


class GnnLshLayer(nn.Module):
    """A layer: norm, hash, bins, and rounds of messages inside each bin."""

    def __init__(self, dim: int, config: GnnLshConfig) -> None:
        super().__init__()
        self.layernorm1 = nn.LayerNorm(dim, eps=NORM_EPSILON) if config.layer_norm else None
        self.ffn_dist = _distance_network(dim, config)
        self.message_building_layer = RandomDirections(config)
        self.message_passing_layers = nn.ModuleList(
            GatedMessage(dim) for _ in range(config.num_messages)
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x: Float[Tensor, "element dim"], rows: BinnedRows
    ) -> Float[Tensor, "element dim"]:
        """The elements after the messages, without the padding."""
        binned, row, adjacency = self._graph(x, rows)
        for message in self.message_passing_layers:
            binned = self.dropout(message(binned, adjacency))
        return binned[row]

    def attention_weights(
        self, x: Float[Tensor, "element dim"], rows: BinnedRows
    ) -> list[Float[Tensor, "head _ _"]]:
        """The adjacency in each event that is not empty, [1, element, element]; 0 across bins."""
        _, row, adjacency = self._graph(x, rows)
        bins, slots = row // rows.bin_size, row % rows.bin_size
        sizes = torch.unique_consecutive(rows.event[rows.row], return_counts=True)[1].tolist()
        of_events = []
        for b, slot in zip(bins.split(sizes), slots.split(sizes), strict=True):
            weights = adjacency[b[:, None], slot[:, None], slot]
            of_events.append(torch.where(b[:, None] == b, weights, 0.0)[None])
        return of_events

    def _graph(self, x: Tensor, rows: BinnedRows) -> tuple[Tensor, Tensor, Tensor]:
        """Rows sorted into bins, the sorted row of each element, and the adjacency of each bin."""
        padded = x.new_zeros(len(rows.event), x.shape[1]).index_copy(0, rows.row, x)
        if self.layernorm1 is not None:
            padded = self.layernorm1(padded)
        with float32_products(x.device):  # rounding would move elements to other bins
            position = F.elu(self.ffn_dist(padded))
            order = self.message_building_layer(position, rows)
            adjacency = gaussian_adjacency(position[order].unflatten(0, (-1, rows.bin_size)))
        inverse = torch.empty_like(order).index_copy(
            0, order, torch.arange(len(order), device=order.device)
        )
        return padded[order], inverse[rows.row], adjacency


class RandomDirections(nn.Module):
    """The hash of an element: the direction, or opposite direction, of its largest projection."""

    codebook_random_rotations: Tensor

    def __init__(self, config: GnnLshConfig) -> None:
        super().__init__()
        # A buffer: drawn once, never learned.
        drawn = torch.randn(config.distance_dim, config.max_num_bins // 2)
        self.register_buffer("codebook_random_rotations", drawn)

    @torch.no_grad()
    def forward(
        self, position: Float[Tensor, "row space"], rows: BinnedRows
    ) -> Int[Tensor, " row"]:
        """The order that sorts the rows of each event by hash; equal hashes keep their order.

        The projections on directions that an event does not use are set to -inf. That changes the
        values of the hashes, but not their order, which is that of the event alone.
        """
        projection = position @ self.codebook_random_rotations
        num_directions = projection.shape[1]
        number = torch.arange(num_directions, device=projection.device)
        is_unused = number >= rows.num_directions[:, None]
        signed = torch.stack([projection, -projection], 1)
        hashed = signed.masked_fill(is_unused[:, None], -torch.inf).flatten(1).argmax(1)
        return torch.argsort(rows.event * (2 * num_directions) + hashed, stable=True)


class GatedMessage(nn.Module):
    """A round of messages: a gate mixes what the neighbours send with the element's own part."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        # Published: standard normal numbers, which diverge over a few layers of width 100.
        self.W_t = nn.Parameter(torch.randn(dim, dim) / dim**0.5)
        self.b_t = nn.Parameter(torch.randn(dim))
        self.W_h = nn.Parameter(torch.randn(dim, dim) / dim**0.5)
        self.theta = nn.Parameter(torch.randn(dim, dim) / dim**0.5)

    def forward(
        self, x: Float[Tensor, "row dim"], adjacency: Float[Tensor, "bin size size"]
    ) -> Float[Tensor, "row dim"]:
        """elu(g A x theta + (1 - g) x W_h), with the adjacency A inside each bin."""
        sent = (x @ self.theta).unflatten(0, adjacency.shape[:2])
        received = torch.bmm(adjacency, sent).flatten(0, 1)
        gate = torch.sigmoid(torch.addmm(self.b_t, x, self.W_t))
        # Not torch.lerp, which rounds differently: distances of close elements amplify that.
        return F.elu(gate * received + (1.0 - gate) * (x @ self.W_h))


def gaussian_adjacency(
    position: Float[Tensor, "bin size space"],
) -> Float[Tensor, "bin size size"]:
    """exp(-distance / 10) between the elements of each bin.

    The square is expanded as in the published network: other forms round the distance of close
    elements differently.
    """
    norm = position.square().sum(-1)
    product = torch.bmm(position, position.transpose(1, 2))
    squared = norm[:, :, None] - 2.0 * product + norm[:, None, :]
    distance = squared.clamp(MIN_SQUARED_DISTANCE, MAX_SQUARED_DISTANCE).sqrt()
    return torch.exp(-INVERSE_RANGE * distance)


def _distance_network(dim: int, config: GnnLshConfig) -> nn.Sequential:
    """Linear, ELU; then (Linear, ELU, dropout) as often as there are further hidden layers."""
    layers = [Linear(dim, config.hidden_dim), nn.ELU()]
    for _ in range(config.num_hidden_layers - 1):
        layers += [Linear(config.hidden_dim, config.hidden_dim), nn.ELU()]
        if config.dropout > 0:  # it counts in the numbering, so in the names of parameters
            layers.append(nn.Dropout(config.dropout))
    return nn.Sequential(*layers, Linear(config.hidden_dim, config.distance_dim))
