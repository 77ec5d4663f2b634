"""Configuration of a network of published MLPF v2.2.0: the arguments that its program stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self

from partflow.core.errors import ConfigError
from partflow.core.features import CLUSTER, ELEMENTS, TRACK, TrackFeature
from partflow.core.json_objects import from_json_object
from partflow.core.particles import CLASSES
from partflow.model.config import GnnLshConfig, ReadoutConfig

PUBLISHED_FEATURES = ELEMENTS.names[: len(TrackFeature)]
"""The columns of an element that published networks read, in order."""
Activation = Literal["elu", "relu", "relu6", "leakyrelu", "gelu"]
"""Activation functions of encoders, layers and heads."""
RegressionMode = Literal[
    "direct",
    "additive",
    "multiplicative",
    "direct-elemtype",
    "direct-elemtype-split",
    "linear",
    "linear-elemtype",
]
"""Kinds of regression heads; see `RegressionHead`."""


@dataclass(frozen=True)
class PublishedConfig:
    """Configuration of a published network.

    Names and defaults are those of the published program. The name of a layer type in brackets
    says that the argument has no effect on the other type.
    """

    input_dim: int = len(PUBLISHED_FEATURES)
    """Columns of an element."""
    num_classes: int = len(CLASSES)
    """Number of classes, including that of no particle."""
    embedding_dim: int = 128
    """Width of an element's representation (gnn_lsh; attention: num_heads * head_dim)."""
    width: int = 128
    """Hidden width of encoders and heads (gnn_lsh; attention: num_heads * head_dim)."""
    num_convs: int = 2
    """Number of layers of each of the two stacks."""
    dropout_ff: float = 0.0
    """Dropout probability in encoders and heads, and after messages, while training."""
    activation: Activation = "elu"
    """Activation function."""
    layernorm: bool = True
    """Norm at the beginning of a layer (gnn_lsh)."""
    conv_type: Literal["attention", "gnn_lsh"] = "attention"
    """Type of the layers."""
    input_encoding: Literal["joint", "split"] = "joint"
    """One encoder for all elements, or one for each element type."""
    pt_mode: RegressionMode = "linear"
    """Kind of the head of log(pt / element's pt)."""
    eta_mode: RegressionMode = "linear"
    """Kind of the head of eta."""
    sin_phi_mode: RegressionMode = "linear"
    """Kind of the head of sin phi."""
    cos_phi_mode: RegressionMode = "linear"
    """Kind of the head of cos phi."""
    energy_mode: RegressionMode = "linear"
    """Kind of the head of the logarithm of E / p."""
    elemtypes_nonzero: tuple[int, ...] = (1, 4, 5, 6, 8, 9, 10, 11)
    """Element types that the network takes, in the order of its encoders."""
    learned_representation_mode: Literal["last", "concat"] = "last"
    """The heads read the last layer, or all layers concatenated."""
    bin_size: int = 640
    """Elements that exchange messages with each other (gnn_lsh)."""
    max_num_bins: int = 200
    """Hash values of the largest events (gnn_lsh)."""
    distance_dim: int = 128
    """Dimensions of the space of the hash (gnn_lsh)."""
    num_node_messages: int = 2
    """Rounds of messages of a layer (gnn_lsh)."""
    ffn_dist_hidden_dim: int = 128
    """Hidden width of the network that maps into the space of the hash (gnn_lsh)."""
    ffn_dist_num_layers: int = 2
    """Hidden layers of that network (gnn_lsh)."""
    num_heads: int = 16
    """Attention heads (attention)."""
    head_dim: int = 16
    """Width of a head (attention)."""
    attention_type: Literal["math", "efficient", "flash"] = "flash"
    """The published program's choice of a kernel; it has no effect here (attention)."""
    dropout_conv_reg_mha: float = 0.0
    """Dropout probability of attention weights, regression stack, while training (attention)."""
    dropout_conv_reg_ff: float = 0.0
    """Dropout probability after a layer of the regression stack (attention)."""
    dropout_conv_id_mha: float = 0.0
    """Dropout probability of attention weights, classification stack (attention)."""
    dropout_conv_id_ff: float = 0.0
    """Dropout probability after a layer of the classification stack (attention)."""
    use_pre_layernorm: bool = False
    """Norm between the last layer and the heads."""
    features: tuple[str, ...] = PUBLISHED_FEATURES
    """Columns of an element that the network reads, in order."""
    elements: str = "final"
    """Element set of the network: published ones were trained on the rule-based clusters. (Stored
    configurations know it by this name.)"""
    readout: ReadoutConfig = field(default_factory=lambda: ReadoutConfig("published"))
    """How predictions become candidates, unless the user chooses otherwise."""

    @classmethod
    def from_kwargs(cls, kwargs: Mapping[Any, Any]) -> Self:
        """The configuration with the arguments that the published program stored.

        Raises ConfigError, naming the argument, where one is unknown, of a wrong type, out of range
        or does not fit the elements of partflow.
        """
        arguments = {f.name for f in fields(cls)} - {"features", "elements", "readout"}
        for name in kwargs:
            if name not in arguments:
                raise ConfigError(
                    f"{name!r} is no argument of a model of published MLPF v2.2.0; was it stored "
                    "by another version?"
                )
        return from_json_object(cls, kwargs)

    @property
    def head(self) -> str:
        """Kind of head, as in `ModelConfig`."""
        return "direct"

    @property
    def dim(self) -> int:
        """Width of an element's representation."""
        return self._attention_dim if self.conv_type == "attention" else self.embedding_dim

    @property
    def hidden_dim(self) -> int:
        """Hidden width of encoders and heads."""
        return self._attention_dim if self.conv_type == "attention" else self.width

    @property
    def readout_dim(self) -> int:
        """Width of the representation of an element that the heads read."""
        return self.dim * (self.num_convs if self.learned_representation_mode == "concat" else 1)

    @property
    def gnn_lsh(self) -> GnnLshConfig:
        """Configuration of the layers of a network with `conv_type` gnn_lsh."""
        return GnnLshConfig(
            bin_size=self.bin_size,
            max_num_bins=self.max_num_bins,
            distance_dim=self.distance_dim,
            hidden_dim=self.ffn_dist_hidden_dim,
            num_hidden_layers=self.ffn_dist_num_layers,
            num_messages=self.num_node_messages,
            layer_norm=self.layernorm,
            dropout=self.dropout_ff,
        )

    @property
    def _attention_dim(self) -> int:
        """Width of all heads together."""
        return self.num_heads * self.head_dim

    def __post_init__(self) -> None:
        for name, largest in _SIZES.items():
            if not 1 <= getattr(self, name) <= largest:
                raise ConfigError(
                    f"{name} = {getattr(self, name)}; it must lie between 1 and {largest}"
                )
        for name in _PROBABILITIES:
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ConfigError(f"{name} = {getattr(self, name)}; it must lie in [0, 1)")
        if self.input_dim != len(PUBLISHED_FEATURES):
            raise ConfigError(
                f"input_dim = {self.input_dim}; an element has {len(PUBLISHED_FEATURES)} columns, "
                "so only networks for tracks and clusters of CLIC or CLD can be used"
            )
        if self.num_classes != len(CLASSES):
            raise ConfigError(
                f"num_classes = {self.num_classes}; the classes are the {len(CLASSES)} of CLIC "
                f"({', '.join(map(str, CLASSES))})"
            )
        types = self.elemtypes_nonzero
        if not types or len(set(types)) != len(types) or not set(types) <= {TRACK, CLUSTER}:
            raise ConfigError(
                f"elemtypes_nonzero = {list(types)}; the element types are {TRACK} (track) and "
                f"{CLUSTER} (cluster), each at most once"
            )
        if self.conv_type == "gnn_lsh":
            _ = self.gnn_lsh  # raises ConfigError for layers that are not possible


_SIZES = {
    **dict.fromkeys(("embedding_dim", "width", "num_heads", "head_dim", "bin_size"), 1 << 16),
    **dict.fromkeys(("max_num_bins", "distance_dim", "ffn_dist_hidden_dim"), 1 << 16),
    **dict.fromkeys(("num_convs", "num_node_messages", "ffn_dist_num_layers"), 1000),
}
"""Largest accepted sizes: far above those of any network, so that no absurd size takes memory."""
_PROBABILITIES = (
    "dropout_ff",
    "dropout_conv_reg_mha",
    "dropout_conv_reg_ff",
    "dropout_conv_id_mha",
    "dropout_conv_id_ff",
)
