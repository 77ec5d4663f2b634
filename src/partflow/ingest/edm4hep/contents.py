"""What an EDM4hep file holds of what we read, and what it costs where something is missing."""

from __future__ import annotations

from typing import NamedTuple

from partflow.core.errors import SchemaError
from partflow.ingest.edm4hep.clusters import CLUSTER_COLLECTION
from partflow.ingest.edm4hep.hits import HIT_COLLECTIONS, hit_collections
from partflow.ingest.edm4hep.links import HIT_LINKS, TRACK_LINK_COLLECTION
from partflow.ingest.edm4hep.particles import MC_COLLECTION
from partflow.ingest.edm4hep.pfos import PFO_COLLECTIONS, pfo_collection
from partflow.ingest.edm4hep.podio import EVENT_TREE, PodioFile
from partflow.ingest.edm4hep.tracks import TRACK_COLLECTION


class Missing(NamedTuple):
    """Something that a file does not hold."""

    what: str
    cost: str
    """What cannot be done without it."""


class Contents(NamedTuple):
    """Which parts of an event can be read."""

    has_particles: bool
    has_hits: bool
    has_tracks: bool
    has_clusters: bool
    has_contributions: bool
    """Hits and their links to particles."""
    has_track_truth: bool
    missing: tuple[Missing, ...]


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
    has_contributions = has_particles and has_hits and file.has(HIT_LINKS)
    has_track_truth = has_particles and has_tracks and file.has(TRACK_LINK_COLLECTION)
    missing = [
        Missing(what, cost)
        for is_there, what, cost in (
            (has_particles, MC_COLLECTION, "no truth: nothing can be labelled or judged"),
            (
                has_hits,
                f"hits ({', '.join(HIT_COLLECTIONS)})",
                "clusters without spread, with the energies that Pandora stores",
            ),
            (
                has_contributions,
                HIT_LINKS if has_hits else f"{HIT_LINKS} with its hits",
                "no labels from clusters: a particle without a track of its own gets no target",
            ),
            (has_tracks, TRACK_COLLECTION, "no tracks among the elements"),
            (has_track_truth, TRACK_LINK_COLLECTION, "no labels from tracks"),
            (has_clusters, CLUSTER_COLLECTION, "no clusters among the elements"),
            (
                pfo_collection(file) is not None,
                " or ".join(PFO_COLLECTIONS),
                "no baseline to compare with",
            ),
        )
        if not is_there
    ]
    return Contents(
        has_particles,
        has_hits,
        has_tracks,
        has_clusters,
        has_contributions,
        has_track_truth,
        tuple(missing),
    )
