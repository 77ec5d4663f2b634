"""A range of events of an EDM4hep file as records."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from partflow.core.detector import Detector
from partflow.core.errors import InputError
from partflow.core.records import Array, Collection, Events
from partflow.core.schemas import (
    CLUSTERS,
    CONTRIBUTION_SOURCES,
    CONTRIBUTIONS,
    HIT_CLUSTERS,
    HITS,
    PARTICLE_DAUGHTERS,
    PARTICLE_SOURCES,
    PARTICLES,
    TRACK_LINKS,
    TRACK_PARTICLES,
    TRACKS,
    UNREFITTED_STATES,
)
from partflow.ingest.edm4hep.clusters import read_clusters
from partflow.ingest.edm4hep.columns import EntryRange, read_jagged
from partflow.ingest.edm4hep.contents import Contents, contents_of
from partflow.ingest.edm4hep.faults import Faults
from partflow.ingest.edm4hep.hits import read_hits
from partflow.ingest.edm4hep.links import read_contributions, read_track_truth
from partflow.ingest.edm4hep.particles import read_particles
from partflow.ingest.edm4hep.pfos import read_candidates
from partflow.ingest.edm4hep.podio import PodioFile
from partflow.ingest.edm4hep.tracks import read_tracks

MIN_CHUNK, MAX_CHUNK = 200, 1000
"""Events read at once: few enough for the memory, many enough for the cost of a branch."""
ENTRY_BITS = 32
HEADER = "EventHeader"
SCHEMAS = {
    "particles": PARTICLES,
    "particle_sources": PARTICLE_SOURCES,
    "particle_daughters": PARTICLE_DAUGHTERS,
    "hits": HITS,
    "tracks": TRACKS,
    "unrefitted_states": UNREFITTED_STATES,
    "clusters": CLUSTERS,
    "hit_clusters": HIT_CLUSTERS,
    "contributions": CONTRIBUTIONS,
    "contribution_sources": CONTRIBUTION_SOURCES,
    "track_particles": TRACK_PARTICLES,
    "track_links": TRACK_LINKS,
}


class BadEvent(NamedTuple):
    """An event that is left out."""

    entry: int
    """Its place in the file."""
    event_number: int | None
    """Its number by the file's own account, if it has one."""
    reason: str


class Chunk(NamedTuple):
    """A range of events of one file."""

    events: Events
    """The good ones."""
    bad_events: tuple[BadEvent, ...]
    num_orphan_links: int
    """Links between hits and particles that descend from no stable one, left out."""


def entry_ranges(file: PodioFile) -> list[EntryRange]:
    """Ranges that together are the file, cut where its largest branch is cut into baskets."""
    if file.num_events == 0:
        return []
    largest = max(file.branches.values(), key=lambda branch: int(branch.compressed_bytes))
    cuts = [int(cut) for cut in largest.entry_offsets if 0 < cut < file.num_events]
    ranges, start = [], 0
    for stop in [*cuts, file.num_events]:
        if stop - start >= MIN_CHUNK or stop == file.num_events:
            ranges += list(_pieces(start, stop))
            start = stop
    return ranges


def _pieces(start: int, stop: int) -> Iterator[EntryRange]:
    for begin in range(start, stop, MAX_CHUNK):
        yield EntryRange(begin, min(begin + MAX_CHUNK, stop))


def read_chunk(
    file: PodioFile, entries: EntryRange, detector: Detector, process: str | None = None
) -> Chunk:
    """The events of a range, those with a fault left out and named.

    `process` is what the events are said to be; without it, the file's name without a number.
    Raises InputError where a branch is missing or cannot be read.
    """
    contents = contents_of(file)
    faults = Faults(entries.num_events)
    collections, num_orphans = _collections(file, entries, detector, contents, faults)
    event_number, run_number = _header(file, entries)
    event_id, processes = _identity(file, entries, event_number, run_number, process)
    bad = tuple(
        BadEvent(
            entries.start + event,
            None if event_number is None else int(event_number[event]),
            reason,
        )
        for event, reason in faults.reasons.items()
    )
    events = Events(event_id, processes, collections)
    if bad:
        good = faults.good
        kept = {name: collection.take(good) for name, collection in collections.items()}
        events = Events(event_id[good], processes[good], kept)
    return Chunk(events, bad, num_orphans)


