"""The result of an inspection, and the numbers of objects and classes in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from partflow.core.particles import CLASS_NAMES, NO_PARTICLE, classes
from partflow.core.records import Array, Collection, Events
from partflow.ingest.inspection.parts import Part

SAMPLE_EVENTS = 200
"""Events that are read to count objects and classes."""


@dataclass(frozen=True)
class Inspection:
    """What is known about a file or folder."""

    path: Path
    kind: str
    """What it is: a stage of partflow, EDM4hep, a published data set, or a folder of these."""
    num_events: int | None
    """Number of all events; None where it does not hold events itself."""
    num_files: int
    objects: Mapping[str, float] = field(default_factory=dict)
    """Mean number of objects in an event, by collection."""
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Number of particles of each class, by collection."""
    num_sampled: int = 0
    """Events in which objects and classes were counted."""
    details: Mapping[str, str] = field(default_factory=dict)
    """Further facts, by name."""
    provenance: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    """What will not work later, and why."""
    commands: tuple[str, ...] = ()
    """Commands that read it."""
    parts: tuple[Part, ...] = ()
    """Of a folder: the outputs in it."""


def mean_numbers(events: Events) -> dict[str, float]:
    """Mean number of objects in an event, by collection."""
    num = max(len(events), 1)
    return {name: len(collection) / num for name, collection in events.collections.items()}


def class_numbers(events: Events) -> dict[str, dict[str, int]]:
    """Number of particles of each class, for every collection of particles."""
    numbers = {}
    for name, collection in events.collections.items():
        if "pdg_id" not in collection.schema.names:
            continue
        pdg_class = _class_of(name, collection)
        numbers[name] = {
            label: int(np.sum(pdg_class == number))
            for number, label in {NO_PARTICLE: "none", **CLASS_NAMES}.items()
            if number != NO_PARTICLE or np.any(pdg_class == NO_PARTICLE)
        }
    return numbers


def _class_of(name: str, collection: Collection) -> Array:
    """Class of each particle; only generator particles have a PDG id instead."""
    if name == "particles":
        return classes(collection.pdg_id, collection.charge)
    return collection.pdg_id
