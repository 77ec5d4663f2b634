"""Tracks of secondaries: kink daughters and electrons of converted photons.

A hadron that interacts or decays in the tracker leaves a track that ends early, and tracks of its
daughters that begin late. The energy of the daughters is contained in the momentum of their parent
and must not be counted twice. A track is a kink daughter if the two helices meet between the last
hit of another track and its own first hit.

A photon that converts leaves the tracks of an electron and a positron, which begin in the direction
of the photon. A single track is enough to recognise this: its circle does not contain the
interaction point, and the tangent from there touches the circle at the radius of the conversion,

    r = sqrt(d^2 - R^2),   d the distance of the circle's centre, R its radius,

in front of the first hit, at z = r tan(lambda). Some tracks of heavy-flavour decays look the same a
few centimetres from the beam: there a second track of opposite charge in the same direction is
required.

Only measured quantities of the tracks are used.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.detector import Detector
from partflow.core.helix import advance
from partflow.core.records import Array, Collection
from partflow.reconstruct.parameters import SecondaryConfig, kernel_constants

HELIX = np.dtype(
    [
        *((name, np.float64) for name in ("x", "y", "z", "px", "py", "pz")),  # at the perigee
        ("charge", np.int64),
        ("radius", np.float64),  # radius of the circle
        ("centre_distance", np.float64),  # distance of the circle's centre from the z axis
        ("first_radius", np.float64),  # radius of the first hit
        ("last_radius", np.float64),  # radius of the last hit; 0: not known
        ("curvature_error", np.float64),  # relative
        ("tan_lambda", np.float64),
        ("d0", np.float64),
        ("momentum", np.float64),
    ],
    align=True,
)
"""A measured track; lengths in mm, momenta in GeV."""

ANGLE_ERROR = 6e-4
"""Error of a track's direction times its momentum, from multiple scattering [GeV rad]."""
POSITION_ERROR = 0.015
"""Error of an impact parameter times the momentum [mm GeV]."""
MIN_POSITION_ERROR = 0.005
"""Error of an impact parameter at high momentum [mm]."""
STEPS = 12
"""Intervals in radius at whose ends two helices are compared; in between they count as straight."""


class SecondaryTracks(NamedTuple):
    """Which tracks are those of secondaries, parallel to the tracks."""

    is_kink_daughter: Array
    """Whether the track begins where another one ends, [track]."""
    is_conversion: Array
    """Whether the track is that of an electron from a converted photon, [track]."""


def find_secondary_tracks(
    tracks: Collection, detector: Detector, config: SecondaryConfig
) -> SecondaryTracks:
    """Find kink daughters and electrons of converted photons among the tracks of each event."""
    helices = np.zeros(len(tracks), HELIX)
    bending = detector.geometry().bending
    sine, cosine = np.sin(tracks.phi), np.cos(tracks.phi)
    helices["x"], helices["y"], helices["z"] = -tracks.d0 * sine, tracks.d0 * cosine, tracks.z0
    helices["px"], helices["py"] = tracks.pt * cosine, tracks.pt * sine
    helices["pz"] = tracks.pt * tracks.tan_lambda
    helices["charge"] = tracks.charge
    helices["radius"] = tracks.pt / bending
    helices["centre_distance"] = helices["radius"] - tracks.charge * tracks.d0
    helices["first_radius"] = tracks.radius_of_innermost_hit
    helices["last_radius"] = tracks.radius_of_outermost_hit
    eta_bin = np.searchsorted(
        np.array(detector.tracker.eta_edges), np.abs(np.arcsinh(tracks.tan_lambda)), side="right"
    )
    helices["curvature_error"] = np.array(detector.tracker.scattering_term)[eta_bin]
    helices["tan_lambda"], helices["d0"] = tracks.tan_lambda, tracks.d0
    helices["momentum"] = tracks.pt * np.sqrt(1 + tracks.tan_lambda**2)
    is_usable = (tracks.charge != 0) & (tracks.pt > 0)
    constants = kernel_constants(config)
    return SecondaryTracks(*_find(helices, is_usable, tracks.offsets, bending, constants))


@njit(cache=True, error_model="numpy")
def _find(helices, is_usable, offsets, bending, config):
    """Kink daughters and conversions of all events, two arrays [track]."""
    is_kink_daughter = np.zeros(len(helices), np.bool_)
    is_conversion = np.zeros(len(helices), np.bool_)
    radius = np.zeros(len(helices))
    for event in range(len(offsets) - 1):
        begin, end = offsets[event], offsets[event + 1]
        for i in range(begin, end):
            if is_usable[i]:
                radius[i] = _conversion_radius(helices[i], config)
                for j in range(begin, end):
                    if j != i and is_usable[j] and not is_kink_daughter[i]:
                        is_kink_daughter[i] = _is_kink(helices[j], helices[i], bending, config)
        for i in range(begin, end):
            if radius[i] == 0.0 or is_kink_daughter[i]:
                continue
            is_conversion[i] = radius[i] > config.conversion_single_radius
            for j in range(begin, end):
                if radius[j] > 0.0 and not is_conversion[i]:
                    is_conversion[i] = _is_pair(helices[i], helices[j], config)
    return is_kink_daughter, is_conversion


