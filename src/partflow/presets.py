"""Presets: networks of three sizes with the settings of their training, as Python functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from partflow.core.errors import ConfigError
from partflow.model.config import ModelConfig
from partflow.train.config import TrainConfig


@dataclass(frozen=True)
class Preset:
    """A network and the settings of its training."""

    model: ModelConfig
    train: TrainConfig


def tiny() -> Preset:
    """About 0.1 million parameters: for tests and demonstrations; trains in a minute or two."""
    return Preset(ModelConfig(dim=64, num_layers=2, num_heads=2), TrainConfig(learning_rate=3e-3))


def small() -> Preset:
    """About 0.7 million parameters: trains in minutes on two cores."""
    return Preset(ModelConfig(), TrainConfig())


def base() -> Preset:
    """About 4 million parameters: for a GPU, or for hours on a CPU."""
    return Preset(ModelConfig(dim=256, num_layers=6, num_heads=8), TrainConfig(learning_rate=7e-4))


PRESETS: dict[str, Callable[[], Preset]] = {"tiny": tiny, "small": small, "base": base}
"""By the name that users give."""


def preset(name: str) -> Preset:
    """The preset of that name.

    Raises ConfigError for a name that is not in PRESETS.

    >>> preset("tiny").model.dim
    64
    """
    if name not in PRESETS:
        raise ConfigError(f"preset {name!r} is unknown; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]()
