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
from numba import njit

from partflow.core.features import CLUSTER, TRACK, ClusterFeature, ExtraFeature, TrackFeature
from partflow.core.records import Array
from partflow.dataset.columns import MetColumn, TargetColumn
from partflow.dataset.draws import uniform

_ANGLE, _MIRROR_Y, _MIRROR_Z = range(3)
_PI = np.float32(np.pi)


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


def draw_symmetry(event_id: Array, seed: int, pass_index: int | Array) -> Symmetry:
    """Draw a symmetry for each event, [event]; it does not depend on the batch.

    It follows from the event's id, `seed` and the number of times that the event was used before,
    one number or [event].
    """
    angle, mirror_y, mirror_z = (
        uniform(event_id, seed, pass_index, which) for which in (_ANGLE, _MIRROR_Y, _MIRROR_Z)
    )
    return Symmetry(
        2 * np.pi * angle, np.where(mirror_y < 0.5, -1.0, 1.0), np.where(mirror_z < 0.5, -1.0, 1.0)
    )


def transform_features(features: Array, symmetry: Symmetry) -> Array:
    """Features [element, feature] after the symmetry [element] of each element."""
    out = features.copy()
    cos, sin = np.cos(symmetry.angle), np.sin(symmetry.angle)
    _transform_elements(out, cos, sin, symmetry.sign_y, symmetry.sign_z)
    return out


def transform_targets(targets: Array, symmetry: Symmetry) -> Array:
    """Targets [element, target] after the symmetry [element] of each element.

    The target of an element without a particle stays 0.
    """
    out = targets.copy()
    _transform_vector(out, symmetry, TargetColumn.COS_PHI, TargetColumn.SIN_PHI)
    out[:, TargetColumn.ETA] *= symmetry.sign_z
    out[:, TargetColumn.CHARGE] *= symmetry.sign_y
    return out


def transform_met(gen_met: Array, symmetry: Symmetry) -> Array:
    """Sums of transverse momenta [event, 2] (GeV) after the symmetry [event] of each event."""
    out = gen_met.copy()
    _transform_vector(out, symmetry, MetColumn.PX, MetColumn.PY)
    return out


@njit(cache=True, nogil=True)
def _transform_elements(
    features: Array, cos: Array, sin: Array, sign_y: Array, sign_z: Array
) -> None:
    """Transform the features of each element in place: one pass through memory.

    `cos` and `sin` [element] are of the angle of rotation.
    """
    for row in range(len(features)):
        element, y, z = features[row], sign_y[row], sign_z[row]
        rotation = (cos[row], sin[row])
        _transform_element_vector(element, rotation, y, TrackFeature.COS_PHI, TrackFeature.SIN_PHI)
        _transform_element_vector(element, rotation, y, ExtraFeature.FACE_X, ExtraFeature.FACE_Y)
        _transform_element_vector(element, rotation, y, ExtraFeature.FACE_DX, ExtraFeature.FACE_DY)
        element[ExtraFeature.FACE_Z] *= z
        element[ExtraFeature.FACE_DZ] *= z
        element[TrackFeature.ETA] *= z
        if element[TrackFeature.TYPE] == TRACK:
            element[TrackFeature.TAN_LAMBDA] *= z
            element[TrackFeature.Z0] *= z
            element[TrackFeature.OMEGA] *= y
            element[TrackFeature.D0] *= y
        elif element[TrackFeature.TYPE] == CLUSTER:
            _transform_element_vector(element, rotation, y, ClusterFeature.X, ClusterFeature.Y)
            element[ClusterFeature.Z] *= z
            if z < 0:
                element[ClusterFeature.THETA] = _PI - element[ClusterFeature.THETA]
            cos2, sin2 = cos[row] ** 2, sin[row] ** 2
            x2 = np.float64(element[ClusterFeature.SIGMA_X]) ** 2
            y2 = np.float64(element[ClusterFeature.SIGMA_Y]) ** 2
            element[ClusterFeature.SIGMA_X] = np.sqrt(cos2 * x2 + sin2 * y2)
            element[ClusterFeature.SIGMA_Y] = np.sqrt(sin2 * x2 + cos2 * y2)


@njit(cache=True, nogil=True)
def _transform_element_vector(
    element: Array, rotation: tuple[float, float], sign_y: float, x_column: int, y_column: int
) -> None:
    """Transform the x and y of a vector in a row of features in place.

    `rotation` is cosine and sine of the angle.
    """
    cos, sin = rotation
    x, y = np.float64(element[x_column]), element[y_column] * sign_y
    element[x_column] = cos * x - sin * y
    element[y_column] = sin * x + cos * y


def _transform_vector(values: Array, symmetry: Symmetry, x_column: int, y_column: int) -> None:
    """Transform the transverse vector in two columns of `values`, in place."""
    cos, sin = np.cos(symmetry.angle), np.sin(symmetry.angle)
    x = values[:, x_column].astype(np.float64)
    y = values[:, y_column] * symmetry.sign_y
    values[:, x_column] = cos * x - sin * y
    values[:, y_column] = sin * x + cos * y
