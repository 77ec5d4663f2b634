"""Hits and tracks of many events to clusters and candidates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.detector import FACE_NONE, Detector
from partflow.core.errors import DataError
from partflow.core.hadron_scale import energy_bin, load_hadron_scale
from partflow.core.records import Array, Collection
from partflow.core.schemas import HIT_CLUSTERS
from partflow.reconstruct.candidates import build_candidates
from partflow.reconstruct.chain import ClusteredHits, HitColumns, cluster_events
from partflow.reconstruct.clusters import build_clusters
from partflow.reconstruct.conversions import energy_of_legs
from partflow.reconstruct.energy_flow import balanced_energies
from partflow.reconstruct.event import TRACK, Kind
from partflow.reconstruct.parameters import BaselineConfig
from partflow.reconstruct.pseudolayers import calorimeters
from partflow.reconstruct.secondaries import find_secondaries


class Reconstructed(NamedTuple):
    """What the baseline makes of events; all of them have the same number of events."""

    clusters: Collection
    hit_clusters: Collection
    """Parallel to the hits. In no cluster (-1) are hits of the muon system, and those of clusters
    that have less than `BaselineConfig.clusters.min_hits` (by default there are none)."""
    candidates: Collection


def reconstruct(
    hits: Collection,
    tracks: Collection,
    detector: Detector,
    config: BaselineConfig | None = None,
) -> Reconstructed:
    """Clusters and candidates of the rule-based baseline; an event depends on itself alone.

    Raises DataError where hits and tracks are not of the same events, or hold values that
    cannot be (NaN, a hit without energy), and ConfigError where the detector has no hadronic
    scale.
    """
    config = config or BaselineConfig()
    if hits.num_events != tracks.num_events:
        raise DataError(
            f"reconstruct: hits of {hits.num_events} events, tracks of {tracks.num_events}; "
            "give both of the same events"
        )
    _check_values(hits, ("x", "y", "z", "energy_em"))
    _check_values(tracks, ("pt", "tan_lambda", "phi", "d0", "z0", "face_x", "face_y", "face_z"))
    _check_values(tracks, ("face_dx", "face_dy", "face_dz"))
    if np.any(hits.energy_em <= 0):
        row = int(np.flatnonzero(hits.energy_em <= 0)[0])
        raise DataError(
            f"hits.energy_em: {hits.energy_em[row]} GeV in event {_event_of(hits, row)}; "
            "apply a threshold above 0 first"
        )
    scale = load_hadron_scale(detector)
    secondaries = find_secondaries(tracks, detector, config.secondaries)
    lines = _lines(tracks)
    found = _cluster(hits, lines, tracks.offsets, detector, config, scale.constants)
    hit_clusters = Collection(HIT_CLUSTERS, hits.offsets, {"cluster_index": found.cluster})
    clusters = build_clusters(hits, hit_clusters, found.num_clusters, scale, detector)
    in_use = np.arange(len(hits)) - np.repeat(hits.offsets[:-1], hits.counts) < np.repeat(
        found.num_clusters, hits.counts
    )
    kind, cluster_track = found.kind[in_use], found.track[in_use]
    legs = energy_of_legs(
        hits,
        found.cluster,
        clusters,
        kind,
        cluster_track,
        lines,
        secondaries.is_leg,
        tracks.offsets,
        config.secondaries,
    )
    own_track = tracks.flat_index(clusters.event_index, cluster_track)
    is_settled = np.append(legs.is_settled, False)[own_track]  # -1, no track, is the last
    kind = np.where(is_settled, Kind.ELECTRON, kind)
    candidates = build_candidates(
        tracks,
        clusters,
        kind=kind,
        cluster_track=cluster_track,
        is_electron=found.is_electron,
        neutral_energy=balanced_energies(
            tracks,
            clusters,
            kind,
            cluster_track,
            config.energy_flow,
            config.association,
            secondaries.is_daughter,
        ),
        secondaries=secondaries,
        energy_of_legs=legs.of_cluster,
        config=config.candidates,
    )
    return Reconstructed(clusters, hit_clusters, candidates)


def _lines(tracks: Collection) -> Array:
    """Rows of `event.TRACK`."""
    lines = np.empty(len(tracks), dtype=TRACK)
    for name in ("x", "y", "z", "dx", "dy", "dz"):
        lines[name] = tracks.columns[f"face_{name}"]
    lines["momentum"] = tracks.pt * np.sqrt(1 + tracks.tan_lambda**2)
    lines["reaches"] = tracks.face_region != FACE_NONE
    return lines


def _cluster(
    hits: Collection,
    lines: Array,
    track_offsets: Array,
    detector: Detector,
    config: BaselineConfig,
    scale: object,
) -> ClusteredHits:
    """The compiled chain on the columns it needs, in double precision."""
    x, y, z, energy = (
        hits.columns[name].astype(np.float64) for name in ("x", "y", "z", "energy_em")
    )
    columns = HitColumns(
        x,
        y,
        z,
        energy,
        hits.energy_em.view(np.int32),
        hits.subdetector,
        energy_bin(hits.energy_em, hits.subdetector).astype(np.int64),
    )
    found: ClusteredHits = cluster_events(
        columns,
        hits.offsets,
        lines,
        track_offsets,
        config.record(),
        scale,
        calorimeters(detector),
    )
    return found


def _check_values(collection: Collection, names: tuple[str, ...]) -> None:
    for name in names:
        finite = np.isfinite(collection.columns[name])
        if not finite.all():
            row = int(np.flatnonzero(~finite)[0])
            raise DataError(
                f"{collection.schema.name}.{name}: {collection.columns[name][row]} in event "
                f"{_event_of(collection, row)}; remove or mend that event"
            )


def _event_of(collection: Collection, row: int) -> int:
    """Event (its place in the collection) that holds a row."""
    offsets: Array = collection.offsets
    return int(np.searchsorted(offsets, row, side="right")) - 1
