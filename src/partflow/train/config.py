"""How a network is trained."""

from __future__ import annotations

from dataclasses import dataclass, field

from partflow.core.errors import ConfigError
from partflow.train.loss import LossConfig


@dataclass(frozen=True)
class TrainConfig:
    """A training run. It ends after `epochs` or `max_minutes`, whichever comes first."""

    epochs: int = 30
    """Passes over the training events."""
    max_minutes: float | None = None
    """Minutes after which the run ends, those before an interruption included. The learning
    rate follows the clock where this comes before `epochs`, so that it always ends low; two such
    runs differ as the machine was busier or not."""
    learning_rate: float = 1.5e-3
    """Learning rate after the warm-up."""
    warmup: float = 0.05
    """Part of the run in which the learning rate rises linearly."""
    final_learning_rate: float = 0.01
    """Learning rate at the end, as a fraction; a cosine leads there."""
    weight_decay: float = 0.01
    """AdamW's decay of weight matrices; biases and norms do not decay."""
    gradient_clip: float = 1.0
    """Largest norm of the gradient."""
    batch_elements: int = 2500
    """Elements (tracks and clusters) in a batch: about 18 events."""
    validation_fraction: float = 0.1
    """Part of the events set aside to judge the training."""
    max_validation_events: int = 1000
    """Events that a validation looks at, at most; it should not cost more than it tells."""
    validation_interval: int = 500
    """Batches between two validations, where an epoch is not shorter."""
    augment: bool = True
    """Show each event turned and mirrored by the detector's symmetries, anew in every epoch."""
    seed: int = 1
    """Seed of the first weights and of the order of events."""
    threads: int | None = None
    """Threads of the CPU to use; all cores if not given."""
    accelerator: str = "auto"
    """auto, cpu or gpu."""
    loss: LossConfig = field(default_factory=LossConfig)
    """Weights of the terms of the loss."""

    def __post_init__(self) -> None:
        for name in ("epochs", "learning_rate", "gradient_clip", "batch_elements",
                     "max_validation_events", "validation_interval"):  # fmt: skip
            if getattr(self, name) <= 0:
                raise ConfigError(f"train.{name} = {getattr(self, name)}; it must be positive")
        for name in ("warmup", "final_learning_rate", "validation_fraction"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ConfigError(f"train.{name} = {getattr(self, name)}; it lies in [0, 1)")
        if self.max_minutes is not None and self.max_minutes <= 0:
            raise ConfigError(f"train.max_minutes = {self.max_minutes}; it must be positive")
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"train.threads = {self.threads}; give at least 1")
