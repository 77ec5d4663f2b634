"""Settings of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from partflow.core.errors import ConfigError
from partflow.model.dtype import Dtype

Accelerator = Literal["auto", "cpu", "gpu", "mps"]
Frozen = Literal["nothing", "backbone", "all_but_heads"]
LoggerName = Literal["tensorboard", "comet", "mlflow", "wandb"]


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
    is_pu: float = 1.0
    """Weight of the cross-entropy of "is the particle from overlaid background", for networks with
    `predict_background`."""
    missing_momentum: float = 0.0
    """Weight of the missing transverse momentum of whole events; 0 leaves the term out."""


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
    """Largest number of elements (tracks and clusters) in a batch, over all devices together:
    about 18 events."""
    accumulate: int = 1
    """Batches for each step of the optimiser; their gradients are averaged."""
    weights: tuple[float, ...] = ()
    """Relative numbers of training events from the folders of labelled events, in their order;
    none: all events count alike."""
    train_events: int | None = None
    """Largest number of training events of each source; None: all."""
    validation_fraction: float = 0.1
    """Fraction of the events of each source that are used for validation only."""
    validation_events: int = 1000
    """Largest number of events of each source in a validation, which limits its time."""
    validation_interval: int = 500
    """Steps between two validations; at least one validation per epoch."""
    augment: bool = True
    """Rotate and reflect each event by a symmetry of the detector, a new one in every epoch."""
    event_weights: bool = False
    """Weight the events in the loss with the weights that the data set holds."""
    ema_decay: float = 0.0
    """Decay of an exponential moving average of the weights, per step. If it is above 0 (usually
    0.999), the averaged weights are validated and become the model."""
    freeze: Frozen = "nothing"
    """Weights that stay as they are: nothing, backbone, or all_but_heads (encoders and backbone).
    For a training that starts from a model (--init)."""
    seed: int = 1
    """Seed of the initial weights and of the order of events."""
    threads: int | None = None
    """CPU threads of each process; None: all cores, divided by the processes of this machine."""
    accelerator: Accelerator = "auto"
    """Kind of device: cpu, gpu (CUDA or ROCm), mps (Apple), or auto, the best there is."""
    devices: int = 1
    """Devices of each node: one process for each. On CPUs they are processes."""
    nodes: int = 1
    """Nodes (computers); a scheduler or torchrun starts the command on each of them."""
    dtype: Dtype = "float32"
    """Type of numbers of the matrix products: float32, bfloat16, or auto, the faster one on this
    device. Weights, norms, softmax, momenta and the loss are float32."""
    loader_workers: int = 0
    """Threads of each process that read batches ahead; 0 reads them in between."""
    checkpoint_interval: int | None = None
    """Steps between models that are kept in `checkpoints/`, whatever their loss; None: none."""
    keep_best: int = 0
    """Models with the lowest validation losses that are kept in `checkpoints/`, besides the best in
    the run's folder."""
    loggers: tuple[LoggerName, ...] = ("tensorboard",)
    """Programs that get the losses, besides training.csv."""
    offline: bool = False
    """Comet and Weights & Biases write to the run's folder and send nothing."""
    loss: LossConfig = field(default_factory=LossConfig)
    """Weights of the terms of the loss."""

    def __post_init__(self) -> None:
        """Raise ConfigError for a setting out of range."""
        for name in ("epochs", "learning_rate", "gradient_clip", "batch_elements", "accumulate",
                     "validation_events", "validation_interval", "devices", "nodes"):  # fmt: skip
            if getattr(self, name) <= 0:
                raise ConfigError(f"train.{name} = {getattr(self, name)}; it must be positive")
        for name in ("warmup", "final_learning_rate", "validation_fraction", "ema_decay"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ConfigError(f"train.{name} = {getattr(self, name)}; it must be in [0, 1)")
        for name in ("max_minutes", "threads", "checkpoint_interval", "train_events"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigError(f"train.{name} = {value}; it must be positive")
        for name in ("weight_decay", "loader_workers", "keep_best"):
            if getattr(self, name) < 0:
                raise ConfigError(f"train.{name} = {getattr(self, name)}; it must not be negative")
        for name, choices in (("accelerator", Accelerator), ("dtype", Dtype),
                              ("freeze", Frozen)):  # fmt: skip
            if getattr(self, name) not in get_args(choices):
                known = ", ".join(get_args(choices))
                raise ConfigError(f"train.{name} = {getattr(self, name)!r}; choose one of {known}")
        for logger in self.loggers:
            if logger not in get_args(LoggerName):
                known = ", ".join(get_args(LoggerName))
                raise ConfigError(f"train.loggers = {logger!r}; choose from {known}")

    @property
    def num_ranks(self) -> int:
        """Processes of the training."""
        return self.devices * self.nodes
