"""Configuration of a network: `ModelConfig`, stored with its weights.

Nothing here imports torch, so that the command line can list the options at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from partflow.core.errors import ConfigError
from partflow.core.face import CalorimeterFace
from partflow.core.features import ELEMENT_SETS, ELEMENTS
from partflow.core.known_detectors import CLIC
from partflow.model.registry import AUTO, BACKBONE_REGISTRY, HEAD_REGISTRY

BACKBONES = tuple(BACKBONE_REGISTRY.built_in)
"""Names of the built-in backbones."""
FROM_EVENTS = frozenset({"detector", "face_radius", "face_half_length", "features", "elements"})
"""Fields of `ModelConfig` that a training takes from its events: they are no options."""


@dataclass(frozen=True)
class ReadoutConfig:
    """How predictions of the network become candidates."""

    kind: Literal["threshold", "expectation", "published"] = "expectation"
    """How the elements that are probably particles become a list. threshold: a list of particles,
    each with its full momentum. expectation: the momentum of a cluster is multiplied by the
    probability that it is a particle, which makes sums (jets, missing momentum) unbiased and the
    list longer. With the head `sharing` the momentum of a cluster is an expectation already:
    nothing is multiplied, and the two kinds differ in which elements are left out. published: the
    list of published MLPF v2.2.0, all elements that are more probably a particle than not, in which
    tracks have their predicted momentum as well."""
    threshold: float = 0.5
    """Probability from which on an element becomes a particle."""
    min_probability: float = 0.03
    """Probability below which `expectation` leaves a cluster out."""
    max_background_probability: float = 1.0
    """Candidates that are from overlaid background with a larger probability are left out; 1 keeps
    all. No effect on networks without `predict_background`."""

    def __post_init__(self) -> None:
        for name in ("threshold", "min_probability", "max_background_probability"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"model.readout.{name} = {value}; it must lie between 0 and 1")


@dataclass(frozen=True)
class FavorConfig:
    """Random features of the attention."""

    num_features: int = 64
    """Random features of each head; the error of the softmax falls as 1 / sqrt(num_features)."""

    def __post_init__(self) -> None:
        if self.num_features < 1:
            raise ConfigError(
                f"model.favor.num_features = {self.num_features}; it must be positive"
            )


@dataclass(frozen=True)
class GnnLshConfig:
    """One layer; the defaults are those of the published CLIC configuration."""

    bin_size: int = 32
    """Elements that exchange messages with each other."""
    max_num_bins: int = 200
    """Hash values of the largest events: twice the number of random directions."""
    distance_dim: int = 128
    """Dimensions of the space in which elements are hashed and compared."""
    hidden_dim: int = 128
    """Hidden width of the network that maps into that space."""
    num_hidden_layers: int = 2
    """Hidden layers of that network."""
    num_messages: int = 2
    """Rounds of messages of a layer."""
    layer_norm: bool = True
    """Normalise the elements at the beginning of the layer."""
    dropout: float = 0.0
    """Dropout probability while training, after messages and in the network of the hash."""

    def __post_init__(self) -> None:
        for name in ("bin_size", "distance_dim", "hidden_dim", "num_hidden_layers"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"model.gnn_lsh.{name} = {getattr(self, name)}; it must be positive"
                )
        if self.max_num_bins < 2:
            raise ConfigError(
                f"model.gnn_lsh.max_num_bins = {self.max_num_bins}; it must be at least 2"
            )
        if self.num_messages < 0:
            raise ConfigError(
                f"model.gnn_lsh.num_messages = {self.num_messages}; it must not be negative"
            )
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"model.gnn_lsh.dropout = {self.dropout}; it must lie in [0, 1)")


def _normed_gnn_lsh() -> GnnLshConfig:
    """Layers without a norm of their own, since the block around them has one."""
    return GnnLshConfig(layer_norm=False)


@dataclass(frozen=True)
class ModelConfig:
    """Configuration of a network."""

    backbone: str = "transformer"
    """How the elements of an event exchange information: transformer, gnn_lsh, favor, the name of
    an entry point in the group partflow.backbones, or package.module:Class. transformer: attention
    between all elements, quadratic in their number. favor: attention by random features, linear.
    gnn_lsh: messages inside bins of elements with similar learned hashes, linear."""
    dim: int = 128
    """Width of an element's representation."""
    num_layers: int = 4
    """Number of blocks of the backbone."""
    num_heads: int = 4
    """Attention heads of a layer; few wide ones are faster than many narrow ones. No effect on
    gnn_lsh."""
    mlp_ratio: float = 2.0
    """Hidden width of a layer's feed-forward part, in units of `dim`."""
    dropout: float = 0.0
    """Dropout probability after attention and feed-forward parts while training."""
    distance_bias: bool = True
    """Lower the attention between elements that are far apart at the calorimeter (transformer)."""
    favor: FavorConfig = field(default_factory=FavorConfig)
    """Random features (favor)."""
    gnn_lsh: GnnLshConfig = field(default_factory=_normed_gnn_lsh)
    """Hash, graph and messages (gnn_lsh)."""
    backbone_options: Mapping[str, Any] = field(default_factory=dict)
    """Options of a backbone of one's own, as a JSON object."""
    detector: str = CLIC.name
    """Name of the detector that the network is for. A training takes the name and the face of the
    calorimeter from its events."""
    face_radius: float = CLIC.ecal.inner_radius
    """Radius of the inner face of the calorimeter's barrel [mm], from which depths are counted."""
    face_half_length: float = CLIC.ecal.endcap_z
    """abs(z) of the inner face of the calorimeter's endcap [mm]."""
    features: tuple[str, ...] = ELEMENTS.names
    """Columns of an element that the network reads, in order."""
    elements: str = "final"
    """Element set that the network was trained on: with final or with fine clusters. (Stored
    configurations know it by this name.)"""
    head: str = "direct"
    """How the energy of a particle on a cluster is predicted: auto, direct, sharing, the name of an
    entry point in the group partflow.heads, or package.module:Class. direct: from its own cluster.
    sharing: the energy of every cluster is divided over its possible owners, and a particle has the
    sum of its shares (needs labels with energy shares). auto: sharing if the labels hold energy
    shares, else direct."""
    num_owners: int = 24
    """Possible owners of a cluster's energy: the elements nearest to it in angle (sharing)."""
    sharing_rounds: int = 1
    """Rounds of the head sharing; each but the first sees what the one before gave to each
    owner."""
    head_options: Mapping[str, Any] = field(default_factory=dict)
    """Options of a head of one's own, as a JSON object."""
    predict_background: bool = False
    """Predict the probability that a particle is from overlaid background
    (`partflow simulate --overlay`)."""
    readout: ReadoutConfig = field(default_factory=ReadoutConfig)
    """How predictions become candidates, unless the user chooses otherwise."""

    def __post_init__(self) -> None:
        for name in ("dim", "num_layers", "num_heads", "mlp_ratio", "face_radius",
                     "face_half_length", "num_owners", "sharing_rounds"):  # fmt: skip
            if getattr(self, name) <= 0:
                raise ConfigError(f"model.{name} = {getattr(self, name)}; it must be positive")
        BACKBONE_REGISTRY.check(self.backbone)
        if self.head != AUTO:
            HEAD_REGISTRY.check(self.head)
        _check_options(
            "backbone", self.backbone in BACKBONE_REGISTRY.built_in, self.backbone_options
        )
        is_built_in = self.head == AUTO or self.head in HEAD_REGISTRY.built_in
        _check_options("head", is_built_in, self.head_options)
        if self.elements not in ELEMENT_SETS:
            raise ConfigError(
                f"model.elements = {self.elements!r}; choose one of {', '.join(ELEMENT_SETS)}"
            )
        if self.dim % self.num_heads:
            raise ConfigError(
                f"model.dim = {self.dim} is no multiple of model.num_heads = {self.num_heads}; "
                "change one of them"
            )
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"model.dropout = {self.dropout}; it must lie in [0, 1)")

    @property
    def face(self) -> CalorimeterFace:
        """Inner face of the calorimeter that the network is for."""
        return CalorimeterFace(self.detector, self.face_radius, self.face_half_length)

    def at(self, face: CalorimeterFace) -> ModelConfig:
        """This configuration for the detector with the calorimeter `face`."""
        return replace(
            self,
            detector=face.detector,
            face_radius=face.radius,
            face_half_length=face.half_length,
        )

    def for_labels(self, element_set: str, has_shares: bool) -> ModelConfig:
        """This configuration for labels of `element_set`; the head `auto` becomes one of the two.

        >>> ModelConfig(head="auto").for_labels("final", has_shares=True).head
        'sharing'
        """
        head = self.head
        if head == AUTO:
            head = "sharing" if has_shares else "direct"
        return replace(self, elements=element_set, head=head)


def _check_options(part: str, is_built_in: bool, options: Mapping[str, Any]) -> None:
    """Raise ConfigError unless `options` can be stored, and are for a part of one's own."""
    name = f"model.{part}_options"
    if options and is_built_in:
        raise ConfigError(
            f"{name}: these are options of a {part} of one's own, but the {part} is built in; "
            f"leave them out, or name your {part}"
        )
    if not _has_toml_values(options):
        raise ConfigError(
            f"{name} = {options!r}; give text, numbers, true and false, lists and objects of them"
        )


def _has_toml_values(value: Any) -> bool:
    """Whether both JSON and TOML have `value`: JSON has no infinity, TOML has no null."""
    if isinstance(value, Mapping):
        return all(isinstance(k, str) and _has_toml_values(v) for k, v in value.items())
    if isinstance(value, list | tuple):
        return all(map(_has_toml_values, value))
    return isinstance(value, str | bool | int) or (
        isinstance(value, float) and math.isfinite(value)
    )
