"""Material along a path through the tracker, and where a particle interacts in it.

All particles and processes share one description. The material is distributed over nested boxes
of the shape of the calorimeter's face: with the radius R and half length Z of the face, a point
(r, z) is on the box u = max(r/R, abs(z)/Z). All material is between the box of the beam pipe and
that of the last layer: the share `vertex_material` uniformly in u up to `vertex_radius`, the rest
uniformly behind it. Its density is such that a straight path from the collision at the polar angle
theta crosses

    x(theta) = x(90 degrees) / sin(theta),       1/sin(theta) at most `max_slant`,

wherever it leaves the tracker, as in a slab. With F(u) the share of the material within the box u,
that is a density per path of

    dx/dl = x(90 degrees) F'(u) (u/r) min(1, max_slant sin(theta)),

where sin(theta) = r/sqrt(r^2 + z^2) of the point.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from numba import njit

from partflow.core.detector import Detector
from partflow.core.helix import MIN_PT
from partflow.simulate.tracker.flights import NO_END

_MIN_STEP = 8.0  # mm of transverse path
_STEP_PER_RADIUS = 0.25
_BEFORE_PIPE = 0.9  # the first step from the collision ends at this part of the pipe's radius
_AT_ORIGIN = 0.5  # mm; a straight path from so close to the origin needs no steps
_STIFF = 2.0  # radii of the tracker: a helix of that radius crosses at most 10 % more than a line
_HALF_CIRCLE = 1.6  # upper limit of path over chord for at most half a circle
_CURLING = 3.0  # times `max_slant`: more than any path crosses that does not curl for metres


class TrackerMaterial(NamedTuple):
    """The material of `core.tracker.Tracker`, for kernels. It has no arrays: to pass them on costs
    time, because numba counts references to them.
    """

    radiation_lengths: float
    interaction_lengths: float
    beam_pipe_radius: float
    vertex_radius: float
    vertex_material: float
    material_to_face: float
    max_slant: float


def tracker_material(detector: Detector) -> TrackerMaterial:
    """The material of the tracker of a detector."""
    values = (float(getattr(detector.tracker, name)) for name in TrackerMaterial._fields)
    return TrackerMaterial(*values)


@njit(cache=True, error_model="numpy")
def box_of(geometry, r, z):
    """The box u of a point: 0 at the origin, 1 at the calorimeter's face."""
    return max(r / geometry.barrel_r, abs(z) / geometry.endcap_z)


@njit(cache=True, error_model="numpy")
def material_within(geometry, material, u):
    """Share of the material within the box `u`, 0 to 1."""
    begin = material.beam_pipe_radius / geometry.barrel_r
    middle = material.vertex_radius / geometry.barrel_r
    end = 1.0 - material.material_to_face / geometry.barrel_r
    inner = min(max((u - begin) / (middle - begin), 0.0), 1.0)
    outer = min(max((u - middle) / (end - middle), 0.0), 1.0)
    return material.vertex_material * inner + (1.0 - material.vertex_material) * outer


@njit(cache=True, error_model="numpy")
def box_enclosing(geometry, material, share):
    """The box u that encloses a `share` of the material, 0 to 1: inverse of `material_within`."""
    last = geometry.barrel_r - material.material_to_face
    if share < material.vertex_material:
        part = share / material.vertex_material
        radius = (1.0 - part) * material.beam_pipe_radius + part * material.vertex_radius
    else:
        part = (share - material.vertex_material) / (1.0 - material.vertex_material)
        radius = (1.0 - part) * material.vertex_radius + part * last
    return radius / geometry.barrel_r


@njit(cache=True, error_model="numpy")
def _density(geometry, material, r, z, inside, u, next_inside, next_u):
    """Material per path [1/mm], in units of x(90 degrees), at the middle (r, z) of a step.

    The middle is that of the chord: over one step a path bends by some millimetres at most.
    """
    if abs(next_u - u) < 1e-9:
        step = 1e-3
        slope = (
            material_within(geometry, material, u + step)
            - material_within(geometry, material, u - step)
        ) / (2.0 * step)
    else:
        slope = (next_inside - inside) / (next_u - u)
    sine = r / math.sqrt(r * r + z * z)
    return slope * box_of(geometry, r, z) / r * min(1.0, material.max_slant * sine)


