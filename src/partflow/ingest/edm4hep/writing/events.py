"""Events as the members of EDM4hep collections: the inverse of `reading.events`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from partflow.core.detector import Detector
from partflow.core.records import Array, Collection, Events
from partflow.ingest.edm4hep.columns import MemberColumns
from partflow.ingest.edm4hep.names import HEADER, PFO_COLLECTIONS
from partflow.ingest.edm4hep.writing.calorimeter import (
    cluster_columns,
    hit_columns,
    hit_link_columns,
)
from partflow.ingest.edm4hep.writing.candidates import candidate_columns
from partflow.ingest.edm4hep.writing.particles import particle_columns
from partflow.ingest.edm4hep.writing.tracks import track_columns


def event_columns(
    events: Events, run_number: Array, detector: Detector, candidates: Mapping[str, Collection]
) -> dict[str, MemberColumns]:
    """Members of all EDM4hep collections and relations of these events, by branch.

    `run_number` is [event]. `candidates` are candidate sets besides the
    baseline, by the name of the ReconstructedParticle collection to write.
    """
    header: dict[str, Array] = {
        "eventNumber": events.event_id.astype(np.uint64),
        "runNumber": run_number.astype(np.uint32),
        "timeStamp": np.zeros(len(events), dtype=np.uint64),
        "weight": (
            events.event_weight.weight
            if "event_weight" in events.collections
            else np.ones(len(events))
        ),
    }
    hits = hit_columns(events.hits, detector)
    columns = {HEADER: MemberColumns(np.arange(len(events) + 1), header)}
    columns |= particle_columns(events)
    columns |= hits.columns
    columns |= cluster_columns(events.clusters, events.hit_clusters, hits)
    columns |= track_columns(events.tracks)
    columns |= hit_link_columns(events.contributions, events.hits, hits)
    for name, collection in {PFO_COLLECTIONS[0]: events.baseline, **candidates}.items():
        columns |= candidate_columns(name, collection)
    return columns
