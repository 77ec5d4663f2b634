"""Engines of the simulation, as `partflow simulate --engine` and the provenance name them."""

from __future__ import annotations

from pathlib import Path

from partflow.core.provenance import Provenance
from partflow.core.store import read_provenance, shards

FAST, GEANT4 = "fast", "geant4"
INGESTED = "ingested"
"""Takes the place of an engine where events are from files of another program."""
STAND_IN_WARNING = (
    "Geant4 with stand-in data: simple formulas take the place of its own data sets, so the "
    "showers of these events are approximate."
)
"""Stands on every page that is made from such events."""


def uses_stand_in_data(provenance: Provenance) -> bool:
    """Whether events were simulated by Geant4 with stand-in data."""
    settings = provenance.config.get(GEANT4)
    data = settings.get("data") if isinstance(settings, dict) else None
    return bool(isinstance(data, dict) and data.get("is_stand_in"))


def engine_of(events: Path) -> str | None:
    """What made the events in a folder: FAST, GEANT4 or INGESTED.

    None where they do not say so, or where shards differ.
    """
    origins = {_origin(read_provenance(file)) for file in shards(events, "events")}
    return origins.pop() if len(origins) == 1 else None


def warning_of(events: Path) -> str:
    """STAND_IN_WARNING for a folder with such events, else an empty string."""
    files = shards(events, "events")
    return STAND_IN_WARNING if any(uses_stand_in_data(read_provenance(f)) for f in files) else ""


def _origin(provenance: Provenance) -> str | None:
    """What made the events of a shard; None where its provenance does not say so."""
    config = provenance.config
    if "process" in config:  # only `partflow ingest` stores it in the provenance of events
        return INGESTED
    engine = config.get("engine")
    return engine if engine in (FAST, GEANT4) else None
