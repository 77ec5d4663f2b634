"""Elements with the features of the published data sets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.features import (
    ELEMENTS,
    NUM_PUBLISHED_FEATURES,
    TRACK,
    ClusterFeature,
    TrackFeature,
    build_elements,
    element_index_of_clusters,
    element_index_of_tracks,
    published_cluster_features,
)
from partflow.core.records import Array, Collection, Events
from partflow.core.units import LIGHT_SPEED_GEV_PER_T_MM

PUBLISHED_LIGHT_SPEED_GEV_PER_T_MM = 3e-4
"""[GeV/(T mm)]"""


class ElementRows(NamedTuple):
    """Rows of tracks and clusters among the elements."""

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
    """ELEMENTS whose first 17 columns have the published values; the others are ours."""
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
    """Published columns of the tracks, [track, 17]."""
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
    """Published columns of the clusters, [cluster, 17]; eta by the published formula."""
    values = published_cluster_features(clusters)
    values[:, ClusterFeature.ETA] = -np.log(np.tan(clusters.theta / 2))
    return values
