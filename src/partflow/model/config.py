"""Configuration of a network: `ModelConfig`, stored with its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from partflow.core.errors import ConfigError
from partflow.core.face import CalorimeterFace
from partflow.core.features import ELEMENT_SETS, ELEMENTS
from partflow.core.json_objects import from_json_object
from partflow.core.known_detectors import CLIC
from partflow.model.favor import FavorConfig
from partflow.model.gnn_lsh import GnnLshConfig

BackboneKind = Literal["transformer", "gnn_lsh", "favor"]
BACKBONES = get_args(BackboneKind)
HeadKind = Literal["direct", "sharing"]
HEADS = get_args(HeadKind)
Config = TypeVar("Config")


@dataclass(frozen=True)
class ReadoutConfig:
    """How predictions of the network become candidates."""

    kind: Literal["threshold", "expectation", "published"] = "expectation"
    """threshold: a list of particles, each with its full momentum. expectation: the momentum of a
    cluster is multiplied by the probability that it is a particle, which makes sums (jets, missing
    momentum) unbiased and the list longer. With the head `sharing` the momentum of a cluster is an
    expectation already: nothing is multiplied, and the two kinds differ in which elements are
    left out. published: the list of published MLPF v2.2.0, all elements that are more probably a
    particle than not, in which tracks have their predicted momentum as well."""
    threshold: float = 0.5
    """Probability from which on an element becomes a particle."""
    min_probability: float = 0.03
    """Probability below which `expectation` leaves a cluster out."""

    def __post_init__(self) -> None:
        for name in ("threshold", "min_probability"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"readout.{name} = {value}; it must lie between 0 and 1")


def _normed_gnn_lsh() -> GnnLshConfig:
    """Layers without a norm of their own, since the block around them has one."""
    return GnnLshConfig(layer_norm=False)


@dataclass(frozen=True)
class ModelConfig:
    """Configuration of a network."""

    backbone: BackboneKind = "transformer"
    """How the elements of an event exchange information. transformer: attention between all
    elements, quadratic in their number. favor: attention by random features, linear. gnn_lsh:
    messages inside bins of elements with similar learned hashes, linear."""
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
    head: HeadKind = "direct"
    """How the energy of a particle on a cluster is predicted. direct: from its own cluster.
    sharing: the energy of every cluster is divided over its possible owners, and a particle has
    the sum of its shares (needs labels with energy shares)."""
    num_owners: int = 24
    """Possible owners of a cluster's energy: the elements nearest to it in angle (sharing)."""
    readout: ReadoutConfig = field(default_factory=ReadoutConfig)
    """How predictions become candidates, unless the user chooses otherwise."""

    def __post_init__(self) -> None:
        for name in ("dim", "num_layers", "num_heads", "mlp_ratio", "face_radius",
                     "face_half_length", "num_owners"):  # fmt: skip
            if getattr(self, name) <= 0:
                raise ConfigError(f"model.{name} = {getattr(self, name)}; it must be positive")
        if self.backbone not in BACKBONES:
            raise ConfigError(
                f"model.backbone = {self.backbone!r}; choose one of {', '.join(BACKBONES)}"
            )
        if self.head not in HEADS:
            raise ConfigError(f"model.head = {self.head!r}; choose one of {', '.join(HEADS)}")
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


def config_from_json(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """The configuration `kind` with `values`, a JSON object.

    Raises ConfigError, naming the field, where one is unknown, of a wrong type or out of range.
    """
    for name, hint in get_type_hints(kind).items():
        if get_origin(hint) is Literal and name in values and values[name] not in get_args(hint):
            choices = ", ".join(get_args(hint))
            raise ConfigError(f"{name} = {values[name]!r}; choose one of {choices}")
    return from_json_object(kind, values)
