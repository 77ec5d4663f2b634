"""Where a path through the tracker has crossed how much of its material.

One description serves every particle and process. The material lies on boxes in one another, each
like the calorimeter's face: with the radius R and half length Z of that face, a point (r, z) is on
the box u = max(r/R, abs(z)/Z). Between the boxes of the beam pipe and of the last layer lies the
whole of it: the share `vertex_material` evenly in u up to `vertex_radius`, the rest evenly behind.
It is so dense that a straight path from the collision at the polar angle theta crosses

    x(theta) = x(90 degrees) / sin(theta),       1/sin(theta) at most `max_slant`,

wherever it leaves the tracker: a slab, with the discs as thick as a forward path needs. With F(u)
the share of the material within the box u, that is a density per path of

    dx/dl = x(90 degrees) F'(u) (u/r) min(1, max_slant sin(theta)),

sin(theta) = r/sqrt(r^2 + z^2) of the place.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from numba import njit

from partflow.core.detector import Detector
from partflow.core.helix import MIN_PT
from partflow.simulate.flights import NO_END

_MIN_STEP = 8.0  # mm of transverse path
_STEP_PER_RADIUS = 0.25
_BEFORE_PIPE = 0.9  # of the way to the first material, the length of a step from the collision
_AT_ORIGIN = 0.5  # mm; a straight path from here needs no steps
_STIFF = 2.0  # radii of the tracker: a helix of that radius crosses at most 10 % more than a line
_HALF_CIRCLE = 1.6  # a path of at most half a circle is longer than its chord by less than this
_CURLING = 3.0  # times `max_slant`: more than any path crosses, but one that curls for metres


class Material(NamedTuple):
    """The material of `core.tracker.Tracker` as kernels take it: numbers alone, since each array
    that is handed on costs a count of references.
    """

    radiation_lengths: float
    interaction_lengths: float
    beam_pipe_radius: float
    vertex_radius: float
    vertex_material: float
    material_to_face: float
    max_slant: float


def tracker_material(detector: Detector) -> Material:
    """The material of the tracker of a detector."""
    return Material(*(float(getattr(detector.tracker, name)) for name in Material._fields))


@njit(cache=True, error_model="numpy")
def box_of(geometry, r, z):
    """Number u of the box that a point is on: 0 at the origin, 1 at the calorimeter's face."""
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
def box_with(geometry, material, share):
    """The box within which a `share` of the material is, 0 to 1: the inverse of the above."""
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
    """Material per path [1/mm], of the whole at 90 degrees, about the middle (r, z) of a step.

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
    """Part of a step from the box `u` to `next_u`, 0 to 1, that lies before a `share` of the
    material in it. Where the step goes past the first or the last material, it is between.
    """
    if next_u == u:
        return share
    first = material.beam_pipe_radius / geometry.barrel_r
    last = 1.0 - material.material_to_face / geometry.barrel_r
    one = min(max((first - u) / (next_u - u), 0.0), 1.0)
    other = min(max((last - u) / (next_u - u), 0.0), 1.0)
    return min(one, other) + abs(other - one) * share


@njit(cache=True, error_model="numpy")
def _most(flight, pt, radius, geometry, material):
    """An amount of material that the path of a flight will not exceed, to save following it."""
    if radius < material.beam_pipe_radius and abs(flight.z) < material.beam_pipe_radius:
        # the slant is that of the place; 10 % are more than a start off the origin can add
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
def _turned(curvature, x, y, dx, dy, path):
    """Position [mm] and direction across the beam after a `path` on a circle of a `curvature`
    [1/mm], as `core.helix.advance` has them: without asking for the azimuth at every step.
    """
    if curvature == 0.0:
        return x + path * dx, y + path * dy, dx, dy
    cosine, sine = math.cos(curvature * path), math.sin(curvature * path)
    new_x, new_y = dx * cosine + dy * sine, dy * cosine - dx * sine
    return x + (dy - new_y) / curvature, y + (new_x - dx) / curvature, new_x, new_y


@njit(cache=True, error_model="numpy")
def path_after(amount, flight, geometry, material):
    """Transverse path [mm] after which a flight has crossed `amount` of material, or NO_END.

    `amount` is in units of the whole at 90 degrees. The path is followed in steps; what a straight
    one from the collision crosses is exact whatever their length.
    """
    pt = math.hypot(flight.px, flight.py)
    radius = math.hypot(flight.x, flight.y)
    if pt < MIN_PT or amount > _most(flight, pt, radius, geometry, material):
        return NO_END
    per_transverse = math.hypot(pt, flight.pz) / pt
    if flight.charge == 0 and radius + abs(flight.z) < _AT_ORIGIN:
        share = amount / min(per_transverse, material.max_slant)
        if share > 1.0:
            return NO_END
        reached = box_with(geometry, material, share)
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
            along = begin_z - abs(z)  # a particle that flies back takes more steps than it must
            step = max(1.0, min(begin - radius, along * pt / max(abs(flight.pz), 1e-9)))
        before_x, before_y, before_z = x, y, z
        x, y, dx, dy = _turned(geometry.bending * flight.charge / pt, x, y, dx, dy, step)
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
