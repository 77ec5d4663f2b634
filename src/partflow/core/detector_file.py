"""Detectors from JSON files: a new detector needs no code.

A file holds the fields of `core.detector.Detector`, all that have no default, and nothing else:

    {"name": "mine", "magnetic_field": 3.5, "ecal": {"inner_radius": 1600, ...}, ...}

or, with `base`, only what differs from a known detector:

    {"base": "clic", "name": "mine", "magnetic_field": 3.5, "hadron_scale": "clic"}

msgspec checks the types, because it fills the dataclasses of `core.detector` as they are and its
errors name the place in the JSON; see `core.json_objects`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from partflow.core.detector import Detector
from partflow.core.errors import ConfigError, InputError, SchemaError
from partflow.core.json_objects import from_json_object
from partflow.core.known_detectors import DETECTORS, SCALE_NAMES, known_detector
from partflow.core.provenance import Provenance

BASE = "base"
"""Key of a description: the known detector that all other fields are taken from."""
DETECTOR = "detector"
"""Key in the configuration of a provenance, for what `describe` returns."""
SUFFIX = ".json"


def find_detector(name_or_file: str) -> Detector:
    """The known detector of that name, or the one that a JSON file describes.

    Raises ConfigError for an unknown name and for a file that describes no detector, InputError for
    a file that cannot be read.
    """
    if not name_or_file.endswith(SUFFIX):
        return known_detector(name_or_file)
    return detector_from(read_description(Path(name_or_file)), name_or_file)


def read_description(file: Path) -> Any:
    """The content of a JSON file; raises InputError where it cannot be read."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); give a JSON file") from error
    except ValueError as error:
        raise InputError(f"{file}: not JSON ({error}); correct the file") from error


def describe(detector: Detector) -> Any:
    """The description from which `detector_from` makes the same detector: the name of a known one,
    that of a known one with another hadronic scale, else all its fields as JSON values.
    """
    known = DETECTORS.get(detector.name)
    if known == detector:
        return detector.name
    if known is not None and isinstance(detector.hadron_scale, str) and _is_known(detector):
        return {BASE: known.name, "name": known.name, "hadron_scale": detector.hadron_scale}
    return _as_json(detector)


def detector_from(description: Any, where: str) -> Detector:
    """The detector of a description: a name, or the fields as JSON has them.

    Raises ConfigError, beginning with `where`, for a field that is unknown, missing, of a wrong
    type or out of range.
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
        known = _as_json(DETECTORS[base])
        del known["name"]
        values = _merged(known, values)
    try:
        detector = from_json_object(
            Detector, values, if_missing=f'give it, or begin with "{BASE}": "clic"'
        )
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    if detector.name in DETECTORS and not _is_known(detector):
        raise ConfigError(f"{where}: name = {detector.name!r} is taken; choose another")
    if isinstance(detector.hadron_scale, str) and detector.hadron_scale not in SCALE_NAMES:
        raise ConfigError(
            f"{where}: hadron_scale = {detector.hadron_scale!r}; "
            f"only that of {' or '.join(SCALE_NAMES)} can be borrowed"
        )
    return detector


def recorded_detector(provenance: Provenance, where: str) -> Detector:
    """The detector in the provenance of an output; errors begin with `where`.

    Raises SchemaError where the provenance has none, ConfigError where it is no valid detector.
    """
    description = provenance.config.get(DETECTOR)
    if description is None:
        raise SchemaError(
            f"{where}: does not say which detector it is of; make it again with this version"
        )
    return detector_from(description, where)


def _is_known(detector: Detector) -> bool:
    """Whether a detector is the known one of its name, apart from the hadronic scale."""
    return replace(detector, hadron_scale=None) == DETECTORS.get(detector.name)


def _as_json(detector: Detector) -> dict[str, Any]:
    """The fields of a detector as `json.loads` returns them, lists for tuples."""
    values: dict[str, Any] = json.loads(json.dumps(asdict(detector)))
    return values


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes`, field by field also inside objects."""
    merged = dict(base)
    for name, value in changes.items():
        previous = merged.get(name)
        if isinstance(value, Mapping) and isinstance(previous, Mapping):
            value = _merged(previous, value)
        merged[name] = value
    return merged
