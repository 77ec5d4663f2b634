"""Frozen dataclasses from JSON objects, with errors that name the key.

msgspec checks and converts the values because it fills our dataclasses as they are, has no
dependencies, and says where in the JSON a value of a wrong type is. It ignores keys that a
dataclass does not have, and a misspelt key would then silently leave a default: keys are checked
here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from partflow.core.errors import ConfigError, SchemaError
from partflow.core.nearest_name import did_you_mean

T = TypeVar("T")
_PLACE = re.compile(r" - at `\$\.?(.*)`$")
"""End of an error of msgspec: a place in the JSON, as in "Expected `int` - at `$.ecal.depth`"."""


def from_json_object(kind: type[T], values: Any, if_missing: str = "give it") -> T:
    """The dataclass `kind` with `values`, a JSON object as `json.loads` returns it.

    Lists become tuples and whole numbers become floats where the dataclass has them; nothing else
    is converted. `if_missing` is the advice for a missing key. Raises ConfigError where a key is
    unknown or missing, or a value has a wrong type or is none of its choices, and what `kind`
    itself raises.

    >>> from partflow.core.jets import JetDefinition
    >>> from_json_object(JetDefinition, {"radius": 1, "min_pt": 2.5})
    JetDefinition(radius=1.0, power=-1.0, min_pt=2.5)
    >>> from_json_object(JetDefinition, {"radius": "1"})
    Traceback (most recent call last):
    partflow.core.errors.ConfigError: radius: expected `float`, got `str`; correct it
    """
    if isinstance(values, Mapping):
        _check_object(kind, values, if_missing)
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        reason, place, _ = [*_PLACE.split(str(error)), "", ""][:3]
        where = f"{place}: " if place else ""
        raise ConfigError(f"{where}{reason[0].lower()}{reason[1:]}; correct it") from None


def _check_object(kind: Any, values: Mapping[str, Any], if_missing: str, place: str = "") -> None:
    """Raise ConfigError unless `values` has the keys of `kind` and its parts, and their choices."""
    known = {field.name: field for field in fields(kind)}
    unknown = [name for name in values if name not in known]
    if unknown:
        nearest = did_you_mean(unknown[0], known) if len(unknown) == 1 else ""
        raise ConfigError(
            f"{', '.join(place + str(name) for name in unknown)}: unknown"
            f"{f'{nearest} The' if nearest else '; the'} fields here are {', '.join(known)}"
        )
    missing = [
        f"{place}{name}"
        for name, field in known.items()
        if name not in values and field.default is MISSING and field.default_factory is MISSING
    ]
    if missing:
        raise ConfigError(f"{', '.join(missing)}: missing; {if_missing}")
    for name, hint in get_type_hints(kind).items():
        if name in values:
            _check_choice(hint, values[name], place + name)
        for part in (hint, *get_args(hint)):  # a dataclass, or one of several types
            if is_dataclass(part) and isinstance(values.get(name), Mapping):
                _check_object(part, values[name], if_missing, f"{place}{name}.")


def _check_choice(hint: Any, value: Any, place: str) -> None:
    """Raise ConfigError where `hint` is a Literal and `value` is none of its choices."""
    if get_origin(hint) is not Literal or value in get_args(hint):
        return
    choices = [str(choice) for choice in get_args(hint)]
    nearest = did_you_mean(str(value), choices)
    raise ConfigError(
        f"{place} = {value!r}{f'{nearest} Choose' if nearest else '; choose'} one of "
        f"{', '.join(choices)}"
    )


def read_object_file(kind: type[T], path: Path, file_format: str) -> T | None:
    """The object of the dataclass `kind` in a JSON file; None where there is no file.

    Raises SchemaError where the file is damaged, or its key `format` is not `file_format`.
    """
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format", None) != file_format:
            raise SchemaError(f"{path}: of another version; remove it, or use that version")
        return from_json_object(kind, content)
    except (OSError, ValueError, TypeError, AttributeError, ConfigError) as error:
        raise SchemaError(f"{path}: damaged ({error}); remove it") from error
