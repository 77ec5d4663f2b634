"""What a model card tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from partflow.core.origins import Origin
from partflow.core.provenance import CARD_PICTURE, Provenance
from partflow.model.config import ModelConfig
from partflow.report.markdown import Markdown
from partflow.train.configuration import Configuration
from partflow.train.resources import Resources
from partflow.train.training_data import TrainingData

ModelLink = Literal["same", "other", "unknown"]
"""Whether the evaluated candidates are known to be of this model folder."""


@dataclass(frozen=True)
class ModelFacts:
    """What the model folder itself tells."""

    config: Mapping[str, Any]
    """Configuration of the network, as `config.json` holds it."""
    network: ModelConfig | None
    """The same; None for a network of published MLPF v2.2.0."""
    num_parameters: int | None
    partflow_version: str | None
    """Version that wrote the folder."""
    provenance: Provenance | None
    threshold: Mapping[str, Any] | None = None
    """The choice in `threshold.json`."""


@dataclass(frozen=True)
class TrainingFacts:
    """What the files of a training tell; all unknown for a model from elsewhere."""

    data: TrainingData | None = None
    configuration: Configuration | None = None
    history: Sequence[Mapping[str, float]] = ()
    """Rows of `training.csv`, numbers only."""
    resources: Resources | None = None

    @property
    def origins(self) -> tuple[Origin, ...]:
        """The labelled events, the model that the training started from, and their inputs."""
        if self.data is None:
            return ()
        initial = self.data.initial_model
        return self.data.origins if initial is None else (*self.data.origins, initial)


@dataclass(frozen=True)
class Picture:
    """A picture next to the card."""

    file: str
    """Its name in the folder of the card, as `core.provenance.CARD_PICTURE` has it."""
    caption: str

    @property
    def link(self) -> Markdown:
        """The name as the target of a link; raises ValueError for another name."""
        if not CARD_PICTURE.fullmatch(self.file):
            raise ValueError(f"{self.file!r}: not the name of a picture of a card")
        return Markdown(self.file)


@dataclass(frozen=True)
class EvaluationFacts:
    """What a report tells about the model."""

    metrics: Mapping[str, Any]
    """Content of `metrics.json`."""
    candidates: str
    """Name of the model's candidate set."""
    origins: tuple[Origin, ...] = ()
    """The evaluated events and candidates, and what they were made from."""
    link: ModelLink = "unknown"
    warning: str = ""
    """What the reader must know about the events."""


@dataclass(frozen=True)
class CardFacts:
    """Everything that a card tells."""

    name: str
    """Name of the model."""
    model: ModelFacts
    training: TrainingFacts = field(default_factory=TrainingFacts)
    evaluation: EvaluationFacts | None = None
    pictures: tuple[Picture, ...] = ()
    licence: str | None = None
    """Licence of the weights, as the hub names it."""
    developers: str | None = None
    repository: str | None = None
    """Repository of the hub, USER/NAME."""
    watts: float | None = None
    """Power of a core, or of an accelerator, in the estimate of the energy [W]."""
