"""Folders of simulated events that the fast simulation is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from partflow.core.detector import Detector
from partflow.core.engines import FAST, GEANT4
from partflow.core.errors import ConfigError, InputError
from partflow.core.hadron_scale import for_engine, load_hadron_scale
from partflow.core.json_objects import from_json_object
from partflow.core.provenance import Provenance, fingerprint
from partflow.core.store import read_provenance, shards
from partflow.pipeline.folders import detector_of
from partflow.simulate.config import EFFECTS, SHARED_SETTINGS, SimulationConfig

ENGINE_LABELS = {FAST: "fast, stored", GEANT4: "Geant4"}
"""How tables and plots name the engine of the stored events; FAST is that of a folder whose
provenance names none."""


@dataclass(frozen=True)
class Reference:
    """One folder of stage `events`, and how it was simulated."""

    folder: Path
    files: tuple[Path, ...]
    engine: str
    """Name of the engine in the provenance."""
    engine_settings: Any
    """Settings of that engine, as JSON values; None for the fast one."""
    config: SimulationConfig
    """Settings with which the fast engine simulates the same generator events."""

    @property
    def label(self) -> str:
        """The engine as tables and plots name it."""
        return ENGINE_LABELS.get(self.engine, self.engine)

    @property
    def is_stand_in(self) -> bool:
        """Whether the engine took its physics data from stand-in formulas."""
        settings = self.engine_settings if isinstance(self.engine_settings, dict) else {}
        data = settings.get("data")
        return bool(isinstance(data, dict) and data.get("is_stand_in"))

    @property
    def setting_label(self) -> str:
        """What differs from the plain simulation with tracker material; empty for nothing."""
        effects = [name.replace("_", " ") for name in EFFECTS if getattr(self.config, name)]
        material = [] if self.config.tracker_material else ["no tracker material"]
        return ", ".join([*material, *effects])


def read_references(folders: Sequence[Path]) -> tuple[list[Reference], Detector]:
    """The folders to compare with, and their detector.

    Raises InputError where a folder holds no simulated events or is given twice, ConfigError where
    folders are of several detectors or engines.
    """
    if not folders:
        raise ConfigError("--against: no folder; give folders of `partflow simulate`")
    references = [_read_reference(folder) for folder in folders]
    detectors = [detector_of(folder) for folder in folders]
    first = references[0]
    seen: dict[str, Path] = {}
    for reference, detector in zip(references, detectors, strict=True):
        if detector != detectors[0]:
            raise ConfigError(
                f"{reference.folder}: is of detector {detector.name}, but {first.folder} of "
                f"{detectors[0].name}; compare one detector at a time"
            )
        if (reference.engine, reference.engine_settings) != (first.engine, first.engine_settings):
            raise ConfigError(
                f"{reference.folder}: was made by engine {reference.engine} with other settings "
                f"than {first.folder} ({first.engine}); compare one engine at a time"
            )
        content = fingerprint(reference.folder)
        if content in seen:
            raise InputError(
                f"{reference.folder}: holds the same events as {seen[content]}; give each once"
            )
        seen[content] = reference.folder
    for detector in (detectors[0], for_engine(detectors[0], FAST)):
        load_hadron_scale(detector)  # raises ConfigError before any event is simulated
    return references, detectors[0]


def _read_reference(folder: Path) -> Reference:
    """A folder of events with its settings."""
    files = shards(folder, "events")
    provenance = read_provenance(files[0])
    for file in files[1:]:
        if read_provenance(file).config != provenance.config:
            raise ConfigError(
                f"{folder}: {files[0].name} and {file.name} were simulated with different "
                "settings; put each into a folder of its own"
            )
    engine = str(provenance.config.get("engine", FAST))
    return Reference(
        folder,
        tuple(files),
        engine,
        provenance.config.get(engine),
        _shared_config(provenance, folder),
    )


def _shared_config(provenance: Provenance, folder: Path) -> SimulationConfig:
    """Settings of the fast engine: shared ones from the provenance, the others by default.

    The others are parameters of its showers; it is the present ones that a comparison tests.
    """
    stored = provenance.config.get("simulation", {})
    known = {field.name for field in fields(SimulationConfig)}
    shared = {k: v for k, v in stored.items() if k in SHARED_SETTINGS and k in known}
    try:
        return from_json_object(SimulationConfig, shared)
    except ConfigError as error:
        raise ConfigError(f"{folder}: its provenance cannot be used ({error})") from error