def _collections(
    file: PodioFile, entries: EntryRange, detector: Detector, contents: Contents, faults: Faults
) -> tuple[dict[str, Collection], int]:
    """Every collection of the stage `events`, those that cannot be had empty."""
    found = {name: Collection.empty(s, entries.num_events) for name, s in SCHEMAS.items()}
    num_orphans = 0
    hits = read_hits(file, entries, detector) if contents.has_hits else None
    if hits is not None:
        no_cluster = np.full(len(hits.hits), -1)
        found["hits"] = hits.hits
        found["hit_clusters"] = Collection(
            HIT_CLUSTERS, hits.hits.offsets, {"cluster_index": no_cluster}
        )
    if contents.has_tracks:
        tracks = read_tracks(file, entries, detector, faults)
        found |= {"tracks": tracks.tracks, "unrefitted_states": tracks.unrefitted_states}
        found["track_particles"] = _unknown_particles(tracks.tracks)
    if contents.has_clusters:
        clusters = read_clusters(file, entries, hits, detector, faults)
        found |= {"clusters": clusters.clusters, "hit_clusters": clusters.hit_clusters}
    found["baseline"] = read_candidates(
        file, entries, found["tracks"].counts, found["clusters"].counts, faults
    )
    if contents.has_particles:
        particles = read_particles(file, entries, faults)
        found["particles"] = particles.particles
        found["particle_sources"] = particles.sources
        found["particle_daughters"] = particles.daughters
        if contents.has_contributions and hits is not None:
            truth = read_contributions(file, entries, hits.targets, particles, faults)
            found["contributions"] = truth.contributions
            found["contribution_sources"] = truth.sources
            num_orphans = truth.num_orphans
        if contents.has_track_truth:
            made = read_track_truth(file, entries, found["tracks"].counts, particles, faults)
            found |= {"track_particles": made.track_particles, "track_links": made.links}
    return found, num_orphans


def _unknown_particles(tracks: Collection) -> Collection:
    columns = {"particle_index": np.full(len(tracks), -1), "is_primary": np.zeros(len(tracks))}
    return Collection(TRACK_PARTICLES, tracks.offsets, columns)


def _header(file: PodioFile, entries: EntryRange) -> tuple[Array | None, Array | None]:
    """The file's own numbers of events and runs, where it has one for each event."""
    numbers = []
    for member in ("eventNumber", "runNumber"):
        name = f"{HEADER}.{member}"
        if name not in file.branches:
            return None, None
        offsets, values = read_jagged(file, name, entries)
        if np.any(np.diff(offsets) != 1):
            return None, None
        numbers.append(values)
    return numbers[0], numbers[1]


def _identity(
    file: PodioFile,
    entries: EntryRange,
    event_number: Array | None,
    run_number: Array | None,
    process: str | None,
) -> tuple[Array, Array]:
    """Id and process of each event.

    Events that we wrote keep theirs. Others are known by the name of their file and their place
    in it, since every file of a production may count from 0.
    """
    if file.made_by_partflow and event_number is not None and run_number is not None:
        names = _process_names(file)
        if np.all((run_number >= 0) & (run_number < len(names))):
            own = np.array(names, dtype=object)[run_number.astype(np.int64)]
            return event_number.astype(np.int64), own
    digest = hashlib.blake2b(file.name.encode(), digest_size=4).digest()
    file_hash = int.from_bytes(digest, "big") >> 1  # 31 bits: ids stay positive
    event_id = (file_hash << ENTRY_BITS) + np.arange(entries.start, entries.stop)
    name = process or process_of(file.path.name)
    return event_id.astype(np.int64), np.full(entries.num_events, name, dtype=object)


def process_of(file_name: str) -> str:
    """What a file's name says its events are: the name without ending and number.

    >>> process_of("reco_p8_ee_tt_ecm380_10042.root")
    'reco_p8_ee_tt_ecm380'
    """
    stem = re.sub(r"(\.edm4hep)?\.root$", "", file_name)
    return re.sub(r"[_.-]\d+$", "", stem) or stem


def _process_names(file: PodioFile) -> list[str]:
    try:
        return [str(name) for name in json.loads(file.made_by_partflow)["processes"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file.path}: what partflow wrote about it cannot be read; the file is damaged"
        ) from error
