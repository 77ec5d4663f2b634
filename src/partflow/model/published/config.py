"""The configuration of a published network: the arguments that its program gave its model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from partflow.core.errors import ConfigError
from partflow.core.features import CLUSTER, ELEMENTS, TRACK, TrackFeature
from partflow.core.particles import CLASSES
from partflow.model.config import ReadoutConfig
from partflow.model.gnn_lsh import GnnLshConfig

PUBLISHED_FEATURES = ELEMENTS.names[: len(TrackFeature)]
"""The columns of an element that published networks are handed, in order."""
Activation = Literal["elu", "relu", "relu6", "leakyrelu", "gelu"]
RegressionMode = Literal[
    "direct",
    "additive",
    "multiplicative",
    "direct-elemtype",
    "direct-elemtype-split",
    "linear",
    "linear-elemtype",
]


@dataclass(frozen=True)
class PublishedConfig:
    """A published network, stored beside its weights.

    Names and defaults are those of the published program; arguments of the kind of layers that
    is not chosen have no effect.
    """

    input_dim: int = len(PUBLISHED_FEATURES)
    """Columns of an element."""
    num_classes: int = len(CLASSES)
    """Classes, the one for no particle included."""
    embedding_dim: int = 128
    """Width of an element's representation (gnn_lsh; attention: num_heads * head_dim)."""
    width: int = 128
    """Hidden width of encoders and heads (gnn_lsh; attention: num_heads * head_dim)."""
    num_convs: int = 2
    """Layers of each of the two stacks."""
    dropout_ff: float = 0.0
    """Dropout probability in encoders and heads, and after messages, while training."""
    activation: Activation = "elu"
    """Activation function."""
    layernorm: bool = True
    """Norm at the head of a layer (gnn_lsh)."""
    conv_type: Literal["attention", "gnn_lsh"] = "attention"
    """Kind of layers."""
    input_encoding: Literal["joint", "split"] = "joint"
    """One encoder for all elements, or one for each element type."""
    pt_mode: RegressionMode = "linear"
    """How the head of log(pt / element's pt) makes its value."""
    eta_mode: RegressionMode = "linear"
    """How the head of eta makes its value."""
    sin_phi_mode: RegressionMode = "linear"
    """How the head of sin phi makes its value."""
    cos_phi_mode: RegressionMode = "linear"
    """How the head of cos phi makes its value."""
    energy_mode: RegressionMode = "linear"
    """How the head of the energy in excess of the momentum makes its value."""
    elemtypes_nonzero: tuple[int, ...] = (1, 4, 5, 6, 8, 9, 10, 11)
    """Element types that the network was made for, in the order of its encoders."""
    learned_representation_mode: Literal["last", "concat"] = "last"
    """The heads see the last layer, or all layers side by side."""
    bin_size: int = 640
    """Elements that exchange messages (gnn_lsh)."""
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
    """Element columns that the network is handed, in order."""
    elements: str = "final"
    """Set of elements that the network was trained on; published: the rule-based clusters."""
    readout: ReadoutConfig = field(default_factory=lambda: ReadoutConfig("published"))
    """How candidates are read out, unless told otherwise."""

    @classmethod
    def from_kwargs(cls, kwargs: Mapping[Any, Any]) -> Self:
        """The configuration with the arguments that the published program stored.

        Raises ConfigError, naming the argument, where one is unknown, cannot be or does not fit
        this program's elements.
        """
        known = {f.name for f in fields(cls)} - {"features", "elements", "readout"}
        for name in kwargs:
            if name not in known:
                raise ConfigError(f"{name!r} is no argument of a model of MLPF v2.2.0")
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in kwargs.items()
        }
        _check_types(values)  # before a checker of annotations sees them
        return cls(**values)

    @property
    def head(self) -> str:
        """Kind of head, as in `ModelConfig`: each element answers for its own particle."""
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
        """Width of what the heads see of an element."""
        return self.dim * (self.num_convs if self.learned_representation_mode == "concat" else 1)

    @property
    def gnn_lsh(self) -> GnnLshConfig:
        """The layers of a network with `conv_type` gnn_lsh."""
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
        return self.num_heads * self.head_dim

    def __post_init__(self) -> None:
        _check_types(vars(self))
        for name, largest in _SIZES.items():
            if not 1 <= getattr(self, name) <= largest:
                raise ConfigError(
                    f"{name} = {getattr(self, name)}; it lies between 1 and {largest}"
                )
        for name in _PROBABILITIES:
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ConfigError(f"{name} = {getattr(self, name)}; it lies in [0, 1)")
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
            _ = self.gnn_lsh  # which checks what it is made of


_SIZES = {
    **dict.fromkeys(("embedding_dim", "width", "num_heads", "head_dim", "bin_size"), 1 << 16),
    **dict.fromkeys(("max_num_bins", "distance_dim", "ffn_dist_hidden_dim"), 1 << 16),
    **dict.fromkeys(("num_convs", "num_node_messages", "ffn_dist_num_layers"), 1000),
}
"""Largest sizes: far beyond any network, small enough to be refused before memory is asked for."""
_PROBABILITIES = (
    "dropout_ff",
    "dropout_conv_reg_mha",
    "dropout_conv_reg_ff",
    "dropout_conv_id_mha",
    "dropout_conv_id_ff",
)


def _check_types(values: Mapping[str, Any]) -> None:
    """Raise ConfigError where a value is not of its field's type: files hold anything."""
    hints = get_type_hints(PublishedConfig)
    for name, value in values.items():
        hint = hints[name]
        if hint is ReadoutConfig:
            continue  # which checks itself
        if get_origin(hint) is Literal:
            if value not in get_args(hint):
                raise ConfigError(f"{name} = {value!r}; it is one of {', '.join(get_args(hint))}")
        elif get_origin(hint) is tuple:
            kind = get_args(hint)[0]
            if type(value) is not tuple or any(type(item) is not kind for item in value):
                raise ConfigError(f"{name} = {value!r}; it is a list of {kind.__name__}")
        elif type(value) is not hint and not (hint is float and type(value) is int):
            raise ConfigError(f"{name} = {value!r}; it is of type {hint.__name__}")
