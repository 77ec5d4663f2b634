"""Search spaces: the settings that a trial varies, and the configuration with these settings.

A search space is a function of the user's. It is called with a trial of Optuna, which suggests
values, and returns settings by their dotted names:

    def space(trial):
        return {
            "model.dim": trial.suggest_categorical("model.dim", [64, 128]),
            "train.learning_rate": trial.suggest_float("train.learning_rate", 1e-4, 1e-2, log=True),
        }
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from partflow.core.errors import ConfigError

Space = Callable[[Any], Mapping[str, Any]]
"""From a trial of Optuna to settings by their dotted names."""

FIXED = {
    "model.detector": "is that of the events",
    "model.face_radius": "is that of the events",
    "model.face_half_length": "is that of the events",
    "model.features": "are those of the events",
    "model.elements": "are those of the events",
    "model.head": "changes the number of terms in the validation loss",
    "train.epochs": "is the budget of a trial; give --epochs",
    "train.max_minutes": "is the budget of a trial; give --max-minutes",
    "train.seed": "is the same for all trials; give --seed",
    "train.threads": "is the same for all trials; give --threads",
    "train.validation_interval": "is the same for all trials",
    "train.validation_fraction": "changes the validation events",
    "train.validation_events": "changes the validation events",
    "train.train_events": "is the same for all trials",
    "train.weights": "is the same for all trials",
    "train.loggers": "does not change the training",
}
"""Settings that trials must not vary, because their losses could not be compared, and why."""


def default_space(trial: Any) -> dict[str, Any]:
    """Width, depth and dropout of the network; learning rate, batch and weight decay.

    The ranges contain the presets tiny, small and base.
    """
    return {
        "model.dim": trial.suggest_categorical("model.dim", [64, 96, 128, 192, 256]),
        "model.num_layers": trial.suggest_int("model.num_layers", 2, 6),
        "model.num_heads": trial.suggest_categorical("model.num_heads", [2, 4, 8]),
        "model.dropout": trial.suggest_float("model.dropout", 0.0, 0.2),
        "train.learning_rate": trial.suggest_float("train.learning_rate", 3e-4, 6e-3, log=True),
        "train.batch_elements": trial.suggest_int("train.batch_elements", 1000, 8000, log=True),
        "train.weight_decay": trial.suggest_float("train.weight_decay", 1e-4, 1e-1, log=True),
    }


def load_space(name: str) -> Space:
    """The search space `FILE.py:FUNCTION` or `PACKAGE.MODULE:FUNCTION` of the user.

    Raises ConfigError where there is no such function.
    """
    where, colon, function_name = name.rpartition(":")
    if not colon or not where or not function_name:
        raise ConfigError(f"--space {name}: give FILE.py:FUNCTION or PACKAGE.MODULE:FUNCTION")
    try:
        module = _module(where)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ConfigError(f"--space {name}: {where} cannot be imported ({reason})") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise ConfigError(f"--space {name}: {where} has no function {function_name!r}")
    space: Space = function
    return space


def _module(where: str) -> Any:
    """The module in a file, or of a name."""
    if not where.endswith(".py"):
        return importlib.import_module(where)
    file = Path(where)
    if not file.is_file():
        raise FileNotFoundError(f"no file {file}")
    spec = importlib.util.spec_from_file_location(f"partflow_space_{file.stem}", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Configuration:
    """The configuration of a training: of the network and of the run, both dataclasses."""

    model: Any
    train: Any

    def names(self) -> Iterator[str]:
        """The dotted names of all settings.

        >>> @dataclass(frozen=True)
        ... class Example:
        ...     size: int = 1
        >>> list(Configuration(Example(), Example()).names())
        ['model.size', 'train.size']
        """
        for part in ("model", "train"):
            yield from _names(getattr(self, part), part)

    def value(self, name: str) -> Any:
        """The value of the setting with a dotted name."""
        value: Any = self
        for part in name.split("."):
            value = getattr(value, part)
        return value

    def check_names(self, values: Mapping[str, Any]) -> None:
        """Raise ConfigError for a name that is no setting, or that trials must not vary."""
        known = list(self.names())
        for name in values:
            if name in FIXED:
                raise ConfigError(f"--space: {name} cannot be searched: it {FIXED[name]}")
            if name not in known:
                nearest = difflib.get_close_matches(name, known, 1)
                hint = f"; do you mean {nearest[0]}?" if nearest else ""
                raise ConfigError(f"--space: there is no setting {name!r}{hint}")

    def with_values(self, values: Mapping[str, Any]) -> Configuration:
        """This configuration with other values of settings, by their dotted names.

        Raises ConfigError where their combination is invalid.
        """
        changes = {part: _nested(values, part) for part in ("model", "train")}
        return Configuration(
            _replaced(self.model, changes["model"]), _replaced(self.train, changes["train"])
        )


def _names(config: Any, prefix: str) -> Iterator[str]:
    """Dotted names of the fields of a dataclass and of those in it."""
    for field in fields(config):
        value, name = getattr(config, field.name), f"{prefix}.{field.name}"
        if is_dataclass(value):
            yield from _names(value, name)
        else:
            yield name


def _nested(values: Mapping[str, Any], part: str) -> dict[str, Any]:
    """The values of one part by their names in it: `{"loss": {"share": 1.0}}`."""
    nested: dict[str, Any] = {}
    for name, value in values.items():
        first, *path, last = name.split(".")
        if first != part:
            continue
        level = nested
        for step in path:
            level = level.setdefault(step, {})
        level[last] = value
    return nested


def _replaced(config: Any, changes: Mapping[str, Any]) -> Any:
    """A dataclass with other values; those of a dataclass in it are a mapping."""
    return replace(
        config,
        **{
            name: _replaced(getattr(config, name), value) if isinstance(value, Mapping) else value
            for name, value in changes.items()
        },
    )
