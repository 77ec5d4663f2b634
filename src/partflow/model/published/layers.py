"""Encoders, feed-forward parts and regression heads of published MLPF v2.2.0.

Parameters are named as in published checkpoints. Linear in the number of elements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from partflow.core.errors import DataError
from partflow.core.features import TrackFeature
from partflow.model.linear import Linear, linear
from partflow.model.published.config import Activation, PublishedConfig, RegressionMode

ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "elu": F.elu,
    "relu": F.relu,
    "relu6": F.relu6,
    "leakyrelu": F.leaky_relu,
    "gelu": F.gelu,
}


class TypeRows(NamedTuple):
    """The rows of a batch by element type, in the order of the network's element types."""

    rows: tuple[Int[Tensor, " row"], ...]
    """Rows of each type."""
    type_index: Int[Tensor, " element"]
    """Index of each element's type among those of the network."""

    @classmethod
    def of_elements(
        cls, features: Float[Tensor, "element feature"], types: Sequence[int]
    ) -> TypeRows:
        """The rows of each of the `types`.

        Raises DataError for an element of another type.
        """
        element_type = features[:, TrackFeature.TYPE]
        is_type = element_type[:, None] == element_type.new_tensor(list(types))
        is_known = is_type.any(1)
        if not bool(is_known.all()):
            other = element_type[~is_known][0].item()
            raise DataError(
                f"elements.type = {other:g}: this network was made for the element types "
                f"{', '.join(map(str, types))} only; leave other elements out or use a model made "
                "for them"
            )
        rows = tuple(torch.nonzero(column).flatten() for column in is_type.unbind(1))
        return cls(rows, is_type.int().argmax(1))


class FeedForward(nn.Sequential):
    """Linear, activation, norm, dropout, linear."""

    def __init__(
        self, num_inputs: int, num_outputs: int, width: int, activation: Activation, dropout: float
    ) -> None:
        self.activation = activation
        super().__init__(
            Linear(num_inputs, width),
            nn.Identity(),  # the activation: no parameters, but it counts in their names
            nn.LayerNorm(width),
            nn.Dropout(dropout),
            Linear(width, num_outputs),
        )

    def forward(self, x: Float[Tensor, "row input"]) -> Float[Tensor, "row output"]:
        """Output of the last linear layer, of the type of the inputs."""
        first, _, norm, dropout, last = self
        result: Tensor = last(dropout(norm(activated(x, first, self.activation))))
        return result.to(x.dtype)


def activated(
    x: Float[Tensor, "row input"], layer: nn.Module, activation: Activation
) -> Float[Tensor, "row output"]:
    """f(W x + b) of a linear `layer` and an activation function f."""
    assert isinstance(layer, nn.Linear)
    if activation == "relu":
        return linear(x, layer.weight, layer.bias, relu=True)
    return ACTIVATIONS[activation](linear(x, layer.weight, layer.bias))


def by_type(
    networks: nn.ModuleList,
    x: Float[Tensor, "element input"],
    types: TypeRows,
    num_outputs: int,
) -> Float[Tensor, "element output"]:
    """Output of the network of each element's type."""
    parts = [network(x[rows]) for network, rows in zip(networks, types.rows, strict=True)]
    values, place = torch.cat(parts), torch.cat(types.rows)
    return values.new_empty(len(x), num_outputs).index_copy(0, place, values)


class SplitEncoder(nn.ModuleList):
    """A network for each element type."""

    def __init__(self, config: PublishedConfig) -> None:
        super().__init__(
            FeedForward(
                config.input_dim,
                config.dim,
                config.hidden_dim,
                config.activation,
                config.dropout_ff,
            )
            for _ in config.elemtypes_nonzero
        )
        self.dim = config.dim

    def forward(
        self, features: Float[Tensor, "element feature"], types: TypeRows
    ) -> Float[Tensor, "element dim"]:
        """Embedding of each element by the network of its type."""
        return by_type(self, features, types, self.dim)


class JointEncoder(FeedForward):
    """One network for elements of all types."""

    def __init__(self, config: PublishedConfig) -> None:
        super().__init__(
            config.input_dim, config.dim, config.hidden_dim, config.activation, config.dropout_ff
        )

    def forward(
        self, features: Float[Tensor, "element feature"], types: TypeRows | None = None
    ) -> Float[Tensor, "element dim"]:
        """Embedding of each element; its type is one of the columns."""
        return super().forward(features)


def make_head(config: PublishedConfig, num_outputs: int) -> FeedForward:
    """A network from the representation of an element to `num_outputs` values."""
    return FeedForward(
        config.readout_dim, num_outputs, config.hidden_dim, config.activation, config.dropout_ff
    )


class RegressionHead(nn.Module):
    """One value for each element, from the outputs of a network and the element's value v of the
    same quantity:

        direct o      additive v + o      multiplicative v o      linear a v + b

    With `elemtype` the network has outputs (o, or a and b) for each element type, with
    `elemtype-split` there is a network for each.
    """

    def __init__(self, config: PublishedConfig, mode: RegressionMode) -> None:
        super().__init__()
        self.mode = mode
        num_types = len(config.elemtypes_nonzero)
        self.nn: nn.Module
        if mode == "direct-elemtype-split":
            self.nn = nn.ModuleList(make_head(config, 1) for _ in range(num_types))
        elif mode == "linear-elemtype":
            self.nn1 = make_head(config, num_types)
            self.nn2 = make_head(config, num_types)
        else:
            self.nn = make_head(config, {"linear": 2, "direct-elemtype": num_types}.get(mode, 1))

    def forward(
        self,
        x: Float[Tensor, "element dim"],
        types: TypeRows,
        value: Float[Tensor, " element"],
    ) -> Float[Tensor, " element"]:
        """The regressed value of each element; `value` is v."""
        type_column = types.type_index[:, None]
        match self.mode:
            case "direct-elemtype-split":
                assert isinstance(self.nn, nn.ModuleList)
                return by_type(self.nn, x, types, 1)[:, 0]
            case "direct-elemtype":
                return self.nn(x).gather(1, type_column)[:, 0]
            case "linear-elemtype":
                slope, offset = (
                    network(x).gather(1, type_column)[:, 0] for network in (self.nn1, self.nn2)
                )
                return value * slope + offset
            case "linear":
                slope, offset = self.nn(x).unbind(1)
                return value * slope + offset
            case "additive":
                return value + self.nn(x)[:, 0]
            case "multiplicative":
                return value * self.nn(x)[:, 0]
            case "direct":
                return self.nn(x)[:, 0]
