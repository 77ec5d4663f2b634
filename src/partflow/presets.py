"""Named configurations: plain Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from partflow.core.errors import ConfigError
from partflow.model import config as model_config
from partflow.model.config import ModelConfig
from partflow.train.config import TrainConfig


@dataclass(frozen=True)
class Preset:
    """A network and how it is trained."""

    model: ModelConfig
    train: TrainConfig


def tiny() -> Preset:
    """For tests and demonstrations: learns what it can in a minute or two."""
    return Preset(model_config.tiny(), TrainConfig(learning_rate=3e-3))


def small() -> Preset:
    """Trains in minutes on two cores."""
    return Preset(model_config.small(), TrainConfig())


def base() -> Preset:
    """For a GPU, or patience."""
    return Preset(model_config.base(), TrainConfig(learning_rate=7e-4))


PRESETS: dict[str, Callable[[], Preset]] = {"tiny": tiny, "small": small, "base": base}


def preset(name: str) -> Preset:
    """The preset of that name.

    Raises ConfigError for a name that is not in PRESETS.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset {name!r} is unknown; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]()
