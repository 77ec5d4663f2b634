"""Positions in a display: tracks along their helices, particles at the calorimeter face."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.detector import FACE_NONE, Detector
from partflow.core.records import Array, Collection

LOST_TRACK_LENGTH = 1000.0
"""Transverse length to which a track is drawn that does not reach the calorimeter [mm]."""
MIN_SLOPE = 0.2
"""|tan lambda| below which the length of a track follows from its change of direction, not from
z."""


class Part(NamedTuple):
    """A part of the detector: a rectangle in r and abs(z), rotated about the beam [mm]."""

    name: str
    inner_radius: float
    outer_radius: float
    inner_z: float
    outer_z: float
    is_endcap: bool


def detector_parts(detector: Detector) -> list[Part]:
    """Tracker, calorimeters and yoke, each as barrel and endcaps; a barrel spans -z to z."""
    tracker, yoke, barrel = detector.tracker, detector.yoke, detector.ecal.endcap_z
    parts = [Part("Tracker", tracker.layer_radii[0], tracker.layer_radii[-1], 0.0, barrel, False)]
    for name, part in (("ECAL", detector.ecal), ("HCAL", detector.hcal)):
        inner, outer = part.inner_radius, part.inner_radius + part.depth
        parts += [
            Part(name, inner, outer, 0.0, barrel, False),
            Part(name, detector.endcap_inner_radius, part.endcap_outer_radius, part.endcap_z,
                 part.endcap_z + part.depth, True),
        ]  # fmt: skip
    return [
        *parts,
        Part("Yoke", yoke.inner_radius, yoke.outer_radius, 0.0, yoke.endcap_z, False),
        Part("Yoke", yoke.endcap_inner_radius, yoke.outer_radius, yoke.endcap_z, yoke.outer_z,
             True),
    ]  # fmt: skip


def track_paths(tracks: Collection, num_points: int = 33) -> Array:
    """Points on each track's helix from the perigee to the calorimeter, [track, point, 3] (mm).

    The signs of the track parameters are those of LCIO (LC-DET-2006-004). A track that does not
    reach the calorimeter ends after LOST_TRACK_LENGTH.
    """
    phi, omega, slope = tracks.phi, tracks.omega, tracks.tan_lambda
    bend = np.where(omega == 0, np.finfo(float).eps, omega)  # nearly straight
    face_phi = np.arctan2(tracks.face_dy, tracks.face_dx)
    turn = ((phi - face_phi) * np.sign(bend) % (2 * np.pi)) / np.abs(bend)
    is_steep = np.abs(slope) > MIN_SLOPE
    length_in_z = (tracks.face_z - tracks.z0) / np.where(is_steep, slope, 1.0)
    length = np.where(is_steep, length_in_z, turn)
    length = np.where(tracks.face_region == FACE_NONE, LOST_TRACK_LENGTH, length)
    path = length[:, None] * np.linspace(0, 1, num_points)
    start, turned = phi[:, None], phi[:, None] - path * bend[:, None]
    x = -(tracks.d0 * np.sin(phi))[:, None] + (np.sin(start) - np.sin(turned)) / bend[:, None]
    y = (tracks.d0 * np.cos(phi))[:, None] + (np.cos(turned) - np.cos(start)) / bend[:, None]
    return np.stack([x, y, tracks.z0[:, None] + path * slope[:, None]], axis=2)


def toward_face(eta: Array, phi: Array, detector: Detector) -> Array:
    """Points where straight lines from the origin meet the calorimeter, [particle, 3] (mm).

    `eta` and `phi` are [particle].
    """
    radius, end = detector.ecal.inner_radius, detector.ecal.endcap_z
    slope = np.sinh(eta)  # z/r
    at_radius = radius / np.maximum(1, radius * np.abs(slope) / end)
    return np.stack([at_radius * np.cos(phi), at_radius * np.sin(phi), at_radius * slope], axis=1)


def particle_places(
    eta: Array, phi: Array, track_index: Array, paths: Array, detector: Detector
) -> Array:
    """Position of each particle: the end of its track, or else `toward_face`, [particle, 3] (mm).

    `track_index` [particle] is the row of `paths` [track, point, 3] (mm), or -1.
    """
    position = toward_face(eta, phi, detector)
    has_track = track_index >= 0
    position[has_track] = paths[track_index[has_track], -1]
    return position
