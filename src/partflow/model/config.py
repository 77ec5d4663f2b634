"""What a network is made of, and the three sizes it comes in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from partflow.core.errors import ConfigError
from partflow.core.face import CalorimeterFace
from partflow.core.features import ELEMENT_SETS, ELEMENTS
from partflow.core.known_detectors import CLIC
from partflow.model.favor import FavorConfig
from partflow.model.gnn_lsh import GnnLshConfig

BackboneKind = Literal["transformer", "gnn_lsh", "favor"]
BACKBONES = get_args(BackboneKind)
HeadKind = Literal["direct", "sharing"]
HEADS = get_args(HeadKind)


@dataclass(frozen=True)
class ReadoutConfig:
    """How outputs of the network become candidates."""

    kind: Literal["threshold", "expectation", "published"] = "expectation"
    """threshold: a list of particles, each with its full momentum. expectation: a cluster's
    momentum is multiplied by the probability that it is a particle, which makes sums (jets,
    missing momentum) right on average and the list longer. What a head `sharing` gives a cluster
    is an expectation already: nothing is multiplied, and the two differ in who is left out.
    published: a list of what is more probably a particle than not, tracks with their predicted
    momentum, too."""
    threshold: float = 0.5
    """Probability from which on an element becomes a particle."""
    min_probability: float = 0.03
    """Probability below which even `expectation` leaves a cluster out."""

    def __post_init__(self) -> None:
        for name in ("threshold", "min_probability"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"readout.{name} = {value}; a probability lies between 0 and 1")


def _normed_gnn_lsh() -> GnnLshConfig:
    """Layers that leave normalising to the block around them."""
    return GnnLshConfig(layer_norm=False)


@dataclass(frozen=True)
class ModelConfig:
    """A network; stored beside its weights."""

    backbone: BackboneKind = "transformer"
    """How elements of an event exchange. transformer: attention of each to every other, quadratic
    in their number. favor: the same by random features, linear. gnn_lsh: messages inside bins of
    elements that a learned hash finds alike, linear."""
    dim: int = 128
    """Width of an element's representation."""
    num_layers: int = 4
    """Blocks of the trunk."""
    num_heads: int = 4
    """Attention heads of a layer; few wide ones are faster than many narrow ones. gnn_lsh has
    none."""
    mlp_ratio: float = 2.0
    """Hidden width of a layer's feed-forward part, in units of `dim`."""
    dropout: float = 0.0
    """Dropout probability after attention and feed-forward parts while training."""
    distance_bias: bool = True
    """Lower the attention between elements that are far apart at the calorimeter; the transformer
    alone can."""
    favor: FavorConfig = field(default_factory=FavorConfig)
    """Random features of the backbone favor."""
    gnn_lsh: GnnLshConfig = field(default_factory=_normed_gnn_lsh)
    """Hash, graph and messages of the backbone gnn_lsh."""
    detector: str = CLIC.name
    """Name of the detector that the network is for. A training takes it, and the face, from the
    events: what stands here matters to a network without a training only."""
    face_radius: float = CLIC.ecal.inner_radius
    """Radius of the calorimeter's inner face [mm], from which depths are counted."""
    face_half_length: float = CLIC.ecal.endcap_z
    """abs(z) of the calorimeter endcap's inner face [mm]."""
    features: tuple[str, ...] = ELEMENTS.names
    """Element columns that the network is handed, in order."""
    elements: str = "final"
    """Set of elements that the network was trained on: final or fine clusters."""
    head: HeadKind = "direct"
    """How the energy of a neutral particle is found. direct: each cluster answers for itself.
    sharing: every cluster is divided over the elements that may own a part of it, and a particle
    has the sum of its parts (needs labels with energy shares)."""
    num_owners: int = 24
    """Elements that a cluster may be divided over: those nearest to it in angle."""
    readout: ReadoutConfig = field(default_factory=ReadoutConfig)
    """How candidates are read out, unless told otherwise."""

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
                f"model.dim = {self.dim} is no multiple of model.num_heads = {self.num_heads}"
            )
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"model.dropout = {self.dropout}; it lies in [0, 1)")

    @property
    def face(self) -> CalorimeterFace:
        """Face of the calorimeter that the network is for."""
        return CalorimeterFace(self.detector, self.face_radius, self.face_half_length)

    def at(self, face: CalorimeterFace) -> ModelConfig:
        """The same for the detector with the calorimeter `face`."""
        return replace(
            self,
            detector=face.detector,
            face_radius=face.radius,
            face_half_length=face.half_length,
        )


def tiny() -> ModelConfig:
    """About 0.1 million parameters: for tests and demonstrations."""
    return ModelConfig(dim=64, num_layers=2, num_heads=2)


def small() -> ModelConfig:
    """About 0.7 million parameters: trains in minutes on two cores."""
    return ModelConfig()


def base() -> ModelConfig:
    """About 4 million parameters."""
    return ModelConfig(dim=256, num_layers=6, num_heads=8)


PRESETS = {"tiny": tiny, "small": small, "base": base}


def preset(name: str) -> ModelConfig:
    """The preset of that name.

    Raises ConfigError for a name that is not in PRESETS.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset {name!r} is unknown; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]()
