"""Engines of the simulation, as `partflow simulate --engine` and the provenance name them."""

from __future__ import annotations

from pathlib import Path

from partflow.core.provenance import Provenance
from partflow.core.store import read_provenance, shards

FAST, GEANT4 = "fast", "geant4"
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


def warning_of(events: Path) -> str:
    """STAND_IN_WARNING for a folder with such events, else an empty string."""
    files = shards(events, "events")
    return STAND_IN_WARNING if any(uses_stand_in_data(read_provenance(f)) for f in files) else ""
