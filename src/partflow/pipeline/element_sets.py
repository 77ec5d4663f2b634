"""Element sets of events: the final clusters are stored, the fine ones are made from the hits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from partflow.core.detector import Detector
from partflow.core.errors import ConfigError, InputError
from partflow.core.features import ELEMENT_SETS
from partflow.core.records import Events
from partflow.core.store import read_provenance, shards
from partflow.pipeline.folders import detector_of
from partflow.reconstruct.fine import fine_clusters
from partflow.reconstruct.parameters import BaselineConfig, for_noise


def check_elements(element_set: str) -> None:
    """Raise ConfigError for an unknown element set."""
    if element_set not in ELEMENT_SETS:
        raise ConfigError(f"elements {element_set!r}: choose one of {', '.join(ELEMENT_SETS)}")


def needed_for(element_set: str) -> list[str]:
    """Collections of events that the clusters of an element set are made from."""
    return ["clusters"] if element_set == "final" else ["clusters", "hits"]


@dataclass(frozen=True)
class ElementSets:
    """Adds the clusters of element sets to events of one detector."""

    detector: Detector
    clustering: BaselineConfig
    """Configuration of the clustering that made the final clusters."""
    where: str = "events"
    """Where the events come from, for messages."""

    @classmethod
    def of(cls, events: Path) -> Self:
        """The element sets of the events in a folder; raises what `detector_of` does."""
        simulation = read_provenance(shards(events, "events")[0]).config.get("simulation", {})
        has_noise = simulation.get("noise_ecal") or simulation.get("noise_hcal")
        clustering = for_noise() if has_noise else BaselineConfig()
        return cls(detector_of(events), clustering, str(events))

    def add(self, events: Events, element_sets: Iterable[str]) -> Events:
        """The events with the clusters of these element sets, as `ELEMENT_SETS` names them.

        Fine clusters depend on the hits alone. Raises InputError for events that have clusters but
        no hits, as in published data sets.
        """
        names = ELEMENT_SETS["fine"]
        if "fine" not in element_sets or names.clusters in events.collections:
            return events
        if not len(events.hits) and len(events.clusters):
            raise InputError(
                f"{self.where}: fine clusters are made from the hits, which these events do not "
                "have; use a network that was trained on final clusters"
            )
        fine = fine_clusters(events.hits, self.detector, self.clustering)
        made = {names.clusters: fine.clusters, names.hit_clusters: fine.hit_clusters}
        return events.with_collections(**made)
