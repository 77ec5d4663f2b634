"""The whole configuration of a training run, and its file.

    [model]            fields of `ModelConfig`, but those that a training takes from its events
    [model.readout]    fields of its parts
    [train]            fields of `TrainConfig`
    [train.loss]

A name in the file is the same as that of the option of `partflow train` (without the tables `model`
and `train`, whose fields have different names: `dim`, `learning_rate`, `loss.share`) and that in
error messages. Nothing here imports torch.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from partflow.core.errors import ConfigError, InputError
from partflow.core.json_objects import from_json_object
from partflow.core.nearest_name import did_you_mean
from partflow.core.outputs import write_text
from partflow.core.toml import read_toml, to_toml
from partflow.model.config import FROM_EVENTS, ModelConfig
from partflow.train.config import TrainConfig

CONFIGURATION_FILE = "config.toml"
"""Configuration in the folder of a run; `config.json`, next to it, belongs to the model."""
NO_LIMIT = 1_000_000
"""Epochs of a run that only the time limit ends: more than any run reaches."""
HEADER = """\
# Configuration of a network and of its training.
# `partflow train LABELLED --output RUN --config FILE` starts from it; options override it.

"""


@dataclass(frozen=True)
class Configuration:
    """A network and the settings of its training."""

    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def with_options(self, options: Mapping[str, Any]) -> Configuration:
        """This configuration with other values of the fields that `options` names.

        A name is that of an option of `partflow train`, with underscores. A time limit without a
        number of epochs ends the run alone: `epochs` then becomes NO_LIMIT. Raises ConfigError
        where a name is unknown or a value not possible.

        >>> Configuration().with_options({"dim": 64, "loss.share": 5}).train.loss.share
        5.0
        """
        if options.get("max_minutes") is not None and "epochs" not in options:
            options = {**options, "epochs": NO_LIMIT}
        places = {name: table for table, name, _ in self.options()}
        values = asdict(self)
        for name, value in options.items():
            if name not in places:
                nearest = did_you_mean(name, places) or ";"
                raise ConfigError(
                    f"{name}: unknown{nearest} `partflow train --help` lists the options"
                )
            *parts, last = f"{places[name]}.{name}".split(".")
            place = values
            for part in parts:
                place = place[part]
            place[last] = value
        return from_json_object(Configuration, values)

    def options(self) -> Iterator[tuple[str, str, Any]]:
        """Yield table (model or train), name and value of each option."""
        for table in ("model", "train"):
            for name, value in _values(getattr(self, table)):
                if name not in FROM_EVENTS:
                    yield table, name, value


def write_config(path: Path, model: ModelConfig, train: TrainConfig) -> None:
    """Write the configuration file `path`; raises OutputError where that fails."""
    write_text(path, config_text(model, train))


def config_text(model: ModelConfig, train: TrainConfig) -> str:
    """The configuration as TOML, each field below a comment that says what it is."""
    return HEADER + to_toml("model", model, FROM_EVENTS) + "\n" + to_toml("train", train)


def read_config(path: Path, start: Configuration | None = None) -> Configuration:
    """The configuration in the file `path`, or in the folder of a run.

    Fields that the file does not have are those of `start`, by default those of the dataclasses.

    Raises InputError where there is no such file or it is no TOML, and ConfigError, with the file
    and the field, where a name is unknown or a value not possible.
    """
    path = Path(path)
    if path.is_dir():
        path = path / CONFIGURATION_FILE
        if not path.is_file():
            raise InputError(
                f"{path}: no such file; give a configuration file, or the folder of a run that "
                "wrote one (`partflow train`)"
            )
    stored = read_toml(path)
    start = start or Configuration()
    try:
        for name in stored.get("model", {}) if isinstance(stored.get("model"), Mapping) else ():
            if name in FROM_EVENTS:
                raise ConfigError(f"model.{name}: a training takes it from its events; remove it")
        return from_json_object(Configuration, _merged(start, stored))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _merged(start: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The dataclass `start` as nested dictionaries, with the values of `changes`.

    Unknown names are kept, for the error. Objects that are no dataclass are replaced as a whole.
    """
    values: dict[str, Any] = {}
    for one in fields(start):
        value = getattr(start, one.name)
        change = changes.get(one.name, {} if is_dataclass(value) else value)
        is_table = is_dataclass(value) and isinstance(change, Mapping)
        values[one.name] = _merged(value, change) if is_table else copy.deepcopy(change)
    return values | {name: value for name, value in changes.items() if name not in values}


def _values(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the name and value of each field, fields of parts as part.field."""
    for one in fields(config):
        value = getattr(config, one.name)
        if is_dataclass(value):
            yield from _values(value, f"{prefix}{one.name}.")
        else:
            yield f"{prefix}{one.name}", value
