"""The columns of elements by name, and how they are made from tracks and clusters.

The first 17 columns are the published ones in their order, in which a column of a track and of a
cluster has different meanings; the others are ours. As in the published data, the tracks of an
event come first and its clusters second.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from partflow.core.kinematics import eta_from_theta
from partflow.core.records import Array, Collection, offsets_from_counts
from partflow.core.schemas import CLUSTER_SHAPE, CLUSTERS, Field, Schema

NO_ELEMENT, TRACK, CLUSTER = 0, 1, 2
"""Types of elements, as in the column `type`; NO_ELEMENT fills places without one."""


class ClusterCollections(NamedTuple):
    """Names of the collections of the stage `events` that an element set is made from."""

    clusters: str
    hit_clusters: str
    """The cluster of each hit."""


ELEMENT_SETS = {
    "final": ClusterCollections("clusters", "hit_clusters"),
    "fine": ClusterCollections("fine_clusters", "fine_hit_clusters"),
}
"""The element sets: all tracks with the final clusters of the baseline, or with finer ones."""


class TrackFeature(IntEnum):
    """The 17 published columns of a track."""

    TYPE, PT, ETA, SIN_PHI, COS_PHI, P = range(6)
    CHI2, NDF, DEDX, DEDX_ERROR, RADIUS_OF_INNERMOST_HIT, TAN_LAMBDA = range(6, 12)
    D0, OMEGA, Z0, TIME, UNUSED = range(12, 17)


class ClusterFeature(IntEnum):
    """The 17 published columns of a cluster."""

    TYPE, ET, ETA, SIN_PHI, COS_PHI, ENERGY = range(6)
    X, Y, Z, THETA, ENERGY_ECAL, ENERGY_HCAL = range(6, 12)
    ENERGY_OTHER, NUM_HITS, SIGMA_X, SIGMA_Y, SIGMA_Z = range(12, 17)


class ExtraFeature(IntEnum):
    """The further columns of tracks and clusters, after the published ones."""

    FACE_X, FACE_Y, FACE_Z = range(17, 20)
    FACE_DX, FACE_DY, FACE_DZ = range(20, 23)
    ENERGY_HADRONIC, NUM_YOKE_HITS = range(23, 25)
    ECAL_DEPTH_1, ECAL_DEPTH_2, ECAL_DEPTH_3, ECAL_DEPTH_4 = range(25, 29)
    HCAL_DEPTH_1, HCAL_DEPTH_2, HCAL_DEPTH_3, HCAL_DEPTH_4 = range(29, 33)
    ECAL_HITS_1, ECAL_HITS_2, ECAL_HITS_3, ECAL_HITS_4 = range(33, 37)
    HCAL_HITS_1, HCAL_HITS_2, HCAL_HITS_3, HCAL_HITS_4 = range(37, 41)
    LENGTH, WIDTH, CORE_FRACTION, FIRST_DEPTH, MAX_HIT_FRACTION = range(41, 46)
    FACE_REGION, RADIUS_OF_OUTERMOST_HIT = range(46, 48)


NUM_PUBLISHED_FEATURES = len(TrackFeature)
NUM_FEATURES = NUM_PUBLISHED_FEATURES + len(ExtraFeature)

ELEMENTS = Schema(
    "elements",
    (
        Field("type", "f4", "", "1 track, 2 cluster"),
        Field("pt", "f4", "GeV", "track pt | cluster transverse energy"),
        Field("eta", "f4", "", "pseudorapidity"),
        Field("sin_phi", "f4", "", "sine of the azimuth"),
        Field("cos_phi", "f4", "", "cosine of the azimuth"),
        Field("energy", "f4", "GeV", "track momentum p | EM-scale energy"),
        Field("chi2_or_x", "f4", "|mm", "track chi2 | cluster x"),
        Field("ndf_or_y", "f4", "|mm", "track ndf | cluster y"),
        Field("dedx_or_z", "f4", "GeV/mm|mm", "track dE/dx | cluster z"),
        Field("dedx_error_or_theta", "f4", "GeV/mm|rad", "track dE/dx error | cluster theta"),
        Field(
            "radius_or_energy_ecal",
            "f4",
            "mm|GeV",
            "innermost hit radius | ECAL energy (EM)",
        ),
        Field(
            "tan_lambda_or_energy_hcal",
            "f4",
            "|GeV",
            "track tan(lambda) | HCAL energy (EM)",
        ),
        Field("d0_or_energy_other", "f4", "mm|GeV", "track D0 | energy elsewhere (EM)"),
        Field("omega_or_num_hits", "f4", "1/mm|", "track curvature | number of hits"),
        Field("z0_or_sigma_x", "f4", "mm|mm", "track Z0 | cluster sigma x"),
        Field("time_or_sigma_y", "f4", "ns|mm", "track time | cluster sigma y"),
        Field("zero_or_sigma_z", "f4", "|mm", "0 | cluster sigma z"),
        Field("face_x", "f4", "mm", "track at the face, or where it ends | cluster centroid"),
        Field("face_y", "f4", "mm", "track at the face, or where it ends | cluster centroid"),
        Field("face_z", "f4", "mm", "track at the face, or where it ends | cluster centroid"),
        Field("face_dx", "f4", "", "track direction there | direction from the origin"),
        Field("face_dy", "f4", "", "track direction there | direction from the origin"),
        Field("face_dz", "f4", "", "track direction there | direction from the origin"),
        Field("energy_hadronic", "f4", "GeV", "0 | hadronic-scale energy"),
        Field("num_yoke_hits", "f4", "", "muon-system hits on the track | 0"),
        *(f._replace(doc=f"0 | {f.doc}") for f in CLUSTERS.fields if f.name in CLUSTER_SHAPE),
        Field("face_region", "f4", "", "calorimeter reached: 0 none, 1 barrel, 2 endcap | 0"),
        Field("radius_of_outermost_hit", "f4", "mm", "radius of the last layer hit | 0"),
    ),
)
"""Elements of an event, tracks and then clusters: the input of a network."""


def build_elements(tracks: Collection, clusters: Collection) -> Collection:
    """The elements of each event, tracks first; NaN and infinities become 0."""
    offsets = offsets_from_counts(tracks.counts + clusters.counts)
    values = np.zeros((offsets[-1], NUM_FEATURES), dtype=np.float32)
    values[element_index_of_tracks(tracks, clusters)] = _track_features(tracks)
    values[element_index_of_clusters(tracks, clusters)] = _cluster_features(clusters)
    values[~np.isfinite(values)] = 0.0
    columns = {name: values[:, i] for i, name in enumerate(ELEMENTS.names)}
    return Collection(ELEMENTS, offsets, columns)


def element_index_of_tracks(tracks: Collection, clusters: Collection) -> Array:
    """Row of each track among the elements, [track]."""
    return np.arange(len(tracks)) + np.repeat(clusters.offsets[:-1], tracks.counts)


def element_index_of_clusters(tracks: Collection, clusters: Collection) -> Array:
    """Row of each cluster among the elements, [cluster]."""
    return np.arange(len(clusters)) + np.repeat(tracks.offsets[1:], clusters.counts)


def feature_matrix(elements: Collection) -> Array:
    """All columns as one matrix [element, NUM_FEATURES], float32."""
    return np.stack([elements.columns[name] for name in ELEMENTS.names], axis=1)


def _track_features(tracks: Collection) -> Array:
    """Features of tracks, [track, NUM_FEATURES]."""
    column = TrackFeature
    values = np.zeros((len(tracks), NUM_FEATURES))
    values[:, column.TYPE] = TRACK
    values[:, column.PT] = tracks.pt
    values[:, column.ETA] = np.arcsinh(tracks.tan_lambda)
    values[:, column.SIN_PHI] = np.sin(tracks.phi)
    values[:, column.COS_PHI] = np.cos(tracks.phi)
    values[:, column.P] = tracks.pt * np.sqrt(1 + tracks.tan_lambda**2)
    for feature in (column.CHI2, column.NDF, column.DEDX, column.DEDX_ERROR, column.TAN_LAMBDA,
                    column.RADIUS_OF_INNERMOST_HIT, column.D0, column.OMEGA, column.Z0,
                    column.TIME):  # fmt: skip
        values[:, feature] = tracks.columns[feature.name.lower()]
    for extra in (ExtraFeature.FACE_X, ExtraFeature.FACE_Y, ExtraFeature.FACE_Z,
                  ExtraFeature.FACE_DX, ExtraFeature.FACE_DY, ExtraFeature.FACE_DZ,
                  ExtraFeature.NUM_YOKE_HITS, ExtraFeature.FACE_REGION,
                  ExtraFeature.RADIUS_OF_OUTERMOST_HIT):  # fmt: skip
        values[:, extra] = tracks.columns[extra.name.lower()]
    return values


def published_cluster_features(clusters: Collection) -> Array:
    """Published columns of clusters, [cluster, NUM_PUBLISHED_FEATURES]."""
    column = ClusterFeature
    values = np.zeros((len(clusters), NUM_PUBLISHED_FEATURES))
    values[:, column.TYPE] = CLUSTER
    values[:, column.ET] = clusters.energy_em * np.sin(clusters.theta)
    values[:, column.ETA] = eta_from_theta(clusters.theta)
    values[:, column.SIN_PHI] = np.sin(clusters.phi)
    values[:, column.COS_PHI] = np.cos(clusters.phi)
    values[:, column.ENERGY] = clusters.energy_em
    values[:, column.ENERGY_ECAL] = clusters.energy_em_ecal
    values[:, column.ENERGY_HCAL] = clusters.energy_em_hcal
    values[:, column.ENERGY_OTHER] = clusters.energy_em_other
    for feature in (column.X, column.Y, column.Z, column.THETA, column.NUM_HITS, column.SIGMA_X,
                    column.SIGMA_Y, column.SIGMA_Z):  # fmt: skip
        values[:, feature] = clusters.columns[feature.name.lower()]
    return values


def _cluster_features(clusters: Collection) -> Array:
    """Features of clusters, [cluster, NUM_FEATURES]."""
    values = np.zeros((len(clusters), NUM_FEATURES))
    values[:, :NUM_PUBLISHED_FEATURES] = published_cluster_features(clusters)
    position = np.stack([clusters.x, clusters.y, clusters.z], axis=1)
    distance = np.maximum(np.linalg.norm(position, axis=1, keepdims=True), 1e-9)
    values[:, ExtraFeature.FACE_X : ExtraFeature.FACE_Z + 1] = position
    values[:, ExtraFeature.FACE_DX : ExtraFeature.FACE_DZ + 1] = position / distance
    values[:, ExtraFeature.ENERGY_HADRONIC] = clusters.energy_hadronic
    for name in CLUSTER_SHAPE:
        values[:, ExtraFeature[name.upper()]] = clusters.columns[name]
    return values
