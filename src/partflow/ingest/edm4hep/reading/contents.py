"""Which parts of an event an EDM4hep file holds, and what is impossible without the others."""

from __future__ import annotations

from typing import NamedTuple

from partflow.core.errors import SchemaError
from partflow.ingest.edm4hep.names import (
    CLUSTER_COLLECTION,
    EVENT_TREE,
    HIT_COLLECTIONS,
    HIT_LINK_COLLECTION,
    MC_COLLECTION,
    PFO_COLLECTIONS,
    TRACK_COLLECTION,
    TRACK_LINK_COLLECTION,
)
from partflow.ingest.edm4hep.podio import PodioFile
from partflow.ingest.edm4hep.reading.candidates import pfo_collection
from partflow.ingest.edm4hep.reading.hits import hit_collections
from partflow.ingest.report import MissingPart


class Contents(NamedTuple):
    """Which parts of an event can be read."""

    has_particles: bool
    has_hits: bool
    has_tracks: bool
    has_clusters: bool
    has_contributions: bool
    """Hits and their links to particles."""
    has_track_truth: bool
    missing: tuple[MissingPart, ...]


def contents_of(file: PodioFile) -> Contents:
    """What can be read of a file.

    Raises SchemaError where it holds neither tracks nor clusters.
    """
    has_particles = file.has(MC_COLLECTION)
    has_hits = bool(hit_collections(file))
    has_tracks, has_clusters = file.has(TRACK_COLLECTION), file.has(CLUSTER_COLLECTION)
    if not has_tracks and not has_clusters:
        raise SchemaError(
            f"{file.path}: no '{TRACK_COLLECTION}' and no '{CLUSTER_COLLECTION}' in tree "
            f"'{EVENT_TREE}'; is this a REC file?"
        )
    has_contributions = has_particles and has_hits and file.has(HIT_LINK_COLLECTION)
    has_track_truth = has_particles and has_tracks and file.has(TRACK_LINK_COLLECTION)
    contents = Contents(
        has_particles, has_hits, has_tracks, has_clusters, has_contributions, has_track_truth, ()
    )
    return contents._replace(missing=_missing_parts(contents, pfo_collection(file) is not None))


def _missing_parts(contents: Contents, has_candidates: bool) -> tuple[MissingPart, ...]:
    """What a file with these contents lacks, and what is impossible without it."""
    hits = f"hits ({', '.join(HIT_COLLECTIONS)})"
    hit_links = HIT_LINK_COLLECTION if contents.has_hits else f"{HIT_LINK_COLLECTION} with its hits"
    parts = (
        (contents.has_particles, MC_COLLECTION, "no truth: nothing can be labelled or evaluated"),
        (contents.has_hits, hits, "clusters without spread, with the energies that Pandora stores"),
        (
            contents.has_contributions,
            hit_links,
            "no labels from clusters: a particle without a track of its own gets no target",
        ),
        (contents.has_tracks, TRACK_COLLECTION, "no tracks among the elements"),
        (contents.has_track_truth, TRACK_LINK_COLLECTION, "no labels from tracks"),
        (contents.has_clusters, CLUSTER_COLLECTION, "no clusters among the elements"),
        (has_candidates, " or ".join(PFO_COLLECTIONS), "no baseline to compare with"),
    )
    return tuple(MissingPart(what, cost) for is_there, what, cost in parts if not is_there)
