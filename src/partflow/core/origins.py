"""Where an output comes from: its provenance, that of its inputs, and so on to the first ones.

A provenance names its inputs, without their folder, and holds their fingerprints. `find_origin`
looks for an input of that name in some folders, and accepts it only if its fingerprint is the same.
What is not found stays in the list with its name and fingerprint alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from partflow.core.errors import PartflowError
from partflow.core.json_objects import from_json_object
from partflow.core.provenance import PROVENANCE_FILE, Provenance, fingerprint
from partflow.core.store import num_events, read_provenance

MODEL_DESCRIPTION = "config.json"
"""File of a model folder, which has its provenance under the key `provenance`."""
MAX_DEPTH = 6
"""Stages from an output to its first input: generated, events, labelled, model, candidates."""
MAX_CHILDREN = 1000
"""Folders inside of a place that are searched."""


@dataclass(frozen=True)
class Origin:
    """An output that another one was made from."""

    name: str
    """Name of the file or folder."""
    fingerprint: str
    """Its `provenance.fingerprint` when it was used."""
    provenance: Provenance | None = None
    """How it was made; None if it was not found again, or does not say so."""
    num_events: int | None = None
    """Events that it holds."""
    inputs: tuple[Origin, ...] = ()
    """What it was made from."""

    def walk(self) -> Iterator[Origin]:
        """Yield this origin and all that it was made from."""
        yield self
        for origin in self.inputs:
            yield from origin.walk()


def origin_of(path: Path, known_fingerprint: str, places: Sequence[Path]) -> Origin:
    """The origin `path`, whose fingerprint is known, with its inputs as far as they are found.

    Inputs are searched next to `path` and in `places`. Raises nothing: what cannot be read is
    unknown.
    """
    path = Path(path)
    return _origin_of(path, path.resolve().name, known_fingerprint, places, 0)


def find_origin(name: str, known_fingerprint: str, places: Sequence[Path]) -> Origin:
    """The origin of that name and fingerprint, searched for in `places`.

    A place is a file or folder: it may be the origin itself, hold it, or hold a folder with it.
    """
    return _find_origin(name, known_fingerprint, places, 0)


def _origin_of(
    path: Path, name: str, known_fingerprint: str, places: Sequence[Path], depth: int
) -> Origin:
    provenance = provenance_at(path)
    if provenance is None or depth >= MAX_DEPTH:
        return Origin(name, known_fingerprint, provenance, _num_events(path, provenance))
    nearby = [path.resolve().parent, *places]
    inputs = tuple(
        _find_origin(input_name, input_fingerprint, nearby, depth + 1)
        for input_name, input_fingerprint in provenance.inputs.items()
    )
    return Origin(name, known_fingerprint, provenance, _num_events(path, provenance), inputs)


def _find_origin(name: str, known_fingerprint: str, places: Sequence[Path], depth: int) -> Origin:
    if is_plain_name(name):
        for path in _candidates(name, places):
            if _has_fingerprint(path, known_fingerprint):
                return _origin_of(path, name, known_fingerprint, places, depth)
    return Origin(name, known_fingerprint)


def completed(origin: Origin, places: Sequence[Path]) -> Origin:
    """An origin whose unknown parts are searched for again, in `places`."""
    if origin.provenance is None:
        return find_origin(origin.name, origin.fingerprint, places)
    return replace(origin, inputs=tuple(completed(of, places) for of in origin.inputs))


def is_plain_name(name: str) -> bool:
    """Whether `name`, which comes from a file, names a file in a folder and nothing else.

    >>> [is_plain_name(name) for name in ("gen.parquet", "../gen.parquet", "/etc", "..", "")]
    [True, False, False, False, False]
    """
    return (
        name not in ("", ".", "..") and not set(name) & set("/\\\0") and len(name.encode()) <= 255
    )


def provenance_at(path: Path) -> Provenance | None:
    """The provenance of a Parquet file, a folder of a stage, or a model folder; None if there is
    none that can be read.
    """
    try:
        if path.is_file():
            return read_provenance(path)
        if (path / PROVENANCE_FILE).is_file():
            stored = json.loads((path / PROVENANCE_FILE).read_text(encoding="utf-8"))
        elif (path / MODEL_DESCRIPTION).is_file():
            text = (path / MODEL_DESCRIPTION).read_text(encoding="utf-8")
            stored = json.loads(text)["provenance"]
        else:
            return read_provenance(sorted(path.glob("*.parquet"))[0])
        return from_json_object(Provenance, stored)
    except (OSError, ValueError, TypeError, LookupError, PartflowError):
        return None


def detector_name(config: Mapping[str, Any]) -> str | None:
    """Name of the detector in the configuration of a provenance; None if it has none."""
    description = config.get("detector")
    if isinstance(description, Mapping):
        description = description.get("name")
    return description if isinstance(description, str) else None


def _num_events(path: Path, provenance: Provenance | None) -> int | None:
    """Number of events of a stage; None for other outputs."""
    if provenance is None:
        return None
    try:
        return num_events(path, provenance.stage)
    except (OSError, LookupError, PartflowError):
        return None


def _candidates(name: str, places: Sequence[Path]) -> Iterator[Path]:
    """Yield what has that name: the places, what they hold, and what their folders hold."""
    seen = set()
    for place in dict.fromkeys(place.resolve() for place in places):
        found = [place] if place.name == name else []
        found.append(place / name)
        try:
            children = sorted(child for child in place.iterdir() if child.is_dir())
            found += [child / name for child in children[:MAX_CHILDREN]]
        except OSError:  # a file, or one that may not be read
            pass
        for path in found:
            if path not in seen and path.exists():
                seen.add(path)
                yield path


def _has_fingerprint(path: Path, known_fingerprint: str) -> bool:
    try:
        return fingerprint(path) == known_fingerprint
    except OSError:
        return False
