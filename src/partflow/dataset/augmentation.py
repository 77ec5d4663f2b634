"""Data augmentation: symmetries of the detector, applied to elements and targets.

A detector with a solenoid and its field are invariant under rotations about z and under the
reflection z -> -z. The reflection y -> -y reverses the field (an axial vector in the plane of
reflection); if all charges are reversed as well, the event is a possible one again. So charges,
curvatures and transverse impact parameters change sign with y.

The transformation is exact for every column but two: without the covariance of x and y, the
widths `sigma_x` and `sigma_y` of a cluster transform exactly under quarter turns only. For other
angles x and y are taken as uncorrelated. This conserves sigma_x^2 + sigma_y^2, as every rotation
does, so a network should use that sum.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.features import CLUSTER, TRACK, ClusterFeature, ExtraFeature, TrackFeature
from partflow.core.records import Array
from partflow.dataset.columns import MetColumn, TargetColumn
from partflow.dataset.draws import uniform

_ANGLE, _MIRROR_Y, _MIRROR_Z = range(3)


class Symmetry(NamedTuple):
    """One symmetry for each event: first the reflections, then the rotation."""

    angle: Array
    """Angle of the rotation about z, [event] (rad)."""
    sign_y: Array
    """-1 where y and all charges are reversed, else 1, [event]."""
    sign_z: Array
    """-1 where z is reversed, else 1, [event]."""

    def take(self, event_index: Array) -> Symmetry:
        """The symmetry of each element's event, [element]."""
        return Symmetry(*(values[event_index] for values in self))


def draw_symmetry(event_id: Array, seed: int, epoch: int) -> Symmetry:
    """Draw a symmetry for each event, [event]; it does not depend on the batch.

    It follows from the event's id, `seed` and `epoch` alone.
    """
    angle, mirror_y, mirror_z = (
        uniform(event_id, seed, epoch, which) for which in (_ANGLE, _MIRROR_Y, _MIRROR_Z)
    )
    return Symmetry(
        2 * np.pi * angle, np.where(mirror_y < 0.5, -1.0, 1.0), np.where(mirror_z < 0.5, -1.0, 1.0)
    )


def transform_features(features: Array, symmetry: Symmetry) -> Array:
    """Features [element, feature] after the symmetry [element] of each element."""
    out = features.copy()
    _transform_vector(out, symmetry, TrackFeature.COS_PHI, TrackFeature.SIN_PHI, None)
    for x, y, z in (
        (ExtraFeature.FACE_X, ExtraFeature.FACE_Y, ExtraFeature.FACE_Z),
        (ExtraFeature.FACE_DX, ExtraFeature.FACE_DY, ExtraFeature.FACE_DZ),
    ):
        _transform_vector(out, symmetry, x, y, z)
    out[:, TrackFeature.ETA] *= symmetry.sign_z

    is_track = features[:, TrackFeature.TYPE] == TRACK
    out[is_track] = _transform_tracks(out[is_track], symmetry.take(is_track))
    is_cluster = features[:, TrackFeature.TYPE] == CLUSTER
    out[is_cluster] = _transform_clusters(out[is_cluster], symmetry.take(is_cluster))
    return out


def transform_targets(targets: Array, symmetry: Symmetry) -> Array:
    """Targets [element, target] after the symmetry [element] of each element.

    The target of an element without a particle stays 0.
    """
    out = targets.copy()
    _transform_vector(out, symmetry, TargetColumn.COS_PHI, TargetColumn.SIN_PHI, None)
    out[:, TargetColumn.ETA] *= symmetry.sign_z
    out[:, TargetColumn.CHARGE] *= symmetry.sign_y
    return out


def transform_met(gen_met: Array, symmetry: Symmetry) -> Array:
    """Sums of transverse momenta [event, 2] (GeV) after the symmetry [event] of each event."""
    out = gen_met.copy()
    _transform_vector(out, symmetry, MetColumn.PX, MetColumn.PY, None)
    return out


def _transform_tracks(tracks: Array, symmetry: Symmetry) -> Array:
    """Transform the columns that only tracks have, in place."""
    for odd_in_z in (TrackFeature.TAN_LAMBDA, TrackFeature.Z0):
        tracks[:, odd_in_z] *= symmetry.sign_z
    for odd_in_y in (TrackFeature.OMEGA, TrackFeature.D0):
        tracks[:, odd_in_y] *= symmetry.sign_y
    return tracks


def _transform_clusters(clusters: Array, symmetry: Symmetry) -> Array:
    """Transform the columns that only clusters have, in place."""
    column = ClusterFeature
    _transform_vector(clusters, symmetry, column.X, column.Y, column.Z)
    theta = clusters[:, column.THETA]
    clusters[:, column.THETA] = np.where(symmetry.sign_z < 0, np.pi - theta, theta)
    cos2, sin2 = np.cos(symmetry.angle) ** 2, np.sin(symmetry.angle) ** 2
    x2 = clusters[:, column.SIGMA_X].astype(np.float64) ** 2
    y2 = clusters[:, column.SIGMA_Y].astype(np.float64) ** 2
    clusters[:, column.SIGMA_X] = np.sqrt(cos2 * x2 + sin2 * y2)
    clusters[:, column.SIGMA_Y] = np.sqrt(sin2 * x2 + cos2 * y2)
    return clusters


def _transform_vector(
    values: Array, symmetry: Symmetry, x_column: int, y_column: int, z_column: int | None
) -> None:
    """Transform the vector in the given columns of `values`, in place."""
    cos, sin = np.cos(symmetry.angle), np.sin(symmetry.angle)
    x = values[:, x_column].astype(np.float64)
    y = values[:, y_column] * symmetry.sign_y
    values[:, x_column] = cos * x - sin * y
    values[:, y_column] = sin * x + cos * y
    if z_column is not None:
        values[:, z_column] *= symmetry.sign_z
