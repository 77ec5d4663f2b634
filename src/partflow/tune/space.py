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

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from partflow.core.errors import ConfigError
from partflow.core.nearest_name import did_you_mean
from partflow.model.config import FROM_EVENTS
from partflow.train.configuration import Configuration

Space = Callable[[Any], Mapping[str, Any]]
"""From a trial of Optuna to settings by their dotted names."""

FIXED = {
    **{f"model.{name}": "is taken from the events" for name in FROM_EVENTS},
    "model.head": "changes the terms of the validation loss",
    "model.predict_background": "changes the terms of the validation loss",
    "model.num_owners": "changes what the term of the energy shares measures",
    "train.event_weights": "changes the weights of the validation events",
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


def settings(configuration: Configuration) -> dict[str, Any]:
    """The settings that trials may change, but for FIXED ones, by their dotted names.

    >>> settings(Configuration())["train.loss.share"]
    15.0
    """
    return {f"{table}.{name}": value for table, name, value in configuration.options()}


def check_names(values: Iterable[str], base: Configuration) -> None:
    """Raise ConfigError for a name that is no setting, or that trials must not vary."""
    known = settings(base)
    for name in values:
        if name in FIXED:
            raise ConfigError(f"--space: {name} cannot be searched: it {FIXED[name]}")
        if name not in known:
            raise ConfigError(f"--space: there is no setting {name!r}{did_you_mean(name, known)}")


def with_values(base: Configuration, values: Mapping[str, Any]) -> Configuration:
    """The configuration `base` with other values of settings, by their dotted names.

    Raises ConfigError where a value or their combination is invalid.

    >>> with_values(Configuration(), {"train.loss.share": 5.0}).train.loss.share
    5.0
    """
    return base.with_options({name.split(".", 1)[1]: value for name, value in values.items()})
