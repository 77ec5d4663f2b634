"""Frozen dataclasses from JSON objects, with errors that name the key.

msgspec checks and converts the values because it fills our dataclasses as they are, has no
dependencies, and says where in the JSON a value of a wrong type is. It ignores keys that a
dataclass does not have, and a misspelt key would then silently leave a default: keys are checked
here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from partflow.core.errors import ConfigError

T = TypeVar("T")
_PLACE = re.compile(r" - at `\$\.?(.*)`$")
"""End of an error of msgspec: a place in the JSON, as in "Expected `int` - at `$.ecal.depth`"."""


def from_json_object(kind: type[T], values: Any, if_missing: str = "give it") -> T:
    """The dataclass `kind` with `values`, a JSON object as `json.loads` returns it.

    Lists become tuples and whole numbers become floats where the dataclass has them; nothing else
    is converted. `if_missing` is the advice for a missing key. Raises ConfigError where a key is
    unknown or missing or a value has a wrong type, and what `kind` itself raises.

    >>> from partflow.core.jets import JetDefinition
    >>> from_json_object(JetDefinition, {"radius": 1, "min_pt": 2.5})
    JetDefinition(radius=1.0, power=-1.0, min_pt=2.5)
    >>> from_json_object(JetDefinition, {"radius": "1"})
    Traceback (most recent call last):
    partflow.core.errors.ConfigError: radius: expected `float`, got `str`; correct it
    """
    if isinstance(values, Mapping):
        _check_keys(kind, values, if_missing)
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        reason, place, _ = [*_PLACE.split(str(error)), "", ""][:3]
        where = f"{place}: " if place else ""
        raise ConfigError(f"{where}{reason[0].lower()}{reason[1:]}; correct it") from None


def _check_keys(kind: Any, values: Mapping[str, Any], if_missing: str, place: str = "") -> None:
    """Raise ConfigError, naming the keys, unless `values` has those of `kind` and its parts."""
    known = {field.name: field for field in fields(kind)}
    unknown = [f"{place}{name}" for name in values if name not in known]
    if unknown:
        raise ConfigError(f"{', '.join(unknown)}: unknown; the fields here are {', '.join(known)}")
    missing = [
        f"{place}{name}"
        for name, field in known.items()
        if name not in values and field.default is MISSING and field.default_factory is MISSING
    ]
    if missing:
        raise ConfigError(f"{', '.join(missing)}: missing; {if_missing}")
    for name, hint in get_type_hints(kind).items():
        for part in (hint, *get_args(hint)):  # a dataclass, or one of several types
            if is_dataclass(part) and isinstance(values.get(name), Mapping):
                _check_keys(part, values[name], if_missing, f"{place}{name}.")
