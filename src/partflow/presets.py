"""Presets: networks of three sizes with the settings of their training, as Python functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from partflow.core.errors import ConfigError
from partflow.core.nearest_name import did_you_mean
from partflow.model.config import ModelConfig
from partflow.model.registry import AUTO
from partflow.train.config import TrainConfig
from partflow.train.configuration import Configuration, read_config


def tiny() -> Configuration:
    """About 0.1 million parameters: for tests and demonstrations; trains in a minute or two."""
    return Configuration(
        ModelConfig(dim=64, num_layers=2, num_heads=2, head=AUTO), TrainConfig(learning_rate=3e-3)
    )


def small() -> Configuration:
    """About 0.7 million parameters: trains in minutes on two cores."""
    return Configuration(ModelConfig(head=AUTO), TrainConfig())


def base() -> Configuration:
    """About 4 million parameters: for a GPU, or for hours on a CPU."""
    return Configuration(
        ModelConfig(dim=256, num_layers=6, num_heads=8, head=AUTO), TrainConfig(learning_rate=7e-4)
    )


PRESETS: dict[str, Callable[[], Configuration]] = {"tiny": tiny, "small": small, "base": base}
"""By the name that users give."""
DEFAULT_PRESET = "small"


def preset(name: str) -> Configuration:
    """The preset of that name.

    Raises ConfigError for a name that is not in PRESETS.

    >>> preset("tiny").model.dim
    64
    """
    if name not in PRESETS:
        nearest = did_you_mean(name, PRESETS)
        raise ConfigError(
            f"preset {name!r} is unknown{f'{nearest} Choose' if nearest else '; choose'} one of "
            f"{', '.join(PRESETS)}"
        )
    return PRESETS[name]()


def starting_configuration(
    name: str = DEFAULT_PRESET,
    config: Path | None = None,
    initial_model: str | Path | None = None,
) -> Configuration:
    """The configuration that options override: the file `config`, over the preset `name`.

    The network is that of `initial_model`, a model folder or the name of a bundled model, if there
    is one. Raises ConfigError for an unknown preset or for a network that cannot be trained
    further, and what `read_config` and `load_config` raise.
    """
    start = preset(name)
    if config is not None:
        start = read_config(config, start)
    if initial_model is None:
        return start
    from partflow.model.folder import load_config  # imports torch

    network = load_config(initial_model)
    if not isinstance(network, ModelConfig):
        raise ConfigError(
            f"{initial_model}: an imported network of MLPF v2.2.0 cannot be trained further"
        )
    return replace(start, model=network)
