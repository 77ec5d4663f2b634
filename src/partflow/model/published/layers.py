"""Parts of a published network, with parameters named as in its checkpoints."""

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
    """Which rows of a batch are of which element type, in the order of the network's types."""

    rows: tuple[Int[Tensor, " row"], ...]
    type_index: Int[Tensor, " element"]
    """Index of each element's type among the network's."""

    @classmethod
    def of_elements(
        cls, features: Float[Tensor, "element feature"], types: Sequence[int]
    ) -> TypeRows:
        """Rows of every one of `types`.

        Raises DataError for an element of another type.
        """
        element_type = features[:, TrackFeature.TYPE]
        is_type = element_type[:, None] == element_type.new_tensor(list(types))
        is_known = is_type.any(1)
        if not bool(is_known.all()):
            other = element_type[~is_known][0].item()
            raise DataError(
                f"elements.type = {other:g}: this network was made for the element types "
                f"{', '.join(map(str, types))} only; leave such elements out or use a model made "
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
            nn.Identity(),  # the activation, which has no parameters but a number
            nn.LayerNorm(width),
            nn.Dropout(dropout),
            Linear(width, num_outputs),
        )

    def forward(self, x: Float[Tensor, "row input"]) -> Float[Tensor, "row output"]:
        """The last linear layer's values."""
        first, _, norm, dropout, last = self
        result: Tensor = last(dropout(norm(activated(x, first, self.activation))))
        return result


def activated(
    x: Float[Tensor, "row input"], layer: nn.Module, activation: Activation
) -> Float[Tensor, "row output"]:
    """Activation function of a linear `layer` of `x`."""
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
    """Every element through the network of its own type."""
    parts = [network(x[rows]) for network, rows in zip(networks, types.rows, strict=True)]
    values, place = torch.cat(parts), torch.cat(types.rows)
    return values.new_empty(len(x), num_outputs).index_copy(0, place, values)


class Encoder(nn.ModuleList):
    """One network for each element type."""

    def __init__(self, config: PublishedConfig) -> None:
        super().__init__(encoder(config) for _ in config.elemtypes_nonzero)
        self.dim = config.dim

    def forward(
        self, features: Float[Tensor, "element feature"], types: TypeRows
    ) -> Float[Tensor, "element dim"]:
        """Representation of each element by its own type's network."""
        return by_type(self, features, types, self.dim)


class JointEncoder(FeedForward):
    """One network for elements of all types."""

    def forward(
        self, features: Float[Tensor, "element feature"], types: TypeRows | None = None
    ) -> Float[Tensor, "element dim"]:
        """Representation of each element; its type is one of the columns."""
        return super().forward(features)


def encoder(config: PublishedConfig) -> FeedForward:
    """Columns of an element to its representation."""
    return FeedForward(
        config.input_dim, config.dim, config.hidden_dim, config.activation, config.dropout_ff
    )


def head(config: PublishedConfig, num_outputs: int) -> FeedForward:
    """Representation of an element to `num_outputs` values."""
    return FeedForward(
        config.readout_dim, num_outputs, config.hidden_dim, config.activation, config.dropout_ff
    )


class RegressionHead(nn.Module):
    """One number for each element, made in one of the published ways from what a network says
    (o, or the o of the element's own type, or a and b likewise) and the element's own value v:

        direct o      additive v + o      multiplicative v o      linear a v + b

    `elemtype` has a column for each element type, `elemtype-split` a network.
    """

    def __init__(self, config: PublishedConfig, mode: RegressionMode) -> None:
        super().__init__()
        self.mode = mode
        num_types = len(config.elemtypes_nonzero)
        self.nn: nn.Module
        if mode == "direct-elemtype-split":
            self.nn = nn.ModuleList(head(config, 1) for _ in range(num_types))
        elif mode == "linear-elemtype":
            self.nn1 = head(config, num_types)
            self.nn2 = head(config, num_types)
        else:
            self.nn = head(config, {"linear": 2, "direct-elemtype": num_types}.get(mode, 1))

    def forward(
        self,
        x: Float[Tensor, "element dim"],
        types: TypeRows,
        value: Float[Tensor, " element"],
    ) -> Float[Tensor, " element"]:
        """The number for each element; `value` is its own."""
        own_type = types.type_index[:, None]
        match self.mode:
            case "direct-elemtype-split":
                assert isinstance(self.nn, nn.ModuleList)
                return by_type(self.nn, x, types, 1)[:, 0]
            case "direct-elemtype":
                return self.nn(x).gather(1, own_type)[:, 0]
            case "linear-elemtype":
                slope, offset = (
                    network(x).gather(1, own_type)[:, 0] for network in (self.nn1, self.nn2)
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
