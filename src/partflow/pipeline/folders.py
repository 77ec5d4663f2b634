"""Folders of events: their names and size, and what a stage asks of one before it starts."""

from __future__ import annotations

from pathlib import Path

from partflow.core.detector import Detector
from partflow.core.detector_file import DETECTOR, recorded_detector
from partflow.core.errors import ConfigError, InputError
from partflow.core.features import ELEMENT_SETS
from partflow.core.progress import console
from partflow.core.store import read_provenance, shards

SHARD_EVENTS = 100
"""Events per shard: the unit of memory, of work, and of what a restart can keep."""
PACKED = "packed"
"""Folder of the flat arrays beside the labelled shards."""


def check_elements(events: Path, elements: str) -> None:
    """Raise ConfigError for a set of elements that is unknown, InputError where it is missing."""
    if elements not in ELEMENT_SETS:
        raise ConfigError(f"elements {elements!r}: choose one of {', '.join(ELEMENT_SETS)}")
    if elements != "final":
        for file in shards(events, "events"):
            if not read_provenance(file).config.get("fine_elements"):
                raise InputError(
                    f"{file}: holds no fine clusters; simulate again with --fine-elements"
                )


def detector_of(events: Path) -> Detector:
    """The detector that the folder `events` was made with.

    Raises ConfigError where its files are of several, SchemaError where one does not say.
    """
    first, *others = shards(events, "events")
    record = read_provenance(first)
    detector = recorded_detector(record, str(first))
    for file in others:
        own = read_provenance(file)
        if own.config.get(DETECTOR) != record.config[DETECTOR]:
            other = recorded_detector(own, str(file))
            names = f"of {detector.name} and of {other.name}"
            if other.name == detector.name:
                names = f"of two detectors named {detector.name}"
            raise ConfigError(
                f"{events}: events {names} ({first.name}, {file.name}); one run takes those of "
                "one detector: put each into a folder of its own"
            )
    return detector


def say_done(output: Path) -> None:
    """Tell the user that `output` was there already."""
    console.print(
        f"{output}: finished already, nothing to do (--overwrite makes it again)", soft_wrap=True
    )
