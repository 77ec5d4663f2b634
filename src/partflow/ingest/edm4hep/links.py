"""The file's truth links as contributions to hits and particles of tracks."""

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
from partflow.ingest.edm4hep.columns import Columns, EntryRange, read_members, read_relation
from partflow.ingest.edm4hep.faults import Faults
from partflow.ingest.edm4hep.particles import FileParticles
from partflow.ingest.edm4hep.podio import PodioFile
from partflow.ingest.edm4hep.relations import Targets, resolve
from partflow.ingest.edm4hep.tracks import TRACK_COLLECTION

HIT_LINKS, TRACK_LINK_COLLECTION = "CalohitMCTruthLink", "SiTracksMCTruthLink"
MIN_TRACK_WEIGHT = 0.2
"""Part of a track's hits that its particle must have made (mlpf-2.5)."""


class HitTruth(NamedTuple):
    """Who lit the hits of a range of events."""

    contributions: Collection
    sources: Collection
    """CONTRIBUTION_SOURCES, parallel to `contributions`."""
    num_orphans: int
    """Links left out because their particle descends from no stable one."""


class TrackTruth(NamedTuple):
    """Who made the tracks of a range of events."""

    track_particles: Collection
    links: Collection
    """TRACK_LINKS, all of them."""


class _Links(NamedTuple):
    """Links whose two ends are known, in the file's order."""

    event: Array
    origin: Array
    """Index in its event of the reconstructed object, [link]."""
    mc_row: Array
    """Row of the Monte Carlo particle, [link]."""
    mc_index: Array
    """Its index in the event, [link]."""
    weight: Array


def read_contributions(
    file: PodioFile,
    entries: EntryRange,
    hits: Targets,
    particles: FileParticles,
    faults: Faults,
) -> HitTruth:
    """Energy of each stable particle in each hit, that of its descendants included."""
    links = _read_links(file, HIT_LINKS, entries, hits, particles, faults)
    particle = particles.stable_index[links.mc_row]
    is_kept = particle >= 0
    offsets = np.searchsorted(links.event[is_kept], np.arange(entries.num_events + 1))
    contributions = Collection(
        CONTRIBUTIONS,
        offsets,
        {
            "hit_index": links.origin[is_kept],
            "particle_index": particle[is_kept],
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
    """Each track's particle: the one with the largest weight, if that is MIN_TRACK_WEIGHT.

    The track is the particle's own if the link names the stable particle itself, otherwise that
    of a secondary. Of several tracks of the same particle or secondary all but the one with the
    largest weight (of equal ones the first) are duplicates. Links between the same two count
    together. `track_counts` is [event].
    """
    targets = Targets([TRACK_COLLECTION], track_counts[None, :], [file.ids_of(TRACK_COLLECTION)])
    links = _read_links(file, TRACK_LINK_COLLECTION, entries, targets, particles, faults)
    track = targets.offsets[:-1][links.event] + links.origin
    pair, which = np.unique(np.stack([track, links.mc_row]), axis=1, return_inverse=True)
    weight = np.bincount(which.ravel(), links.weight.astype(np.float64), pair.shape[1])
    track_row, mc_row = pair
    best = np.lexsort((mc_row, -weight, track_row))
    best = best[np.unique(track_row[best], return_index=True)[1]]
    best = best[weight[best] >= MIN_TRACK_WEIGHT]

    num_tracks = int(track_counts.sum())
    best = best[np.lexsort((track_row[best], -weight[best], mc_row[best]))]
    track_row, mc_row = track_row[best], mc_row[best]
    particle = np.full(num_tracks, -1, dtype=np.int64)
    particle[track_row] = particles.stable_index[mc_row]
    is_known = particle >= 0
    is_further = np.diff(mc_row, prepend=-1) == 0
    is_duplicate, is_primary = np.zeros((2, num_tracks), dtype=bool)
    is_duplicate[track_row] = is_further
    is_primary[track_row] = particles.is_stable[mc_row] & ~is_further
    columns = {
        "particle_index": particle,
        "is_primary": is_primary & is_known,
        "is_duplicate": is_duplicate & is_known,
    }
    track_particles = Collection(TRACK_PARTICLES, targets.offsets, columns)
    columns = {"track_index": links.origin, "mc_index": links.mc_index, "weight": links.weight}
    offsets = np.searchsorted(links.event, np.arange(entries.num_events + 1))
    return TrackTruth(track_particles, Collection(TRACK_LINKS, offsets, columns))


def _read_links(
    file: PodioFile,
    name: str,
    entries: EntryRange,
    origins: Targets,
    particles: FileParticles,
    faults: Faults,
) -> _Links:
    """Links from `origins` to Monte Carlo particles; one that leads nowhere faults its event."""
    raw = read_members(file, name, ["weight"], entries)
    event = raw.event_index
    ends = {end: read_relation(file, name, end, entries) for end in ("from", "to")}
    is_torn = np.zeros(entries.num_events, dtype=bool)
    for end in ends.values():
        is_torn |= end.counts != raw.counts
    if np.any(is_torn):
        faults.add(
            np.arange(entries.num_events), is_torn, f"{name}: numbers of weights and ends differ"
        )
        raw, ends = _without(raw, is_torn), {k: _without(e, is_torn) for k, e in ends.items()}
        event = raw.event_index
    origin = resolve(file, ends["from"], event, origins, faults, f"{name} (from)")
    mc_row = resolve(file, ends["to"], event, particles.targets, faults, f"{name} (to)")
    weight = raw["weight"]
    faults.add(event, ~np.isfinite(weight), f"{name}: a weight that is no number")
    is_whole = (origin >= 0) & (mc_row >= 0) & np.isfinite(weight)
    event, mc_row, origin = event[is_whole], mc_row[is_whole], origin[is_whole]
    return _Links(
        event,
        origin - origins.offsets[:-1][event],
        mc_row,
        mc_row - particles.targets.offsets[:-1][event],
        weight[is_whole],
    )


def _without(columns: Columns, is_dropped: Array) -> Columns:
    """The columns with no object in the events that are dropped, [event]."""
    keep = ~is_dropped[columns.event_index]
    counts = np.where(is_dropped, 0, columns.counts)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return Columns(offsets, {name: values[keep] for name, values in columns.values.items()})
