"""`data.json`: what a network was trained on, with the origin of the events as far as it is known.

The provenance of a model names its labelled events by hash. Written while these are still there,
this file also tells how they were made: processes, energies, seeds, detector, engine, versions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from partflow.core.json_objects import read_object_file
from partflow.core.origins import Origin
from partflow.core.outputs import write_text
from partflow.core.records import Array
from partflow.dataset.mixture import Mixture
from partflow.dataset.packed import PackedDataset

DATA_FILE = "data.json"
DATA_FORMAT = "partflow-training-data-1"


@dataclass(frozen=True)
class SourceEvents:
    """Events of one folder of labelled events."""

    name: str
    """Name of the folder, made unique."""
    training: Mapping[str, int]
    """Training events of each process."""
    validation: Mapping[str, int]
    """Events of each process that were used for validation, threshold included."""
    fraction: float
    """Fraction of the training events of an epoch that are from this source."""


@dataclass(frozen=True)
class TrainingData:
    """What a network was trained on."""

    sources: tuple[SourceEvents, ...]
    origins: tuple[Origin, ...]
    """The folders of labelled events, and what they were made from."""
    initial_model: Origin | None = None
    """The model that the training started from."""

    @property
    def training(self) -> dict[str, int]:
        """Training events of each process, of all sources together."""
        return _sum(source.training for source in self.sources)

    @property
    def validation(self) -> dict[str, int]:
        """Validation events of each process, of all sources together."""
        return _sum(source.validation for source in self.sources)


def source_events(mixture: Mixture) -> tuple[SourceEvents, ...]:
    """The numbers of events of each source of a mixture."""
    return tuple(
        SourceEvents(
            source.name,
            _by_process(source.dataset, source.training),
            _by_process(source.dataset, source.validation),
            source.weight,
        )
        for source in mixture.sources
    )


def write_training_data(folder: Path, data: TrainingData) -> None:
    """Write `data.json` into the folder of a run; raises OutputError where that fails."""
    content = {"format": DATA_FORMAT, **asdict(data)}
    write_text(folder / DATA_FILE, json.dumps(content, indent=1, default=str) + "\n")


def read_training_data(folder: Path) -> TrainingData | None:
    """What `write_training_data` wrote; None for a run of an earlier version, which has no such
    file.

    Raises SchemaError where the file is damaged or of another version.
    """
    return read_object_file(TrainingData, folder / DATA_FILE, DATA_FORMAT)


def _sum(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Numbers by process, added up."""
    total: dict[str, int] = {}
    for part in parts:
        for process, number in part.items():
            total[process] = total.get(process, 0) + number
    return total


def _by_process(dataset: PackedDataset, event_index: Array) -> dict[str, int]:
    """Number of the events `event_index` [event] by process."""
    counts = np.bincount(dataset.process_index[event_index], minlength=len(dataset.processes))
    return {
        str(name): int(number)
        for name, number in zip(dataset.processes, counts, strict=True)
        if number
    }
