"""Reconstruction of many events: hits and tracks to clusters and candidates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.detector import Detector
from partflow.core.errors import DataError
from partflow.core.hadron_scale import ScaleConstants, load_hadron_scale
from partflow.core.records import Array, Collection
from partflow.core.schemas import HIT_CLUSTERS
from partflow.reconstruct.candidates import TrackTags, build_candidates
from partflow.reconstruct.clustering import ClusteredEvents, cluster_events
from partflow.reconstruct.clusters import ClusterIdentity, build_clusters
from partflow.reconstruct.conversions import find_conversion_energy
from partflow.reconstruct.energy_balance import balance_energies
from partflow.reconstruct.event_state import ClusterKind, track_states
from partflow.reconstruct.parameters import BaselineConfig
from partflow.reconstruct.pseudolayers import calorimeters, hit_columns
from partflow.reconstruct.secondary_tracks import find_secondary_tracks

_FACE = tuple(f"face_{name}" for name in ("x", "y", "z", "dx", "dy", "dz"))


class Reconstructed(NamedTuple):
    """Clusters and candidates of the same events."""

    clusters: Collection
    """CLUSTERS."""
    hit_clusters: Collection
    """HIT_CLUSTERS, parallel to the hits. In no cluster (-1) are hits of the muon system, and the
    hits of clusters with fewer hits than `BaselineConfig.clusters.min_hits` (by default none)."""
    candidates: Collection
    """CANDIDATES."""


def reconstruct(
    hits: Collection,
    tracks: Collection,
    detector: Detector,
    config: BaselineConfig | None = None,
) -> Reconstructed:
    """Reconstruct events by rules, each one on its own.

    `hits` (HITS) and `tracks` (TRACKS) must be of the same events of `detector`.

    Raises:
        DataError: The numbers of events differ, a value is not finite, or a hit has no energy.
        ConfigError: The detector has no hadronic scale.
    """
    config = config or BaselineConfig()
    _check_input(hits, tracks)
    scale = load_hadron_scale(detector)
    clustered = _cluster(hits, tracks, detector, config, scale.constants)
    hit_clusters = Collection(
        HIT_CLUSTERS, hits.offsets, {"cluster_index": clustered.cluster_index}
    )
    clusters = build_clusters(hits, hit_clusters, clustered.num_clusters, scale, detector)
    # ClusteredEvents has cluster c of an event in the row of its hit c.
    is_cluster = hits.index_in_event < np.repeat(clustered.num_clusters, hits.counts)
    identity = ClusterIdentity(clustered.kind[is_cluster], clustered.track_index[is_cluster])
    secondary = find_secondary_tracks(tracks, detector, config.secondaries)
    conversions = find_conversion_energy(
        hits, hit_clusters, clusters, identity, tracks, secondary.is_conversion, config.secondaries
    )
    identity = _tag_conversions(identity, conversions.is_subtracted, tracks, clusters)
    energy = balance_energies(
        tracks,
        clusters,
        identity,
        secondary.is_kink_daughter,
        config.energy_balance,
        config.association,
    )
    tags = TrackTags(clustered.is_electron | secondary.is_conversion, secondary.is_kink_daughter)
    neutral_energy = energy * (1.0 - conversions.in_cluster / clusters.energy_em)
    candidates = build_candidates(
        tracks, clusters, identity, neutral_energy, tags, config.candidates
    )
    return Reconstructed(clusters, hit_clusters, candidates)


def _cluster(
    hits: Collection,
    tracks: Collection,
    detector: Detector,
    config: BaselineConfig,
    scale: ScaleConstants,
) -> ClusteredEvents:
    """Run the compiled clustering."""
    result: ClusteredEvents = cluster_events(
        hit_columns(hits),
        hits.offsets,
        track_states(tracks),
        tracks.offsets,
        config.kernel_constants(),
        scale,
        calorimeters(detector),
    )
    return result


def _tag_conversions(
    identity: ClusterIdentity, is_subtracted: Array, tracks: Collection, clusters: Collection
) -> ClusterIdentity:
    """Make electrons of the clusters of conversion tracks whose energy is in another cluster."""
    track = tracks.flat_index(clusters.event_index, identity.track_index)
    is_electron = np.append(is_subtracted, False)[track]  # -1, no track, is the last entry
    return identity._replace(kind=np.where(is_electron, ClusterKind.ELECTRON, identity.kind))


def _check_input(hits: Collection, tracks: Collection) -> None:
    """Raise DataError for events, hits or tracks that cannot be reconstructed."""
    if hits.num_events != tracks.num_events:
        raise DataError(
            f"reconstruct: hits of {hits.num_events} events, tracks of {tracks.num_events}; "
            "give hits and tracks of the same events"
        )
    _check_finite(hits, ("x", "y", "z", "energy_em"))
    _check_finite(tracks, ("pt", "tan_lambda", "phi", "d0", "z0", *_FACE))
    is_empty = hits.energy_em <= 0
    if is_empty.any():
        row = int(np.flatnonzero(is_empty)[0])
        raise DataError(
            f"hits.energy_em: {hits.energy_em[row]} GeV in event {hits.event_index[row]}; "
            "remove hits without energy, for example by a threshold"
        )


def _check_finite(collection: Collection, names: tuple[str, ...]) -> None:
    """Raise DataError if one of the columns has a value that is not finite."""
    for name in names:
        is_finite = np.isfinite(collection.columns[name])
        if not is_finite.all():
            row = int(np.flatnonzero(~is_finite)[0])
            raise DataError(
                f"{collection.schema.name}.{name}: {collection.columns[name][row]} in event "
                f"{collection.event_index[row]}; remove or correct that event"
            )
