"""Angles and momenta of flat arrays."""

from __future__ import annotations

import numpy as np

from partflow.core.records import Array

MAX_ABS_ETA = 20.0
"""Pseudorapidity given to a momentum along the beam, where it is infinite."""


def delta_phi(a: Array | float, b: Array | float) -> Array:
    """Azimuthal difference a - b [rad], wrapped into [-pi, pi).

    >>> float(delta_phi(3.0, -3.0).round(6))
    -0.283185
    """
    return np.asarray((np.asarray(a) - b + np.pi) % (2 * np.pi) - np.pi)


def delta_r(eta_a: Array, phi_a: Array, eta_b: Array, phi_b: Array) -> Array:
    """Distance sqrt(delta_eta^2 + delta_phi^2)."""
    return np.hypot(np.asarray(eta_a) - eta_b, delta_phi(phi_a, phi_b))


def eta_from_theta(theta: Array | float) -> Array:
    """Pseudorapidity -ln tan(theta/2) for the polar angle `theta` [rad].

    The abs is for single precision, whose pi is slightly larger than pi: there the tangent is
    negative.
    """
    with np.errstate(divide="ignore"):
        eta = -np.log(np.abs(np.tan(np.asarray(theta) / 2)))
    return np.asarray(np.clip(eta, -MAX_ABS_ETA, MAX_ABS_ETA))


def theta_from_eta(eta: Array | float) -> Array:
    """Polar angle [rad] for the pseudorapidity `eta`."""
    return np.asarray(2 * np.arctan(np.exp(-np.asarray(eta))))


def eta_from_momentum(px: Array, py: Array, pz: Array) -> Array:
    """Pseudorapidity asinh(pz/pt), within +-MAX_ABS_ETA."""
    pt = np.hypot(px, py)
    safe_pt = np.maximum(pt, np.finfo(float).tiny)
    with np.errstate(over="ignore"):
        return np.clip(np.arcsinh(np.asarray(pz) / safe_pt), -MAX_ABS_ETA, MAX_ABS_ETA)


def momentum_from_pt_eta_phi(pt: Array, eta: Array, phi: Array) -> tuple[Array, Array, Array]:
    """Cartesian momentum (px, py, pz) in the unit of `pt`."""
    return pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
