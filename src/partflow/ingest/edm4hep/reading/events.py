"""A range of events of an EDM4hep file as records."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from partflow.core.detector import Detector
from partflow.core.errors import InputError
from partflow.core.records import Array, Collection, Events
from partflow.core.schemas import EVENT_WEIGHT, HIT_CLUSTERS, TRACK_PARTICLES
from partflow.core.store import FULL_SIMULATION, STAGES, schema_of
from partflow.ingest.edm4hep.columns import EntryRange, read_jagged
from partflow.ingest.edm4hep.names import HEADER
from partflow.ingest.edm4hep.podio import PodioFile
from partflow.ingest.edm4hep.reading.candidates import read_candidates
from partflow.ingest.edm4hep.reading.clusters import read_clusters
from partflow.ingest.edm4hep.reading.contents import Contents, contents_of
from partflow.ingest.edm4hep.reading.faults import Faults
from partflow.ingest.edm4hep.reading.hits import read_hits
from partflow.ingest.edm4hep.reading.links import read_contributions, read_track_truth
from partflow.ingest.edm4hep.reading.particles import read_particles
from partflow.ingest.edm4hep.reading.tracks import read_tracks
from partflow.ingest.files import file_event_ids
from partflow.ingest.report import BadEvent

MIN_CHUNK, MAX_CHUNK = 200, 1000
"""Events read at once: the more, the less a branch costs; the fewer, the less memory is used."""


class Chunk(NamedTuple):
    """A range of events of one file."""

    events: Events
    """The good ones."""
    bad_events: tuple[BadEvent, ...]
    num_orphan_links: int
    """Links left out because their particle descends from no stable one."""


class _Header(NamedTuple):
    """Numbers that the file gives to its events."""

    event_number: Array
    """[event]"""
    run_number: Array
    """[event]"""


def entry_ranges(file: PodioFile) -> list[EntryRange]:
    """Ranges that cover the file, cut where its largest branch is cut into baskets."""
    if file.num_events == 0:
        return []
    largest = max(file.branches.values(), key=lambda branch: int(branch.compressed_bytes))
    cuts = [int(cut) for cut in largest.entry_offsets if 0 < cut < file.num_events]
    ranges, start = [], 0
    for stop in [*cuts, file.num_events]:
        if stop - start >= MIN_CHUNK or stop == file.num_events:
            ranges += list(_short_ranges(start, stop))
            start = stop
    return ranges


def _short_ranges(start: int, stop: int) -> Iterator[EntryRange]:
    """Ranges of at most MAX_CHUNK events that cover `start` to `stop`."""
    for begin in range(start, stop, MAX_CHUNK):
        yield EntryRange(begin, min(begin + MAX_CHUNK, stop))


def read_event_weight(file: PodioFile) -> Array | None:
    """Weight of each event of a file, [event]; None where no event has a weight other than 1.

    EDM4hep writes 0 where a generator gave no weights: a file with nothing else has none.
    """
    name = f"{HEADER}.weight"
    if name not in file.branches or file.num_events == 0:
        return None
    offsets, weight = read_jagged(file, name, EntryRange(0, file.num_events))
    if np.any(np.diff(offsets) != 1) or np.all(weight == 0) or np.all(weight == 1):
        return None
    return weight.astype(np.float64)


def read_chunk(
    file: PodioFile,
    entries: EntryRange,
    detector: Detector,
    process: str | None = None,
    event_weight: Array | None = None,
) -> Chunk:
    """The events of a range; bad events are skipped and listed.

    `process` names the process of the events; by default it is the name of the file without its
    number. `event_weight` is that of all events of the file, if they have weights
    (`read_event_weight`). Raises InputError where a branch is missing or cannot be read.
    """
    contents = contents_of(file)
    faults = Faults(entries.num_events)
    collections, num_orphan_links = _read_collections(file, entries, detector, contents, faults)
    if event_weight is not None:
        weight = event_weight[entries.start : entries.stop]
        rows = np.arange(entries.num_events)
        faults.add(rows, ~np.isfinite(weight), f"{HEADER}: a weight that is not finite")
        collections["event_weight"] = Collection(
            EVENT_WEIGHT, np.arange(entries.num_events + 1), {"weight": weight}
        )
    header = _read_header(file, entries)
    event_id, processes = _identify(file, entries, header, process)
    bad = tuple(
        BadEvent(
            entries.start + event,
            None if header is None else int(header.event_number[event]),
            reason,
        )
        for event, reason in faults.reasons.items()
    )
    events = Events(event_id, processes, collections)
    if bad:
        good = faults.good
        kept = {name: collection.take(good) for name, collection in collections.items()}
        events = Events(event_id[good], processes[good], kept)
    return Chunk(events, bad, num_orphan_links)


def _read_collections(
    file: PodioFile, entries: EntryRange, detector: Detector, contents: Contents, faults: Faults
) -> tuple[dict[str, Collection], int]:
    """Every collection of a full simulation, empty where the file lacks it; number of orphan links.

    The order of the calls decides which fault of a bad event is reported.
    """
    collections = {
        name: Collection.empty(schema_of("events", name), entries.num_events)
        for name in (*STAGES["events"], *FULL_SIMULATION)
    }
    num_orphan_links = 0
    hits = read_hits(file, entries, detector) if contents.has_hits else None
    if hits is not None:
        no_cluster = {"cluster_index": np.full(len(hits.hits), -1)}
        collections["hits"] = hits.hits
        collections["hit_clusters"] = Collection(HIT_CLUSTERS, hits.hits.offsets, no_cluster)
    if contents.has_tracks:
        tracks = read_tracks(file, entries, detector, faults)
        collections |= tracks._asdict()
        collections["track_particles"] = _unknown_particles(tracks.tracks)
    if contents.has_clusters:
        collections |= read_clusters(file, entries, hits, detector, faults)._asdict()
    track_counts, cluster_counts = collections["tracks"].counts, collections["clusters"].counts
    collections["baseline"] = read_candidates(file, entries, track_counts, cluster_counts, faults)
    if contents.has_particles:
        particles = read_particles(file, entries, faults)
        collections["particles"] = particles.particles
        collections["particle_sources"] = particles.sources
        collections["particle_daughters"] = particles.daughters
        if contents.has_contributions and hits is not None:
            hit_truth = read_contributions(file, entries, hits.table, particles, faults)
            collections["contributions"] = hit_truth.contributions
            collections["contribution_sources"] = hit_truth.sources
            num_orphan_links = hit_truth.num_orphan_links
        if contents.has_track_truth:
            track_truth = read_track_truth(file, entries, track_counts, particles, faults)
            collections["track_particles"] = track_truth.track_particles
            collections["track_links"] = track_truth.links
    return collections, num_orphan_links


def _unknown_particles(tracks: Collection) -> Collection:
    """TRACK_PARTICLES of tracks whose particles are not known."""
    columns = {"particle_index": np.full(len(tracks), -1), "is_primary": np.zeros(len(tracks))}
    return Collection(TRACK_PARTICLES, tracks.offsets, columns)


def _read_header(file: PodioFile, entries: EntryRange) -> _Header | None:
    """Event and run numbers; None where the file does not have one for each event."""
    numbers = []
    for member in ("eventNumber", "runNumber"):
        name = f"{HEADER}.{member}"
        if name not in file.branches:
            return None
        offsets, values = read_jagged(file, name, entries)
        if np.any(np.diff(offsets) != 1):
            return None
        numbers.append(values)
    return _Header(*numbers)


def _identify(
    file: PodioFile, entries: EntryRange, header: _Header | None, process: str | None
) -> tuple[Array, Array]:
    """Id and process of each event.

    Events that partflow wrote keep theirs. The ids of others follow from the name of the file and
    the position in it, since every file of a production may count from 0.
    """
    if file.is_from_partflow and header is not None:
        run, names = header.run_number, _processes_from_partflow(file)
        if np.all((run >= 0) & (run < len(names))):
            processes = np.array(names, dtype=object)[run.astype(np.int64)]
            return header.event_number.astype(np.int64), processes
    name = process or process_of(file.path.name)
    event_id = file_event_ids(file.name, np.arange(entries.start, entries.stop))
    return event_id, np.full(entries.num_events, name, dtype=object)


def process_of(file_name: str) -> str:
    """The process that the name of a file tells: the name without ending and number.

    >>> process_of("reco_p8_ee_tt_ecm380_10042.root")
    'reco_p8_ee_tt_ecm380'
    """
    stem = re.sub(r"(\.edm4hep)?\.root$", "", file_name)
    return re.sub(r"[_.-]\d+$", "", stem) or stem


def _processes_from_partflow(file: PodioFile) -> list[str]:
    """Processes by run number, from the description that our writer stores."""
    try:
        return [str(name) for name in json.loads(file.partflow_metadata)["processes"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file.path}: the description that partflow stored in it cannot be read; "
            "the file is damaged"
        ) from error