@njit(cache=True, error_model="numpy")
def _place_in_step(geometry, material, u, next_u, share):
    """Part of a step from the box `u` to `next_u`, 0 to 1, after which it has crossed a `share` of
    its material. A step may begin before the first material, or end behind the last.
    """
    if next_u == u:
        return share
    first = material.beam_pipe_radius / geometry.barrel_r
    last = 1.0 - material.material_to_face / geometry.barrel_r
    at_first = min(max((first - u) / (next_u - u), 0.0), 1.0)
    at_last = min(max((last - u) / (next_u - u), 0.0), 1.0)
    return min(at_first, at_last) + abs(at_last - at_first) * share


@njit(cache=True, error_model="numpy")
def _upper_limit(flight, pt, radius, geometry, material):
    """An amount of material that the path of a flight cannot exceed; it saves following most."""
    if radius < material.beam_pipe_radius and abs(flight.z) < material.beam_pipe_radius:
        # 10 % more: a start away from the origin changes the slant by less
        slant = 1.1 * min(math.hypot(pt, flight.pz) / pt, material.max_slant)
        if flight.charge == 0:
            return slant
        radius = pt / (geometry.bending * abs(flight.charge))
        if radius > _STIFF * geometry.barrel_r:
            return 1.1 * slant
        if 2.0 * radius > geometry.barrel_r:
            return _HALF_CIRCLE * slant
    return _CURLING * material.max_slant


@njit(cache=True, error_model="numpy")
def _advance_on_circle(curvature, x, y, dx, dy, path):
    """(x, y, dx, dy) across the beam after a `path` [mm] on a circle of a `curvature` [1/mm].

    The result is that of `core.helix.advance`, but it does not compute the azimuth at each step.
    """
    if curvature == 0.0:
        return x + path * dx, y + path * dy, dx, dy
    cosine, sine = math.cos(curvature * path), math.sin(curvature * path)
    new_x, new_y = dx * cosine + dy * sine, dy * cosine - dx * sine
    return x + (dy - new_y) / curvature, y + (new_x - dx) / curvature, new_x, new_y


@njit(cache=True, error_model="numpy")
def path_after(amount, flight, geometry, material):
    """Transverse path [mm] after which a flight has crossed `amount` of material, or NO_END.

    `amount` is in units of x(90 degrees). The path is followed in steps; for straight paths from
    the collision the result is exact whatever the length of the steps.
    """
    pt = math.hypot(flight.px, flight.py)
    radius = math.hypot(flight.x, flight.y)
    if pt < MIN_PT or amount > _upper_limit(flight, pt, radius, geometry, material):
        return NO_END
    per_transverse = math.hypot(pt, flight.pz) / pt
    if flight.charge == 0 and radius + abs(flight.z) < _AT_ORIGIN:
        share = amount / min(per_transverse, material.max_slant)
        if share > 1.0:
            return NO_END
        reached = box_enclosing(geometry, material, share)
        return reached * min(geometry.barrel_r, geometry.endcap_z * pt / max(abs(flight.pz), 1e-9))
    longest = geometry.max_path / per_transverse
    begin = _BEFORE_PIPE * material.beam_pipe_radius
    begin_z = begin * geometry.endcap_z / geometry.barrel_r
    x, y, z = flight.x, flight.y, flight.z
    dx, dy = flight.px / pt, flight.py / pt
    u = box_of(geometry, radius, z)
    inside = material_within(geometry, material, u)
    path, crossed = 0.0, 0.0
    while path < longest and u < 1.0:
        step = max(_MIN_STEP, _STEP_PER_RADIUS * radius)
        if radius < begin and abs(z) < begin_z:
            along = begin_z - abs(z)  # more steps than needed where a particle flies inwards
            step = max(1.0, min(begin - radius, along * pt / max(abs(flight.pz), 1e-9)))
        before_x, before_y, before_z = x, y, z
        x, y, dx, dy = _advance_on_circle(geometry.bending * flight.charge / pt, x, y, dx, dy, step)
        z += step * flight.pz / pt
        radius = math.hypot(x, y)
        next_u = box_of(geometry, radius, z)
        next_inside = material_within(geometry, material, next_u)
        density = _density(
            geometry, material,
            max(0.5 * math.hypot(before_x + x, before_y + y), 1e-3), 0.5 * (before_z + z),
            inside, u, next_inside, next_u,
        )  # fmt: skip
        more = density * step * per_transverse
        if crossed + more >= amount:
            share = (amount - crossed) / more
            return path + step * _place_in_step(geometry, material, u, next_u, share)
        path, crossed, u, inside = path + step, crossed + more, next_u, next_inside
    return NO_END
