"""The truth links of a file: contributions to hits, and the particles of tracks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.records import Array, Collection
from partflow.core.schemas import (
    CONTRIBUTION_SOURCES,
    CONTRIBUTIONS,
    TRACK_LINKS,
    TRACK_PARTICLES,
)
from partflow.core.truth import MIN_TRACK_WEIGHT
from partflow.ingest.edm4hep.columns import (
    EntryRange,
    MemberColumns,
    read_members,
    read_relation,
)
from partflow.ingest.edm4hep.names import (
    HIT_LINK_COLLECTION,
    TRACK_COLLECTION,
    TRACK_LINK_COLLECTION,
)
from partflow.ingest.edm4hep.podio import PodioFile
from partflow.ingest.edm4hep.reading.faults import Faults
from partflow.ingest.edm4hep.reading.particles import FileParticles
from partflow.ingest.edm4hep.reading.relations import IdTable, resolve


class HitTruth(NamedTuple):
    """Particles that deposited energy in the hits of a range of events."""

    contributions: Collection
    sources: Collection
    """CONTRIBUTION_SOURCES, parallel to `contributions`."""
    num_orphan_links: int
    """Links left out because their particle descends from no stable one."""


class TrackTruth(NamedTuple):
    """Particles of the tracks of a range of events."""

    track_particles: Collection
    links: Collection
    """TRACK_LINKS, all of them."""


class _Links(NamedTuple):
    """Links whose two ends are known, in the order of the file."""

    event: Array
    """[link]"""
    object_index: Array
    """Index in its event of the hit or track, [link]."""
    mc_row: Array
    """Row of the MC particle, [link]."""
    mc_index: Array
    """Its index in the event, [link]."""
    weight: Array
    """[link]"""


def read_contributions(
    file: PodioFile,
    entries: EntryRange,
    hits: IdTable,
    particles: FileParticles,
    faults: Faults,
) -> HitTruth:
    """Energy of each stable particle in each hit, that of its descendants included."""
    links = _read_links(file, HIT_LINK_COLLECTION, entries, hits, particles, faults)
    particle_index = particles.stable_index[links.mc_row]
    is_kept = particle_index >= 0
    offsets = np.searchsorted(links.event[is_kept], np.arange(entries.num_events + 1))
    contributions = Collection(
        CONTRIBUTIONS,
        offsets,
        {
            "hit_index": links.object_index[is_kept],
            "particle_index": particle_index[is_kept],
            "energy_em": links.weight[is_kept],
        },
    )
    sources = Collection(CONTRIBUTION_SOURCES, offsets, {"mc_index": links.mc_index[is_kept]})
    return HitTruth(contributions, sources, int(np.sum(~is_kept)))


def read_track_truth(
    file: PodioFile,
    entries: EntryRange,
    track_counts: Array,
    particles: FileParticles,
    faults: Faults,
) -> TrackTruth:
    """The particle of each track: the one of largest weight, from MIN_TRACK_WEIGHT on.

    `track_counts` is [event]. Weights of links between the same track and particle are added. The
    track is primary if the links name the stable particle itself, otherwise it is the track of a
    secondary. Of several tracks of one particle or secondary the one of largest weight (of equal
    weights the first) is the original; the others are duplicates.
    """
    table = IdTable([TRACK_COLLECTION], track_counts[None, :], [file.ids_of(TRACK_COLLECTION)])
    links = _read_links(file, TRACK_LINK_COLLECTION, entries, table, particles, faults)
    track = table.offsets[:-1][links.event] + links.object_index
    pair, which = np.unique(np.stack([track, links.mc_row]), axis=1, return_inverse=True)
    weight = np.bincount(which.ravel(), links.weight.astype(np.float64), pair.shape[1])
    track_row, mc_row = pair
    best = np.lexsort((mc_row, -weight, track_row))
    best = best[np.unique(track_row[best], return_index=True)[1]]
    best = best[weight[best] >= MIN_TRACK_WEIGHT]

    num_tracks = int(track_counts.sum())
    best = best[np.lexsort((track_row[best], -weight[best], mc_row[best]))]
    track_row, mc_row = track_row[best], mc_row[best]
    particle_index = np.full(num_tracks, -1, dtype=np.int64)
    particle_index[track_row] = particles.stable_index[mc_row]
    is_known = particle_index >= 0
    is_further = np.diff(mc_row, prepend=-1) == 0
    is_duplicate, is_primary = np.zeros((2, num_tracks), dtype=bool)
    is_duplicate[track_row] = is_further
    is_primary[track_row] = particles.is_stable[mc_row] & ~is_further
    columns = {
        "particle_index": particle_index,
        "is_primary": is_primary & is_known,
        "is_duplicate": is_duplicate & is_known,
    }
    track_particles = Collection(TRACK_PARTICLES, table.offsets, columns)
    columns = {
        "track_index": links.object_index, "mc_index": links.mc_index, "weight": links.weight,
    }  # fmt: skip
    offsets = np.searchsorted(links.event, np.arange(entries.num_events + 1))
    return TrackTruth(track_particles, Collection(TRACK_LINKS, offsets, columns))


def _read_links(
    file: PodioFile,
    name: str,
    entries: EntryRange,
    objects: IdTable,
    particles: FileParticles,
    faults: Faults,
) -> _Links:
    """Links from hits or tracks, `objects`, to MC particles.

    A link that points nowhere, and a weight that is not finite, are faults of their event.
    """
    raw = read_members(file, name, ["weight"], entries)
    ends = {end: read_relation(file, name, end, entries) for end in ("from", "to")}
    is_torn = np.zeros(entries.num_events, dtype=bool)
    for end in ends.values():
        is_torn |= end.counts != raw.counts
    if np.any(is_torn):
        faults.add(
            np.arange(entries.num_events), is_torn, f"{name}: numbers of weights and ends differ"
        )
        raw = _without_events(raw, is_torn)
        ends = {end: _without_events(ids, is_torn) for end, ids in ends.items()}
    event, weight = raw.event_index, raw["weight"]
    object_row = resolve(file, ends["from"], event, objects, faults, f"{name} (from)")
    mc_row = resolve(file, ends["to"], event, particles.table, faults, f"{name} (to)")
    faults.add(event, ~np.isfinite(weight), f"{name}: a weight that is not finite")
    is_whole = (object_row >= 0) & (mc_row >= 0) & np.isfinite(weight)
    event, mc_row, object_row = event[is_whole], mc_row[is_whole], object_row[is_whole]
    return _Links(
        event,
        object_row - objects.offsets[:-1][event],
        mc_row,
        mc_row - particles.table.offsets[:-1][event],
        weight[is_whole],
    )


def _without_events(columns: MemberColumns, is_dropped: Array) -> MemberColumns:
    """The columns without the objects of the events that are dropped, [event]."""
    keep = ~is_dropped[columns.event_index]
    counts = np.where(is_dropped, 0, columns.counts)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return MemberColumns(offsets, {name: values[keep] for name, values in columns.values.items()})