@njit(cache=True, error_model="numpy")
def _conversion_radius(track, config):
    """Radius at which a track may have begun in the direction of a photon [mm], or 0."""
    square = track.centre_distance**2 - track.radius**2
    error = math.hypot(MIN_POSITION_ERROR, POSITION_ERROR / track.momentum)
    if square <= 0.0 or abs(track.d0) < config.conversion_significance * error:
        return 0.0
    radius = math.sqrt(square)
    last_radius = track.first_radius + config.conversion_beyond_hit
    if radius < config.conversion_min_radius or radius > last_radius:
        return 0.0
    if track.first_radius > config.conversion_reach * radius + config.conversion_margin:
        return 0.0
    delta_z = track.z + (_path_to_tangent(track) - radius) * track.tan_lambda
    path_per_radius = math.hypot(1.0, track.tan_lambda)
    tolerance = (
        config.conversion_significance
        * path_per_radius**2
        * math.hypot(error, ANGLE_ERROR / track.momentum * radius)
    )
    return radius if abs(delta_z) < tolerance else 0.0


@njit(cache=True, error_model="numpy")
def _path_to_tangent(track):
    """Transverse path from the perigee to where the tangent from the origin touches [mm]."""
    return track.radius * math.acos(min(track.radius / track.centre_distance, 1.0))


@njit(cache=True, error_model="numpy")
def _is_pair(track, other, config):
    """Whether two tracks of opposite charge began in the same direction."""
    if track.charge == other.charge:
        return False
    turn = _azimuth_of_tangent(track) - _azimuth_of_tangent(other)
    delta_phi = math.atan2(math.sin(turn), math.cos(turn))
    delta_theta = (track.tan_lambda - other.tan_lambda) / (1.0 + track.tan_lambda**2)
    min_momentum = min(track.momentum, other.momentum)
    return math.hypot(delta_phi, delta_theta) * min_momentum < config.pair_momentum


@njit(cache=True, error_model="numpy")
def _azimuth_of_tangent(track):
    """Azimuth of a track where the tangent from the origin touches its circle [rad]."""
    return math.atan2(track.py, track.px) - track.charge * _path_to_tangent(track) / track.radius


@njit(cache=True, error_model="numpy")
def _is_kink(parent, daughter, bending, config):
    """Whether track `daughter` begins where track `parent` ends."""
    begin, end = parent.last_radius, daughter.first_radius
    if begin <= 0.0 or end <= begin or end - begin > config.kink_reach:
        return False
    if parent.first_radius >= begin or parent.momentum < config.kink_min_momentum:
        return False
    path_per_radius = math.hypot(1.0, parent.tan_lambda)
    nearest, last = np.inf, (np.inf, np.inf, np.inf)
    for step in range(STEPS + 1):
        radius = begin + (end - begin) * step / STEPS
        is_parent_there, x, y, z = _at_radius(parent, radius, bending)
        is_daughter_there, other_x, other_y, other_z = _at_radius(daughter, radius, bending)
        if not is_parent_there or not is_daughter_there:
            last = (np.inf, np.inf, np.inf)
            continue
        bend = 0.5 * radius**2 / parent.radius * parent.curvature_error
        error = math.hypot(ANGLE_ERROR / parent.momentum * radius, bend)
        error = math.hypot(error, config.kink_error)
        z_error = error * path_per_radius
        difference = ((x - other_x) / error, (y - other_y) / error, (z - other_z) / z_error)
        nearest = min(nearest, _distance_to_segment(last, difference))
        last = difference
    return nearest < config.kink_significance


@njit(cache=True, error_model="numpy")
def _distance_to_segment(a, b):
    """Distance of the origin from the straight segment a to b; from b if a is infinite."""
    to_b = math.sqrt(b[0] ** 2 + b[1] ** 2 + b[2] ** 2)
    if a[0] == np.inf:
        return to_b
    dx, dy, dz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    square = dx * dx + dy * dy + dz * dz
    if square == 0.0:
        return to_b
    t = min(max(-(a[0] * dx + a[1] * dy + a[2] * dz) / square, 0.0), 1.0)
    return math.sqrt((a[0] + t * dx) ** 2 + (a[1] + t * dy) ** 2 + (a[2] + t * dz) ** 2)


@njit(cache=True, error_model="numpy")
def _at_radius(track, radius, bending):
    """Whether an outgoing track reaches a distance from the z axis [mm], and its position there.

    Returns (is_reached, x, y, z).
    """
    cosine = track.radius**2 + track.centre_distance**2 - radius**2
    cosine /= 2.0 * track.radius * track.centre_distance
    if not -1.0 < cosine < 1.0:
        return False, 0.0, 0.0, 0.0
    x, y, z, _, _ = advance(bending, track, track.radius * math.acos(cosine))
    return True, x, y, z
