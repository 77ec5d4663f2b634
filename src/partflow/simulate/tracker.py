"""Tracks: efficiency, smeared helices, the state at the calorimeter, hits in the muon system.

Momentum resolution and efficiency are the detector's (`core.tracker`); the resolution of
direction and impact parameters is a choice of ours of the order of the CLICdet note
(arXiv:1812.07337). First and last hit: `hit_pattern`; fakes and duplicates: `ghosts`; hits of the
yoke: `yoke`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.detector import FACE_NONE, Detector
from partflow.core.helix import MIN_PT, HelixState, follow_track, perigee
from partflow.core.records import Array
from partflow.core.schemas import TRACK_PARTICLES, TRACKS
from partflow.simulate.bremsstrahlung import fitted_pt
from partflow.simulate.config import SimulationConfig
from partflow.simulate.flights import NO_END, NO_SUCCESSOR, Species, face_of
from partflow.simulate.hit_pattern import RADIUS, hit_pattern

TRACK = np.dtype(
    [(f.name, f.dtype) for schema in (TRACKS, TRACK_PARTICLES) for f in schema.fields], align=True
)
"""A track and its truth, as kernels write it."""

UPPER_EDGE, CURVATURE, SCATTERING = range(3)
"""Columns of the resolution: of a bin in abs(eta), and the two terms of the momentum's."""
MIN_CURVATURE = 1e-5
"""Straightest track that is measured [1/GeV, charge/pt]."""

_PUNCH_THROUGH, _MIN_PUNCH_MOMENTUM, _PUNCH_LAYERS = 0.01, 10.0, 3  # GeV


class TrackerConstants(NamedTuple):
    """`core.tracker.Tracker` and the yoke, as kernels take them; angles in rad.

    Few arrays: for each of them, references are counted whenever the constants are handed on.
    """

    layers: Array
    """[layer, (radius, half length)] mm; columns as in `hit_pattern`."""
    discs: Array
    """[disc, (abs(z), inner radius, outer radius)] mm; columns as in `hit_pattern`."""
    resolution: Array
    """[row, (upper edge in abs(eta), curvature term, scattering term)]."""
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
    """The tracker of a detector as plain numbers.

    Where electrons radiate, their tracks are not smeared for it once more.
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
    return np.ascontiguousarray(np.array(columns, dtype=np.float64).T)


@njit(cache=True, error_model="numpy")
def find_tracks(rng, flights, geometry, tracker):
    """Rows of TRACK for the flights of one event."""
    tracks = np.zeros(len(flights), dtype=TRACK)
    count = 0
    for i in range(len(flights)):
        flight = flights[i]
        if flight.charge == 0 or flight.is_continuation:
            continue
        if rng.random() >= _efficiency(flight, tracker):
            continue
        num_hits, innermost, outermost = hit_pattern(rng, flight, geometry, tracker)
        if num_hits < tracker.min_hits:
            continue
        track = tracks[count]
        pt = math.hypot(flight.px, flight.py)
        if flight.successor != NO_SUCCESSOR:
            pt = fitted_pt(flights, i, tracker.layers[-1, RADIUS], geometry)
        _measure(rng, track, flight, pt, geometry, tracker)
        track.radius_of_innermost_hit = innermost
        track.radius_of_outermost_hit = outermost
        track.num_yoke_hits = _yoke_hits(rng, flight, geometry, tracker)
        track.particle_index = flight.origin
        track.is_primary = flight.is_primary
        count += 1
    return tracks[:count]


@njit(cache=True, error_model="numpy")
def _efficiency(flight, tracker):
    """Probability that a charged flight with enough hits is found as a track."""
    pt = math.hypot(flight.px, flight.py)
    if pt <= max(tracker.min_pt, MIN_PT) or abs(flight.z) >= tracker.max_vertex_z:
        return 0.0
    efficiency = tracker.max_efficiency * (
        1.0 - math.exp(-(pt - tracker.min_pt) / tracker.pt_turn_on)
    )
    theta = math.atan2(pt, abs(flight.pz))
    if theta <= tracker.min_theta:
        return 0.0
    if theta <= tracker.full_theta:
        efficiency *= tracker.forward_efficiency
    start = math.hypot(flight.x, flight.y)
    if start >= tracker.displaced_radius:
        efficiency *= min(max(1.05 - start / tracker.displaced_range, 0.0), 1.0)
    if flight.end < NO_END and flight.successor == NO_SUCCESSOR:
        # `end` is the transverse path from where the flight starts: the length in the tracker
        part = (flight.end - tracker.min_length) / (tracker.full_length - tracker.min_length)
        efficiency *= min(max(part, 0.0), 1.0)
    return efficiency


@njit(cache=True, error_model="numpy")
def resolutions(tracker, pt, momentum, tan_lambda, is_electron):
    """Widths (relative of charge/pt, phi, tan_lambda, d0, z0) of a track's parameters."""
    sine = pt / momentum
    eta = abs(math.asinh(tan_lambda))
    row = 0
    while eta >= tracker.resolution[row, UPPER_EDGE]:
        row += 1
    scattering = tracker.resolution[row, SCATTERING]
    if is_electron:
        scattering *= tracker.electron_scattering_factor
    return (
        math.hypot(tracker.resolution[row, CURVATURE] * pt, scattering),
        math.hypot(3e-5, 6e-4 / (momentum * math.sqrt(sine))),
        math.hypot(5e-5, 6e-4 / (momentum * sine**1.5)) / sine,
        math.hypot(0.005, 0.015 / (momentum * sine**1.5)),
        math.hypot(0.005, 0.015 / (momentum * sine**2.5)),
    )


