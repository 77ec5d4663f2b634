"""Settings of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field

from partflow.core.errors import ConfigError


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms of the loss."""

    is_particle: float = 10.0
    """Weight of the cross-entropy of "is there a particle"."""
    particle_class: float = 1.0
    """Weight of the focal loss of the class."""
    focal_gamma: float = 2.0
    """Exponent gamma of the focal loss; 0 gives the cross-entropy."""
    log_pt: float = 1.0
    """Weight of the squared error of log pt."""
    log_energy: float = 1.0
    """Weight of the squared error of log E."""
    angle: float = 1e-2
    """Weight of the squared errors of eta, sin phi and cos phi."""
    expected_sum: float = 1.0
    """Weight of the local sum of expected momenta, for the readout `expectation`."""
    listed_sum: float = 1.0
    """Weight of the local sum of the momenta of listed particles, for the readout `threshold`."""
    share: float = 15.0
    """Weight of the cross-entropy of the energy shares, for the head `sharing`."""
    sum_radius: float = 0.2
    """Width in delta_r of the Gaussian of both local sums."""


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run; it ends after `epochs` or `max_minutes`, whichever is first."""

    epochs: int = 30
    """Passes over the training events."""
    max_minutes: float | None = None
    """Minutes after which the run ends, including those before an interruption. If this limit
    comes before `epochs`, the learning rate depends on the elapsed time, so that it is low at the
    end; such a run cannot be reproduced exactly, since it depends on the speed of the machine."""
    learning_rate: float = 1.5e-3
    """Learning rate after the warm-up."""
    warmup: float = 0.05
    """Fraction of the run in which the learning rate rises linearly."""
    final_learning_rate: float = 0.01
    """Learning rate at the end of the cosine decay, as a fraction of `learning_rate`."""
    weight_decay: float = 0.01
    """Weight decay of AdamW for matrices; biases and norms do not decay."""
    gradient_clip: float = 1.0
    """Largest norm of the gradient; larger gradients are scaled down."""
    batch_elements: int = 2500
    """Largest number of elements (tracks and clusters) in a batch: about 18 events."""
    validation_fraction: float = 0.1
    """Fraction of the events that are used for validation only."""
    max_validation_events: int = 1000
    """Largest number of events in a validation, which limits its time."""
    validation_interval: int = 500
    """Batches between two validations; at least one validation per epoch."""
    augment: bool = True
    """Rotate and reflect each event by a symmetry of the detector, a new one in every epoch."""
    seed: int = 1
    """Seed of the initial weights and of the order of events."""
    threads: int | None = None
    """CPU threads to use; all cores if None."""
    accelerator: str = "auto"
    """Where to train: auto, cpu or gpu."""
    loss: LossConfig = field(default_factory=LossConfig)
    """Weights of the terms of the loss."""

    def __post_init__(self) -> None:
        """Raise ConfigError for a setting out of range."""
        for name in ("epochs", "learning_rate", "gradient_clip", "batch_elements",
                     "max_validation_events", "validation_interval"):  # fmt: skip
            if getattr(self, name) <= 0:
                raise ConfigError(f"train.{name} = {getattr(self, name)}; it must be positive")
        for name in ("warmup", "final_learning_rate", "validation_fraction"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ConfigError(f"train.{name} = {getattr(self, name)}; it must be in [0, 1)")
        if self.max_minutes is not None and self.max_minutes <= 0:
            raise ConfigError(f"train.max_minutes = {self.max_minutes}; it must be positive")
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"train.threads = {self.threads}; give at least 1")
