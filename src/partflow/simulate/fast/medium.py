"""The media of the calorimeters: which one a point is in, and paths to the next.

The calorimeter is a nested box (see `core.detector`): depth is counted from the barrel's inner
radius where abs(z) is below the endcap plane, and from that plane beyond it.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.core.detector import ECAL, HCAL, Detector
from partflow.core.records import Array

GAP, OUTSIDE = -1, -2
"""Places other than ECAL and HCAL: the gap between them, without material; or outside."""

MEDIUM = np.dtype(
    [
        ("radiation_length", "f8"),  # mm
        ("moliere_radius", "f8"),  # mm
        ("critical_energy", "f8"),  # GeV
        ("interaction_length", "f8"),  # mm
        ("effective_z", "f8"),
        ("layer_radiation_lengths", "f8"),  # X0 per layer
        ("electron_response", "f8"),
        ("sampling_variance", "f8"),  # GeV, square of the stochastic term
        ("mip_density", "f8"),  # GeV/mm, EM scale
        ("step", "f8"),  # mm, of a hadron's track
    ]
)
"""A calorimeter as a medium of showers, for kernels."""

_STEP = 10.0
"""Step of hadrons: the number of whole layers nearest to this length [mm], at least one."""


def media(detector: Detector) -> Array:
    """The two media of a detector: rows of MEDIUM, [ECAL | HCAL]."""
    rows = np.zeros(2, dtype=MEDIUM)
    for index, part in ((ECAL, detector.ecal), (HCAL, detector.hcal)):
        layers_per_step = max(1, round(_STEP / part.layer_pitch))
        rows[index] = (
            part.radiation_length,
            part.moliere_radius,
            part.critical_energy,
            part.interaction_length,
            part.effective_z,
            part.layer_radiation_lengths,
            part.electron_response,
            part.sampling_term**2,
            part.mip_energy / part.layer_pitch,
            layers_per_step * part.layer_pitch,
        )
    return rows


@njit(cache=True, error_model="numpy")
def medium_at(geometry, x, y, z):
    """ECAL, HCAL, GAP or OUTSIDE at a point [mm]."""
    radius = math.sqrt(x * x + y * y)
    abs_z = abs(z)
    if abs_z < geometry.endcap_z:
        return _medium_at_depth(geometry, radius - geometry.barrel_r)
    if radius < geometry.endcap_material_r or radius > geometry.hcal_endcap_r:
        return OUTSIDE
    if radius < geometry.ecal_endcap_r:
        return _medium_at_depth(geometry, abs_z - geometry.endcap_z)
    front = geometry.endcap_z + geometry.ecal_depth + geometry.gap
    if abs_z < geometry.ring_z or (
        radius < geometry.ecal_endcap_r + geometry.gap and abs_z < front
    ):
        return GAP
    return HCAL if abs_z < front + geometry.hcal_depth else OUTSIDE


@njit(cache=True, error_model="numpy")
def _medium_at_depth(geometry, depth):
    """ECAL, HCAL, GAP or OUTSIDE at a depth [mm] in the barrel or behind the ECAL endcap's face."""
    if depth < 0.0:
        return OUTSIDE
    if depth < geometry.ecal_depth:
        return ECAL
    hcal_depth = depth - geometry.ecal_depth - geometry.gap
    if hcal_depth < 0.0:
        return GAP
    return HCAL if hcal_depth < geometry.hcal_depth else OUTSIDE


@njit(cache=True, error_model="numpy")
def paths_to_exit(geometry, x, y, z, dx, dy, dz):
    """Paths [mm] in the ECAL, from a point in it, and in the gap behind it.

    Along a straight line with the local cosine to the normal of the layers, at least 0.05.
    """
    radius = math.sqrt(x * x + y * y)
    abs_z = abs(z)
    if abs_z < geometry.endcap_z:
        cosine = max((x * dx + y * dy) / radius, 0.05)
        depth = radius - geometry.barrel_r
    else:
        cosine = max(abs(dz), 0.05)
        depth = abs_z - geometry.endcap_z
    return max(geometry.ecal_depth - depth, 0.0) / cosine, geometry.gap / cosine


@njit(cache=True, error_model="numpy")
def depth_and_slope(geometry, x, y, z, dx, dy, dz):
    """Depth of a point in the nested box [mm], and its derivative along a vector."""
    abs_z = abs(z)
    if abs_z < geometry.endcap_z:
        radius = math.sqrt(x * x + y * y)
        return radius - geometry.barrel_r, (x * dx + y * dy) / radius
    return abs_z - geometry.endcap_z, dz if z > 0.0 else -dz


@njit(cache=True, error_model="numpy")
def _is_around_ecal_endcap(geometry, x, y, z):
    """Whether a point is further out than the ECAL endcap, and not in the barrel."""
    return abs(z) >= geometry.endcap_z and x * x + y * y > geometry.ecal_endcap_r**2


@njit(cache=True, error_model="numpy")
def path_to_border(geometry, where, x, y, z, dx, dy, dz):
    """Path [mm] from a point in the medium, or gap, `where` to the next along a straight line.

    The faces of the layers are taken as planes. The path is infinite where no other medium
    follows: out of the detector, along the layers, or in the HCAL's ring. It is 5 mm in the gap
    within the ring, which is not parallel to the layers.
    """
    if _is_around_ecal_endcap(geometry, x, y, z):
        return 5.0 if where == GAP else np.inf
    depth, slope = depth_and_slope(geometry, x, y, z, dx, dy, dz)
    front = geometry.ecal_depth if where != ECAL else -np.inf
    back = geometry.ecal_depth if where == ECAL else np.inf
    if where == GAP:
        back = geometry.ecal_depth + geometry.gap
    elif where == HCAL:
        front += geometry.gap
    if slope > 0.0:
        return max(back - depth, 0.0) / slope
    if slope < 0.0:
        return max(depth - front, 0.0) / -slope
    return np.inf


@njit(cache=True, error_model="numpy")
def path_through_gap(geometry, x, y, z, ax, ay, az):
    """Factor by which the gap lengthens a displacement (ax, ay, az) [mm] in matter.

    The point is in front of the gap or behind it; the factor is 1 if the displacement does not
    reach the gap.
    """
    if _is_around_ecal_endcap(geometry, x, y, z):
        return 1.0
    depth, gain = depth_and_slope(geometry, x, y, z, ax, ay, az)
    middle = geometry.ecal_depth + 0.5 * geometry.gap
    if depth < middle:
        reaches = depth + gain > geometry.ecal_depth
    else:
        reaches = depth + gain < geometry.ecal_depth + geometry.gap
    return 1.0 + geometry.gap / abs(gain) if reaches and gain != 0.0 else 1.0
