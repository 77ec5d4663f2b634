"""Rays and directions: axes across a direction, random points on a circle; no trigonometry.

All kernels here are inlined: they are short, and numba counts references to `rng` at each call
that it does not inline.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from numba import njit


class Ray(NamedTuple):
    """A point [mm] and a unit vector; kernels pass it by value, at the cost of six floats."""

    x: float
    y: float
    z: float
    dx: float
    dy: float
    dz: float


@njit(cache=True, error_model="numpy", inline="always")
def transverse_axes(dx, dy, dz):
    """Two unit vectors (ux, uy, uz, vx, vy, vz) orthogonal to a unit vector and to each other.

    The branch-free basis of Duff et al., J. Comput. Graph. Tech. 6 (2017) 1.
    """
    sign = math.copysign(1.0, dz)
    a = -1.0 / (sign + dz)
    b = dx * dy * a
    return 1.0 + sign * dx * dx * a, sign * b, -sign * dx, b, sign + dy * dy * a, -dy


@njit(cache=True, error_model="numpy", inline="always")
def circle_point(rng):
    """A random point on the unit circle: the direction of two normal deviates."""
    u, v = rng.standard_normal(), rng.standard_normal()
    scale = 1.0 / math.sqrt(u * u + v * v)
    return u * scale, v * scale


@njit(cache=True, error_model="numpy", inline="always")
def tilted(rng, dx, dy, dz, cosine):
    """The unit vector (dx, dy, dz) tilted by a polar angle of given cosine, at random azimuth."""
    sine = math.sqrt(max(1.0 - cosine * cosine, 0.0))
    a, b = circle_point(rng)
    a *= sine
    b *= sine
    ux, uy, uz, vx, vy, vz = transverse_axes(dx, dy, dz)
    return (
        dx * cosine + ux * a + vx * b,
        dy * cosine + uy * a + vy * b,
        dz * cosine + uz * a + vz * b,
    )
