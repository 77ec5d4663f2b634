"""Options of `partflow train` from the fields of the configuration.

tyro makes options of a dataclass. Those made here have the fields of `ModelConfig` or `TrainConfig`
that are options, with their docstrings as help, so that the configuration itself needs no tyro.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import field, fields, is_dataclass, make_dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

from tyro.conf import arg

from partflow.core.errors import ConfigError
from partflow.core.field_docs import field_docs
from partflow.model.config import FROM_EVENTS
from partflow.presets import DEFAULT_PRESET, starting_configuration
from partflow.train.configuration import Configuration

METAVARS = {int: "INTEGER", float: "NUMBER", str: "TEXT"}


def start_of(arguments: Sequence[str]) -> Configuration:
    """The configuration that the other options override, from --preset, --config and --init."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--preset", default=DEFAULT_PRESET)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--init", type=Path)
    try:
        found, _ = parser.parse_known_args(list(arguments))
    except argparse.ArgumentError:  # an option without a value: tyro says which
        return Configuration()
    return starting_configuration(found.preset, found.config, found.init)


def default_options(arguments: Sequence[str]) -> dict[str, Any]:
    """The option groups `model` and `train` with the values that they start from."""
    start = start_of(arguments)
    return {name: _options(getattr(start, name), FROM_EVENTS) for name in ("model", "train")}


def given_options(groups: Mapping[str, Any], start: Configuration) -> dict[str, Any]:
    """The options that differ from `start`, by name, as `Configuration.with_options` takes them.

    Raises ConfigError for an option that should be a JSON object and is none.
    """
    given = {}
    for table, name, value in start.options():
        option: Any = groups[table]
        for part in name.split("."):
            option = getattr(option, part)
        if isinstance(value, Mapping):
            option = _json_object(option, name)
        is_given = option is not None if name == "epochs" else option != value
        if is_given:
            given[name] = option
    return given


def _options(config: Any, left_out: frozenset[str] = frozenset(), is_part: bool = False) -> Any:
    """The dataclass of options for the fields of `config`, with its values.

    The options of a part have its name before theirs: --loss.share.
    """
    hints, docs = get_type_hints(type(config)), field_docs(type(config))
    options = []
    for one in fields(config):
        if one.name in left_out:
            continue
        value, text = getattr(config, one.name), docs.get(one.name, "")
        texts: dict[str, str] = {}
        if is_dataclass(value):
            default = _options(value, is_part=True)
            hint: Any = type(default)
        else:
            default, hint, texts = _option(one.name, value, hints[one.name])
        annotation = Annotated[hint, arg(help=text, prefix_name=is_part, **texts)]
        options.append((one.name, annotation, field(default=default)))
    return make_dataclass(type(config).__name__ + "Options", options, frozen=True)()


def _option(name: str, value: Any, hint: Any) -> tuple[Any, Any, dict[str, str]]:
    """Default, type and texts of the help of the option for one field."""
    if isinstance(value, Mapping):
        return json.dumps(dict(value)), str, {"metavar": "JSON"}
    texts = {}
    kinds = [kind for kind in get_args(hint) if kind is not type(None)] or [hint]
    if len(kinds) == 1 and kinds[0] in METAVARS:
        texts["metavar"] = METAVARS[kinds[0]]
    if value is None:
        texts["help_behavior_hint"] = "(default: none)"
    if name == "epochs":
        texts["help_behavior_hint"] = f"(default: {value}, or no limit with --max-minutes)"
        return None, int | None, texts  # None: not given
    return value, hint, texts


def _json_object(text: str, name: str) -> dict[str, Any]:
    """The JSON object in the value of an option."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ConfigError(
            f"""{name} = {text!r}: no JSON ({error}); give an object, as in '{{"size": 8}}'"""
        ) from None
    if not isinstance(value, dict):
        raise ConfigError(f"""{name} = {text!r}; give an object, as in '{{"size": 8}}'""")
    return value
