"""Detectors from JSON: a third one without touching code.

A file holds the fields of `core.detector.Detector`, all that have no default, and nothing else:

    {"name": "mine", "magnetic_field": 3.5, "ecal": {"inner_radius": 1600, ...}, ...}

or, with `base`, only what differs from a known detector:

    {"base": "clic", "name": "mine", "magnetic_field": 3.5, "hadron_scale": "clic"}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from partflow.core.detector import DETECTORS, Detector, known_detector
from partflow.core.errors import ConfigError, InputError, SchemaError
from partflow.core.provenance import Provenance

BASE = "base"
DETECTOR = "detector"
"""Entry of a provenance's configuration that holds what `describe` says."""
SUFFIX = ".json"


def find_detector(name_or_file: str) -> Detector:
    """The detector of that name, or of a JSON file.

    Raises ConfigError for an unknown name and for a file that describes none, InputError for a
    file that cannot be read.
    """
    if not name_or_file.endswith(SUFFIX):
        return known_detector(name_or_file)
    return detector_from(read_description(Path(name_or_file)), name_or_file)


def read_description(file: Path) -> Any:
    """What a JSON file says; raises InputError where it cannot be read."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); give a JSON file") from error
    except ValueError as error:
        raise InputError(f"{file}: not JSON ({error}); mend it") from error


def describe(detector: Detector) -> Any:
    """What `detector_from` makes the same detector of: its name, or everything about it."""
    return (
        detector.name if DETECTORS.get(detector.name) == detector else json.loads(_dumps(detector))
    )


def detector_from(description: Any, where: str) -> Detector:
    """The detector of a description: a name, or the fields as JSON has them.

    Raises ConfigError, beginning with `where`, for a field that is unknown, missing or of the
    wrong type, and for a detector that cannot be.
    """
    if isinstance(description, str):
        return known_detector(description)
    if not isinstance(description, Mapping):
        raise ConfigError(f"{where}: holds no detector; give an object with its fields")
    values = dict(description)
    base = values.pop(BASE, None)
    if base is not None:
        if not isinstance(base, str) or base not in DETECTORS:
            raise ConfigError(
                f"{where}: {BASE} = {base!r}; it must be one of {', '.join(DETECTORS)}"
            )
        known = json.loads(_dumps(DETECTORS[base]))
        del known["name"]
        values = _overlaid(known, values)
    try:
        built: Detector = _build(Detector, values, "")
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    if built.name in DETECTORS and built != DETECTORS[built.name]:
        raise ConfigError(f"{where}: name = {built.name!r} is taken; give it another")
    if isinstance(built.hadron_scale, str) and built.hadron_scale not in DETECTORS:
        raise ConfigError(
            f"{where}: hadron_scale = {built.hadron_scale!r}; "
            f"only that of {' or '.join(DETECTORS)} can be borrowed"
        )
    return built


def recorded_detector(record: Provenance, where: str) -> Detector:
    """The detector that was noted for an output; errors begin with `where`.

    Raises SchemaError where none was noted, ConfigError where it cannot be.
    """
    description = record.config.get(DETECTOR)
    if description is None:
        raise SchemaError(
            f"{where}: does not say which detector it is of; make it again with this version"
        )
    return detector_from(description, where)


def _dumps(detector: Detector) -> str:
    return json.dumps(asdict(detector))


def _overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`below` with what `above` says instead, part by part."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        has_parts = isinstance(value, Mapping) and isinstance(under, Mapping)
        merged[key] = _overlaid(under, value) if has_parts else value  # type: ignore[arg-type]
    return merged


def _build(kind: Any, values: Any, place: str) -> Any:
    """A value of type `kind` from JSON; `place` names it in errors."""
    if is_dataclass(kind):
        return _build_dataclass(kind, values, place)
    if get_origin(kind) is tuple:
        if not isinstance(values, list | tuple):
            raise _wrong(place, values, "a list")
        (member, _) = get_args(kind)
        return tuple(_build(member, value, f"{place}[{n}]") for n, value in enumerate(values))
    if kind is float and isinstance(values, int | float) and not isinstance(values, bool):
        return float(values)
    if kind is int and isinstance(values, int) and not isinstance(values, bool):
        return values
    if kind is str and isinstance(values, str) and values:
        return values
    if kind not in (float, int, str):  # str | ScaleFit | None
        if values is None or isinstance(values, str):
            return values
        (part,) = (option for option in get_args(kind) if option not in (str, NoneType))
        return _build(part, values, place)
    raise _wrong(place, values, {float: "a number", int: "a whole number", str: "a name"}[kind])


def _build_dataclass(kind: Any, values: Any, place: str) -> Any:
    if not isinstance(values, Mapping):
        raise _wrong(place, values, "an object with fields")
    types, of_kind = get_type_hints(kind), {field.name: field for field in fields(kind)}
    prefix = f"{place}." if place else ""
    unknown = [f"{prefix}{name}" for name in values if name not in of_kind]
    if unknown:
        raise ConfigError(
            f"{', '.join(unknown)}: unknown; the fields here are {', '.join(of_kind)}"
        )
    missing = [
        f"{prefix}{name}"
        for name, field in of_kind.items()
        if name not in values and field.default is MISSING and field.default_factory is MISSING
    ]
    if missing:
        raise ConfigError(f'{", ".join(missing)}: missing; give it, or begin with "{BASE}": "clic"')
    return kind(**{n: _build(types[n], value, f"{prefix}{n}") for n, value in values.items()})


def _wrong(place: str, value: Any, wanted: str) -> ConfigError:
    return ConfigError(f"{place} = {value!r}; it must be {wanted}")
