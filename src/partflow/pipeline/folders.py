"""Folders of events: names and sizes, and checks of a stage before it starts."""

from __future__ import annotations

from pathlib import Path

from partflow.core.detector import Detector
from partflow.core.detector_file import DETECTOR, recorded_detector
from partflow.core.errors import ConfigError
from partflow.core.store import read_provenance, shards
from partflow.dataset import packed_files

SHARD_EVENTS = 100
"""Events per shard. A shard is the unit of memory and of work; a restart keeps finished shards."""
PACKED = packed_files.PACKED
"""Folder of flat arrays for training, next to the labelled shards."""


def detector_of(events: Path) -> Detector:
    """The detector of the events in a folder, from the provenance of its shards.

    Raises ConfigError where the shards are of several detectors, SchemaError where one does not
    name its detector.
    """
    first, *others = shards(events, "events")
    provenance = read_provenance(first)
    detector = recorded_detector(provenance, str(first))
    for file in others:
        other_provenance = read_provenance(file)
        if other_provenance.config.get(DETECTOR) != provenance.config[DETECTOR]:
            other = recorded_detector(other_provenance, str(file))
            names = f"of {detector.name} and of {other.name}"
            if other.name == detector.name:
                names = f"of two detectors named {detector.name}"
            raise ConfigError(
                f"{events}: events {names} ({first.name}, {file.name}); a folder must hold events "
                "of one detector: put each into a folder of its own"
            )
    return detector
