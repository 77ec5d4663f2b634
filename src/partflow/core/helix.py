"""Helices in the solenoid field: positions along the path, and where it meets the calorimeter.

A particle of charge q and transverse momentum pt turns on the signed radius
R = pt / (bending q), bending = LIGHT_SPEED_GEV_PER_T_MM * field; after the transverse path s

    phi(s) = phi_0 - s / R,            x = x_0 + R (sin phi_0 - sin phi(s)),
    z = z_0 + s tan(lambda),           y = y_0 + R (cos phi(s) - cos phi_0).

Kernels call these functions for one particle at a time. `start` is where a particle is and how it
moves: a `HelixState`, or any structured row with its fields. Lengths in mm, momenta in GeV.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.detector import FACE_BARREL, FACE_ENDCAP, FACE_NONE

MIN_PT = 1e-6
"""Transverse momentum below which a path is straight, along the beam [GeV]."""
_FAR = 1e30
"""Path of a particle that never arrives [mm]."""


class HelixState(NamedTuple):
    """Position [mm], momentum [GeV] and charge [e] of a particle at one point of its path."""

    x: float
    y: float
    z: float
    px: float
    py: float
    pz: float
    charge: int


@njit(cache=True, error_model="numpy")
def advance(bending, start, path):
    """Position and transverse momentum (x, y, z, px, py) after the transverse `path` [mm].

    `pt` must be above MIN_PT: a particle along the beam has no transverse path.
    """
    pt = math.hypot(start.px, start.py)
    z = start.z + path * start.pz / pt
    if start.charge == 0:
        x, y = start.x + path * start.px / pt, start.y + path * start.py / pt
        return x, y, z, start.px, start.py
    radius = pt / (bending * start.charge)
    phi_start = math.atan2(start.py, start.px)
    phi = phi_start - path / radius
    sin_phi, cos_phi = math.sin(phi), math.cos(phi)
    x = start.x + radius * (math.sin(phi_start) - sin_phi)
    y = start.y + radius * (cos_phi - math.cos(phi_start))
    return x, y, z, pt * cos_phi, pt * sin_phi


@njit(cache=True, error_model="numpy")
def path_to_cylinder(bending, x, y, px, py, charge, cylinder_radius):
    """Transverse path [mm] from inside a cylinder about the z axis to it; 1e30 if never."""
    pt = math.hypot(px, py)
    if pt < MIN_PT:
        return _FAR
    if charge == 0:
        outward = (x * px + y * py) / pt
        inside = max(cylinder_radius * cylinder_radius - x * x - y * y, 0.0)
        return math.sqrt(outward * outward + inside) - outward
    radius = pt / (bending * charge)
    size = abs(radius)
    turn = 1.0 if radius > 0 else -1.0
    centre_x = x + radius * py / pt
    centre_y = y - radius * px / pt
    distance = math.hypot(centre_x, centre_y)
    if distance == 0.0:
        return _FAR
    cosine = (cylinder_radius**2 - distance**2 - size**2) / (2.0 * distance * size)
    if not -1.0 < cosine < 1.0:
        return _FAR
    # The circles cross at azimuths (about the helix's centre) +-opening from the outermost point.
    outermost = math.atan2(centre_y, centre_x)
    opening = math.acos(cosine)
    start = math.atan2(y - centre_y, x - centre_x)
    first = ((start - outermost - opening) * turn) % (2.0 * math.pi)
    second = ((start - outermost + opening) * turn) % (2.0 * math.pi)
    return min(first, second) * size


@njit(cache=True, error_model="numpy")
def to_calorimeter(geometry, start):
    """Where a particle enters the calorimeter, or where its path ends: (face, x, y, z, px, py, pz).

    `face` is FACE_BARREL, FACE_ENDCAP or FACE_NONE. The path of a particle that does not enter
    ends in the plane of the endcap if it is lost in the hole around the beam, after
    `geometry.max_path` if it curls for longer, and at its start if it is at rest or outside the
    tracker volume.
    """
    x, y, z, px, py, pz = start.x, start.y, start.z, start.px, start.py, start.pz
    pt = math.hypot(px, py)
    if pt < MIN_PT and abs(pz) < MIN_PT:
        return FACE_NONE, x, y, z, px, py, pz
    if math.hypot(x, y) >= geometry.barrel_r or abs(z) >= geometry.endcap_z:
        return FACE_NONE, x, y, z, px, py, pz
    face_z = geometry.endcap_z if pz > 0 else -geometry.endcap_z
    if pt < MIN_PT:
        face = FACE_NONE if math.hypot(x, y) < geometry.endcap_inner_r else FACE_ENDCAP
        return face, x, y, face_z, px, py, pz
    to_barrel = path_to_cylinder(geometry.bending, x, y, px, py, start.charge, geometry.barrel_r)
    to_endcap = (face_z - z) * pt / pz if pz != 0.0 else _FAR
    longest = geometry.max_path * pt / math.hypot(pt, pz)
    path = min(to_barrel, to_endcap, longest)
    x, y, z, px, py = advance(geometry.bending, start, path)
    if path == to_barrel:
        return FACE_BARREL, x, y, z, px, py, pz
    if path < to_endcap:
        return FACE_NONE, x, y, z, px, py, pz
    face = FACE_NONE if math.hypot(x, y) < geometry.endcap_inner_r else FACE_ENDCAP
    return face, x, y, face_z, px, py, pz


@njit(cache=True, error_model="numpy")
def follow_track(geometry, d0, z0, phi, tan_lambda, pt, charge):
    """Where a measured track enters the calorimeter, or where its path ends:
    (face, x, y, z, dx, dy, dz), a position [mm] and a unit direction; see `to_calorimeter`.

    The path begins at the perigee, wherever on the helix the track was produced. A track whose
    perigee is behind the plane of the endcap crossed that plane before its perigee.
    """
    x, y, z = -d0 * math.sin(phi), d0 * math.cos(phi), z0
    px, py, pz = pt * math.cos(phi), pt * math.sin(phi), pt * tan_lambda
    start = HelixState(x, y, z, px, py, pz, charge)
    if abs(z) >= geometry.endcap_z and z * tan_lambda > 0.0:
        face_z = math.copysign(geometry.endcap_z, tan_lambda)
        path = (face_z - z) / tan_lambda
        x, y, _, px, py = advance(geometry.bending, start, path)
        radius, z = math.hypot(x, y), face_z
        is_on_face = geometry.endcap_inner_r <= radius < geometry.barrel_r
        face = FACE_ENDCAP if is_on_face else FACE_NONE
    else:
        face, x, y, z, px, py, pz = to_calorimeter(geometry, start)
    momentum = pt * math.hypot(1.0, tan_lambda)
    return face, x, y, z, px / momentum, py / momentum, pz / momentum


@njit(cache=True, error_model="numpy")
def follow_tracks(geometry, d0, z0, phi, tan_lambda, pt, charge):
    """(x, y, z, dx, dy, dz) of `follow_track`, each [track]; 0 where a track has no momentum."""
    ends = np.zeros((6, len(pt)))
    for i in range(len(pt)):
        if pt[i] > MIN_PT and charge[i] != 0:
            _, x, y, z, dx, dy, dz = follow_track(
                geometry, d0[i], z0[i], phi[i], tan_lambda[i], pt[i], charge[i]
            )
            ends[:, i] = (x, y, z, dx, dy, dz)
    return ends


@njit(cache=True, error_model="numpy")
def perigee(bending, start):
    """Perigee parameters (d0, z0, phi, omega, tan_lambda) of a charged helix, LCIO signs.

    The point of closest approach to the z axis is (-d0 sin phi, d0 cos phi, z0), omega = 1/R.
    """
    pt = math.hypot(start.px, start.py)
    radius = pt / (bending * start.charge)
    turn = 1.0 if radius > 0 else -1.0
    centre_x = start.x + radius * start.py / pt
    centre_y = start.y - radius * start.px / pt
    d0 = turn * (abs(radius) - math.hypot(centre_x, centre_y))
    phi_perigee = math.atan2(centre_x * turn, -centre_y * turn)
    # atan2 of the difference: wrapped into (-pi, pi], so the nearer turn of the helix is taken
    phi = math.atan2(start.py, start.px)
    difference = math.atan2(math.sin(phi - phi_perigee), math.cos(phi - phi_perigee))
    z0 = start.z + difference * radius * start.pz / pt
    return d0, z0, phi_perigee, 1.0 / radius, start.pz / pt
