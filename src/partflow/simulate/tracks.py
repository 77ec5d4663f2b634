"""Tracks as they are measured: their record, their resolution, their helix.

The momentum resolution is the detector's (`core.tracker`); the resolution of direction and impact
parameters is a choice of ours of the order of the CLICdet note (arXiv:1812.07337).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.detector import Detector
from partflow.core.helix import HelixState, follow_track, perigee
from partflow.core.records import Array
from partflow.core.schemas import TRACK_PARTICLES, TRACKS
from partflow.simulate.config import SimulationConfig

TRACK = np.dtype(
    [(f.name, f.dtype) for schema in (TRACKS, TRACK_PARTICLES) for f in schema.fields], align=True
)
"""A track and its truth, as kernels write it."""

LAYER_RADIUS, LAYER_HALF_LENGTH = range(2)
"""Columns of `TrackerConstants.layers`."""
DISC_Z, DISC_INNER_RADIUS, DISC_OUTER_RADIUS = range(3)
"""Columns of `TrackerConstants.discs`."""
UPPER_EDGE, CURVATURE_TERM, SCATTERING_TERM = range(3)
"""Columns of `TrackerConstants.resolution`."""
MIN_CURVATURE = 1e-5
"""Curvature of the straightest track that is measured [1/GeV, charge/pt]."""


class TrackerConstants(NamedTuple):
    """`core.tracker.Tracker` and its muon system for kernels; lengths in mm, angles in rad.

    It has few arrays: numba counts the references to each whenever the constants are passed on.
    """

    layers: Array
    """[layer, (radius, half length)]: barrel layers."""
    discs: Array
    """[disc, (abs(z), inner radius, outer radius)]."""
    resolution: Array
    """[row, (upper edge in abs(eta), curvature term, scattering term)]: momentum resolution."""
    electron_scattering_factor: float
    hit_efficiency: float
    hit_resolution: float
    min_hits: int
    max_efficiency: float
    min_pt: float
    pt_turn_on: float
    min_theta: float
    full_theta: float
    forward_efficiency: float
    displaced_radius: float
    displaced_range: float
    max_vertex_z: float
    min_length: float
    full_length: float
    yoke_layers: int
    yoke_efficiency: float
    min_muon_momentum: float


def tracker_constants(detector: Detector, config: SimulationConfig) -> TrackerConstants:
    """The constants of the tracker of a detector.

    Where bremsstrahlung is simulated, electrons have no wider resolution: they radiate instead.
    """
    tracker = detector.tracker
    names = (
        "hit_efficiency", "hit_resolution", "max_efficiency", "min_pt", "pt_turn_on",
        "forward_efficiency", "displaced_radius", "displaced_range", "max_vertex_z", "min_length",
        "full_length",
    )  # fmt: skip
    edges = (*tracker.eta_edges, math.inf)
    electron_factor = 1.0 if config.bremsstrahlung else tracker.electron_scattering_factor
    return TrackerConstants(
        layers=_columns(tracker.layer_radii, tracker.layer_half_lengths),
        discs=_columns(tracker.disc_z, tracker.disc_inner_radii, tracker.disc_outer_radii),
        resolution=_columns(edges, tracker.curvature_term, tracker.scattering_term),
        electron_scattering_factor=float(electron_factor),
        min_hits=int(tracker.min_hits),
        min_theta=math.radians(tracker.min_theta),
        full_theta=math.radians(tracker.full_theta),
        yoke_layers=int(detector.yoke.num_layers),
        yoke_efficiency=float(detector.yoke.efficiency),
        min_muon_momentum=float(detector.yoke.min_muon_momentum),
        **{name: float(getattr(tracker, name)) for name in names},
    )


def _columns(*columns: tuple[float, ...]) -> Array:
    """The tuples as the columns of an array [row, column]."""
    return np.ascontiguousarray(np.array(columns, dtype=np.float64).T)


@njit(cache=True, error_model="numpy")
def resolutions(tracker, pt, momentum, tan_lambda, is_electron):
    """Resolutions of a track: (relative of charge/pt, phi, tan_lambda, d0 [mm], z0 [mm])."""
    sine = pt / momentum
    eta = abs(math.asinh(tan_lambda))
    row = 0
    while eta >= tracker.resolution[row, UPPER_EDGE]:
        row += 1
    scattering = tracker.resolution[row, SCATTERING_TERM]
    if is_electron:
        scattering *= tracker.electron_scattering_factor
    return (
        math.hypot(tracker.resolution[row, CURVATURE_TERM] * pt, scattering),
        math.hypot(3e-5, 6e-4 / (momentum * math.sqrt(sine))),
        math.hypot(5e-5, 6e-4 / (momentum * sine**1.5)) / sine,
        math.hypot(0.005, 0.015 / (momentum * sine**1.5)),
        math.hypot(0.005, 0.015 / (momentum * sine**2.5)),
    )


@njit(cache=True, error_model="numpy")
def write_helix(track, geometry, x, y, z, phi, tan_lambda, curvature):
    """Write the helix through a point [mm] with `curvature` = charge/pt [1/GeV] to a track."""
    charge = 1 if curvature > 0.0 else -1
    pt = 1.0 / max(abs(curvature), MIN_CURVATURE)
    px, py, pz = pt * math.cos(phi), pt * math.sin(phi), pt * tan_lambda
    d0, z0, phi_perigee, omega, _ = perigee(
        geometry.bending, HelixState(x, y, z, px, py, pz, charge)
    )
    track.charge, track.pt, track.phi, track.tan_lambda = charge, pt, phi_perigee, tan_lambda
    track.d0, track.z0, track.omega = d0, z0, omega
    face, x, y, z, dx, dy, dz = follow_track(geometry, d0, z0, phi_perigee, tan_lambda, pt, charge)
    track.face_region = face
    track.face_x, track.face_y, track.face_z = x, y, z
    track.face_dx, track.face_dy, track.face_dz = dx, dy, dz
