"""Helices in the solenoid field: to the calorimeter face, and along the path.

A particle of charge q and transverse momentum pt turns on the signed radius
R = pt / (bending q), bending = LIGHT_SPEED * field; after the transverse path s

    phi(s) = phi_0 - s / R,            x = x_0 + R (sin phi_0 - sin phi(s)),
    z = z_0 + s tan(lambda),           y = y_0 + R (cos phi(s) - cos phi_0).

Scalars in, tuples out: kernels call these for one particle at a time. Lengths in mm, GeV.
"""

from __future__ import annotations

import math

from numba import njit

from partflow.core.detector import FACE_BARREL, FACE_ENDCAP, FACE_NONE

MIN_PT = 1e-6
"""Transverse momentum below which a path is straight, along the beam [GeV]."""
_FAR = 1e30


@njit(cache=True, error_model="numpy")
def advance(bending, x, y, z, px, py, pz, charge, path):
    """Position and transverse momentum (x, y, z, px, py) after the transverse `path` [mm].

    `pt` must be above MIN_PT: a particle along the beam has no transverse path.
    """
    pt = math.hypot(px, py)
    z_new = z + path * pz / pt
    if charge == 0:
        return x + path * px / pt, y + path * py / pt, z_new, px, py
    radius = pt / (bending * charge)
    phi = math.atan2(py, px)
    phi_new = phi - path / radius
    sin_new, cos_new = math.sin(phi_new), math.cos(phi_new)
    x_new = x + radius * (math.sin(phi) - sin_new)
    y_new = y + radius * (cos_new - math.cos(phi))
    return x_new, y_new, z_new, pt * cos_new, pt * sin_new


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
def to_calorimeter(geometry, x, y, z, px, py, pz, charge):
    """Where a particle enters the calorimeter: (face, x, y, z, px, py, pz).

    `face` is FACE_BARREL or FACE_ENDCAP, or FACE_NONE for a particle at rest, one lost in the
    beam pipe, one born outside the tracker volume, and one that curls for longer than
    `geometry.max_path`.
    """
    pt = math.hypot(px, py)
    lost = (FACE_NONE, x, y, z, px, py, pz)
    if pt < MIN_PT and abs(pz) < MIN_PT:
        return lost
    if math.hypot(x, y) >= geometry.barrel_r or abs(z) >= geometry.endcap_z:
        return lost
    face_z = geometry.endcap_z if pz > 0 else -geometry.endcap_z
    if pt < MIN_PT:
        if math.hypot(x, y) < geometry.endcap_inner_r:
            return lost
        return FACE_ENDCAP, x, y, face_z, px, py, pz
    to_barrel = path_to_cylinder(geometry.bending, x, y, px, py, charge, geometry.barrel_r)
    to_endcap = (face_z - z) * pt / pz if pz != 0.0 else _FAR
    path = min(to_barrel, to_endcap)
    if path * math.hypot(pt, pz) > geometry.max_path * pt:
        return lost
    x_new, y_new, z_new, px_new, py_new = advance(
        geometry.bending, x, y, z, px, py, pz, charge, path
    )
    if to_barrel <= to_endcap:
        return FACE_BARREL, x_new, y_new, z_new, px_new, py_new, pz
    if math.hypot(x_new, y_new) < geometry.endcap_inner_r:
        return lost
    return FACE_ENDCAP, x_new, y_new, face_z, px_new, py_new, pz


@njit(cache=True, error_model="numpy")
def perigee(bending, x, y, z, px, py, pz, charge):
    """Perigee parameters (d0, z0, phi, omega, tan_lambda) of a charged helix, LCIO signs.

    The point of closest approach to the z axis is (-d0 sin phi, d0 cos phi, z0), omega = 1/R.
    """
    pt = math.hypot(px, py)
    radius = pt / (bending * charge)
    turn = 1.0 if radius > 0 else -1.0
    centre_x = x + radius * py / pt
    centre_y = y - radius * px / pt
    d0 = turn * (abs(radius) - math.hypot(centre_x, centre_y))
    phi_perigee = math.atan2(centre_x * turn, -centre_y * turn)
    # atan2 of the difference: wrapped into (-pi, pi], so the nearer turn of the helix is taken
    phi = math.atan2(py, px)
    difference = math.atan2(math.sin(phi - phi_perigee), math.cos(phi - phi_perigee))
    z0 = z + difference * radius * pz / pt
    return d0, z0, phi_perigee, 1.0 / radius, pz / pt
