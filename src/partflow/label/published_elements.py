"""Elements as the published data sets show them, and what the baseline makes of each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.features import (
    CLUSTER,
    ELEMENTS,
    NUM_PUBLISHED_FEATURES,
    TRACK,
    ClusterFeature,
    TrackFeature,
    build_elements,
    element_index_of_clusters,
    element_index_of_tracks,
)
from partflow.core.records import Array, Collection, Events
from partflow.core.schemas import TARGETS
from partflow.core.units import LIGHT_SPEED_GEV_PER_T_MM

PUBLISHED_LIGHT_SPEED_GEV_PER_T_MM = 3e-4
"""[GeV/(T mm)]"""


class ElementRows(NamedTuple):
    """Where tracks and clusters stand among the elements."""

    offsets: Array
    """[event + 1]"""
    of_track: Array
    """[track]"""
    of_cluster: Array
    """[cluster]"""

    @property
    def num_elements(self) -> int:
        """Elements of all events."""
        return int(self.offsets[-1])


def element_rows(tracks: Collection, clusters: Collection) -> ElementRows:
    """Rows of tracks and clusters in the order of the elements."""
    return ElementRows(
        tracks.offsets + clusters.offsets,
        element_index_of_tracks(tracks, clusters),
        element_index_of_clusters(tracks, clusters),
    )


def published_elements(events: Events) -> Collection:
    """ELEMENTS whose first 17 columns are the published ones; the others stay ours."""
    elements = build_elements(events.tracks, events.clusters)
    values = published_features(events)
    columns = dict(elements.columns)
    for number, name in enumerate(ELEMENTS.names[:NUM_PUBLISHED_FEATURES]):
        columns[name] = values[:, number]
    return Collection(ELEMENTS, elements.offsets, columns)


def published_features(events: Events) -> Array:
    """The published columns [element, 17] in double precision; what is not finite is 0."""
    rows = element_rows(events.tracks, events.clusters)
    values = np.zeros((rows.num_elements, NUM_PUBLISHED_FEATURES))
    with np.errstate(all="ignore"):
        values[rows.of_track] = _track_features(events)
        values[rows.of_cluster] = _cluster_features(events.clusters)
    values[~np.isfinite(values)] = 0.0
    return values


def _track_features(events: Events) -> Array:
    tracks = events.tracks
    is_full = "unrefitted_states" in events.collections
    states = events.unrefitted_states if is_full else tracks
    column = TrackFeature
    values = np.zeros((len(tracks), NUM_PUBLISHED_FEATURES))
    # pt |omega| is the bending power of the field, whatever the detector.
    bending = (
        tracks.pt
        * np.abs(tracks.omega)
        * PUBLISHED_LIGHT_SPEED_GEV_PER_T_MM
        / LIGHT_SPEED_GEV_PER_T_MM
    )
    pt = bending / np.abs(states.omega)
    values[:, column.TYPE] = TRACK
    values[:, column.PT] = pt
    values[:, column.ETA] = np.arcsinh(states.tan_lambda)
    values[:, column.SIN_PHI] = np.sin(states.phi)
    values[:, column.COS_PHI] = np.cos(states.phi)
    values[:, column.P] = pt * np.sqrt(1 + states.tan_lambda**2)
    for feature in (
        column.CHI2, column.NDF, column.DEDX, column.DEDX_ERROR, column.RADIUS_OF_INNERMOST_HIT,
    ):  # fmt: skip
        values[:, feature] = tracks.columns[feature.name.lower()]
    for feature in (column.TAN_LAMBDA, column.D0, column.OMEGA, column.Z0, column.TIME):
        values[:, feature] = states.columns[feature.name.lower()]
    return values


def _cluster_features(clusters: Collection) -> Array:
    column = ClusterFeature
    values = np.zeros((len(clusters), NUM_PUBLISHED_FEATURES))
    values[:, column.TYPE] = CLUSTER
    values[:, column.ET] = clusters.energy_em * np.sin(clusters.theta)
    values[:, column.ETA] = -np.log(np.tan(clusters.theta / 2))
    values[:, column.SIN_PHI] = np.sin(clusters.phi)
    values[:, column.COS_PHI] = np.cos(clusters.phi)
    for feature in (
        column.ENERGY, column.X, column.Y, column.Z, column.THETA, column.ENERGY_ECAL,
        column.ENERGY_HCAL, column.ENERGY_OTHER, column.NUM_HITS, column.SIGMA_X,
        column.SIGMA_Y, column.SIGMA_Z,
    ):  # fmt: skip
        values[:, feature] = clusters.columns[feature.name.lower()]
    return values


def baseline_on_elements(
    candidates: Collection, tracks: Collection, clusters: Collection
) -> Collection:
    """Candidates in the columns of targets (`ycand`), parallel to the elements.

    A candidate with a track sits on it, otherwise on its cluster; of two on one element the more
    energetic stays, and one that has neither is left out.
    """
    rows = element_rows(tracks, clusters)
    event = candidates.event_index
    track = tracks.flat_index(event, candidates.track_index)
    cluster = clusters.flat_index(event, candidates.cluster_index)
    seat = np.full(len(candidates), -1, dtype=np.int64)
    has_cluster, has_track = cluster >= 0, track >= 0
    seat[has_cluster] = rows.of_cluster[cluster[has_cluster]]
    seat[has_track] = rows.of_track[track[has_track]]
    by_energy = np.argsort(candidates.energy, kind="stable")
    seated = by_energy[seat[by_energy] >= 0]
    candidate = np.full(rows.num_elements, -1, dtype=np.int64)
    candidate[seat[seated]] = seated  # the most energetic is written last

    is_taken = candidate >= 0
    chosen = candidate[is_taken]
    pt, phi = candidates.pt[chosen], candidates.phi[chosen]
    columns = {f.name: np.zeros(rows.num_elements, dtype=f.dtype) for f in TARGETS.fields}
    columns["particle_index"][:] = -1
    for name, values in {
        "pdg_id": candidates.pdg_id[chosen],
        "charge": candidates.charge[chosen],
        "pt": pt,
        "eta": np.where(pt > 0, candidates.eta[chosen], 0.0),
        "sin_phi": np.sin(phi),
        "cos_phi": np.cos(phi),
        "energy": candidates.energy[chosen],
    }.items():
        columns[name][is_taken] = values
    return Collection(TARGETS, rows.offsets, columns)
