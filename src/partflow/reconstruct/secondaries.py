"""Tracks of secondaries, from what was measured of the tracks: kinks and converted photons.

A hadron that breaks up in the tracker leaves a track that ends early and tracks of its daughters
that begin late. The daughters' energy is in their parent's momentum: counted as well, it counts
twice. A track is a daughter if, between the last hit of another track and its own first one,
the two helices meet.

A photon that converts leaves the tracks of an electron and a positron that begin in the photon's
direction. A leg shows it on its own: its circle does not hold the collision point, the tangent
from there touches the circle at the radius of the conversion,

    r = sqrt(d^2 - R^2),   d the distance of the circle's centre, R its radius,

in front of the first hit, and there z = r tan(lambda). Some tracks of heavy-flavour decays look the
same a few centimetres from the beam: there a leg needs a partner of the other charge in the same
direction.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.detector import Detector
from partflow.core.helix import advance
from partflow.core.records import Array, Collection
from partflow.reconstruct.parameters import SecondaryConfig, record_of

HELIX = np.dtype(
    [
        *((name, np.float64) for name in ("x", "y", "z", "px", "py", "pz")),  # at the perigee
        ("charge", np.int64),
        ("radius", np.float64),  # of the circle, mm
        ("centre", np.float64),  # distance of its centre from the z axis, mm
        ("first", np.float64),  # radius of the first hit, mm
        ("last", np.float64),  # of the last hit, mm; 0: not known
        ("curvature_error", np.float64),  # relative
        ("tan_lambda", np.float64),
        ("d0", np.float64),
        ("momentum", np.float64),
    ],
    align=True,
)
"""A measured track as the finders take it."""

ANGLE_ERROR = 6e-4  # GeV rad: of a direction, over the momentum (multiple scattering)
POSITION_ERROR = 0.015  # mm GeV: of an impact parameter, over the momentum
MIN_POSITION_ERROR = 0.005  # mm
STEPS = 12
"""Intervals between radii at which two helices are compared; in between they are taken as lines."""


class Secondaries(NamedTuple):
    """What tracks are recognised as; parallel to the tracks."""

    is_daughter: Array
    """Whether a track goes on from where another ended."""
    is_leg: Array
    """Whether a track is an electron of a converted photon."""


def find_secondaries(
    tracks: Collection, detector: Detector, config: SecondaryConfig
) -> Secondaries:
    """Which tracks are daughters of others and which are legs of photons, [track]."""
    helices = np.zeros(len(tracks), HELIX)
    bending = detector.geometry().bending
    sine, cosine = np.sin(tracks.phi), np.cos(tracks.phi)
    helices["x"], helices["y"], helices["z"] = -tracks.d0 * sine, tracks.d0 * cosine, tracks.z0
    helices["px"], helices["py"] = tracks.pt * cosine, tracks.pt * sine
    helices["pz"] = tracks.pt * tracks.tan_lambda
    helices["charge"] = tracks.charge
    helices["radius"] = tracks.pt / bending
    helices["centre"] = helices["radius"] - tracks.charge * tracks.d0
    helices["first"] = tracks.radius_of_innermost_hit
    helices["last"] = tracks.radius_of_outermost_hit
    row = np.searchsorted(
        np.array(detector.tracker.eta_edges), np.abs(np.arcsinh(tracks.tan_lambda)), side="right"
    )
    helices["curvature_error"] = np.array(detector.tracker.scattering_term)[row]
    helices["tan_lambda"], helices["d0"] = tracks.tan_lambda, tracks.d0
    helices["momentum"] = tracks.pt * np.sqrt(1 + tracks.tan_lambda**2)
    usable = (tracks.charge != 0) & (tracks.pt > 0)
    is_daughter, is_leg = _find(helices, usable, tracks.offsets, bending, record_of(config))
    return Secondaries(is_daughter, is_leg)


@njit(cache=True, error_model="numpy")
def _find(helices, usable, offsets, bending, config):
    is_daughter = np.zeros(len(helices), np.bool_)
    is_leg = np.zeros(len(helices), np.bool_)
    radius = np.zeros(len(helices))
    for event in range(len(offsets) - 1):
        begin, end = offsets[event], offsets[event + 1]
        for i in range(begin, end):
            if usable[i]:
                radius[i] = _conversion_radius(helices[i], config)
                for j in range(begin, end):
                    if j != i and usable[j] and not is_daughter[i]:
                        is_daughter[i] = _is_daughter(helices[i], helices[j], bending, config)
        for i in range(begin, end):
            if radius[i] == 0.0 or is_daughter[i]:
                continue
            is_leg[i] = radius[i] > config.leg_alone_radius
            for j in range(begin, end):
                if radius[j] > 0.0 and not is_leg[i]:
                    is_leg[i] = _are_partners(helices[i], helices[j], config)
    return is_daughter, is_leg


@njit(cache=True, error_model="numpy")
def _conversion_radius(track, config):
    """Radius [mm] at which a track may have begun in the direction of a photon, or 0."""
    square = track.centre**2 - track.radius**2
    error = math.hypot(MIN_POSITION_ERROR, POSITION_ERROR / track.momentum)
    if square <= 0.0 or abs(track.d0) < config.leg_significance * error:
        return 0.0
    radius = math.sqrt(square)
    if radius < config.leg_min_radius or radius > track.first + config.leg_beyond_hit:
        return 0.0
    if track.first > config.leg_reach * radius + config.leg_margin:
        return 0.0
    miss = track.z + (_path_to_tangent(track) - radius) * track.tan_lambda
    slant = math.hypot(1.0, track.tan_lambda)
    tolerance = (
        config.leg_significance
        * slant**2
        * math.hypot(error, ANGLE_ERROR / track.momentum * radius)
    )
    return radius if abs(miss) < tolerance else 0.0


@njit(cache=True, error_model="numpy")
def _path_to_tangent(track):
    """Transverse path [mm] from the perigee to where the line from the origin touches."""
    return track.radius * math.acos(min(track.radius / track.centre, 1.0))


@njit(cache=True, error_model="numpy")
def _are_partners(one, other, config):
    """Whether two tracks of opposite charge began in the same direction."""
    if one.charge == other.charge:
        return False
    turn = _azimuth_of_tangent(one) - _azimuth_of_tangent(other)
    across = math.atan2(math.sin(turn), math.cos(turn))
    along = (one.tan_lambda - other.tan_lambda) / (1.0 + one.tan_lambda**2)
    return math.hypot(across, along) * min(one.momentum, other.momentum) < config.pair_momentum


@njit(cache=True, error_model="numpy")
def _azimuth_of_tangent(track):
    return math.atan2(track.py, track.px) - track.charge * _path_to_tangent(track) / track.radius


@njit(cache=True, error_model="numpy")
def _is_daughter(daughter, parent, bending, config):
    """Whether `daughter` begins where `parent` ends."""
    begin, end = parent.last, daughter.first
    if begin <= 0.0 or end <= begin or end - begin > config.kink_reach:
        return False
    if parent.first >= begin or parent.momentum < config.kink_min_momentum:
        return False
    slant = math.hypot(1.0, parent.tan_lambda)
    nearest, before = np.inf, (np.inf, np.inf, np.inf)
    for step in range(STEPS + 1):
        radius = begin + (end - begin) * step / STEPS
        known, x, y, z = _at_radius(parent, radius, bending)
        also, other_x, other_y, other_z = _at_radius(daughter, radius, bending)
        if not known or not also:
            before = (np.inf, np.inf, np.inf)
            continue
        bend = 0.5 * radius**2 / parent.radius * parent.curvature_error
        error = math.hypot(ANGLE_ERROR / parent.momentum * radius, bend)
        error = math.hypot(error, config.kink_error)
        apart = ((x - other_x) / error, (y - other_y) / error, (z - other_z) / (error * slant))
        nearest = min(nearest, _distance_to_segment(before, apart))
        before = apart
    return nearest < config.kink_significance


@njit(cache=True, error_model="numpy")
def _distance_to_segment(a, b):
    """Distance of the origin from the line between two points; from `b` if `a` is infinite."""
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
    """(whether it gets there, x, y, z) of a track outward bound at a distance from the z axis."""
    cosine = track.radius**2 + track.centre**2 - radius**2
    cosine /= 2.0 * track.radius * track.centre
    if not -1.0 < cosine < 1.0:
        return False, 0.0, 0.0, 0.0
    x, y, z, _, _ = advance(bending, track, track.radius * math.acos(cosine))
    return True, x, y, z