@njit(cache=True, error_model="numpy")
def _measure(rng, track, flight, fitted, geometry, tracker):
    """Smear a flight's helix, of a fit's `fitted` pt [GeV], and write what the fit would give."""
    pt = math.hypot(flight.px, flight.py)
    tan_lambda = flight.pz / pt
    phi = math.atan2(flight.py, flight.px)
    relative, sigma_phi, sigma_tan_lambda, sigma_d0, sigma_z0 = resolutions(
        tracker, pt, math.hypot(pt, flight.pz), tan_lambda, flight.species == Species.ELECTRON
    )
    # charge/pt is what a tracker measures; for charge 2 `pt` becomes the rigidity
    curvature = flight.charge / fitted * (1.0 + relative * rng.standard_normal())
    shift = sigma_d0 * rng.standard_normal()
    x = flight.x - shift * math.sin(phi)
    y = flight.y + shift * math.cos(phi)
    z = flight.z + sigma_z0 * rng.standard_normal()
    phi += sigma_phi * rng.standard_normal()
    tan_lambda += sigma_tan_lambda * rng.standard_normal()
    write_helix(track, geometry, x, y, z, phi, tan_lambda, curvature)


@njit(cache=True, error_model="numpy")
def write_helix(track, geometry, x, y, z, phi, tan_lambda, curvature):
    """Write a track through a point [mm] with `curvature` = charge/pt [1/GeV]."""
    charge = 1 if curvature > 0.0 else -1
    pt = 1.0 / max(abs(curvature), MIN_CURVATURE)
    px, py, pz = pt * math.cos(phi), pt * math.sin(phi), pt * tan_lambda
    start = HelixState(x, y, z, px, py, pz, charge)
    d0, z0, phi_perigee, omega, _ = perigee(geometry.bending, start)
    track.charge, track.pt, track.phi, track.tan_lambda = charge, pt, phi_perigee, tan_lambda
    track.d0, track.z0, track.omega = d0, z0, omega
    face, x, y, z, dx, dy, dz = follow_track(geometry, d0, z0, phi_perigee, tan_lambda, pt, charge)
    track.face_region = face
    track.face_x, track.face_y, track.face_z = x, y, z
    track.face_dx, track.face_dy, track.face_dz = dx, dy, dz


@njit(cache=True, error_model="numpy")
def _yoke_hits(rng, flight, geometry, tracker):
    """Hits in the muon system: muons that reach it, and hadrons that punch through."""
    momentum = math.sqrt(flight.px**2 + flight.py**2 + flight.pz**2)
    is_muon = flight.species == Species.MUON
    is_hadron = flight.species >= Species.MESON
    if not (is_muon and momentum > tracker.min_muon_momentum) and not (
        is_hadron and momentum > _MIN_PUNCH_MOMENTUM and rng.random() < _PUNCH_THROUGH
    ):
        return 0
    if flight.end < NO_END or face_of(flight, geometry)[0] == FACE_NONE:
        return 0
    if is_hadron:
        return 1 + int(_PUNCH_LAYERS * rng.random())
    hits = 0
    for _ in range(tracker.yoke_layers):
        if rng.random() < tracker.yoke_efficiency:
            hits += 1
    return hits
