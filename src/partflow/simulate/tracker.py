"""Tracks: efficiency, smeared helices, the state at the calorimeter, hits in the muon system.

Momentum resolution: fits to the CLICdet full simulation (see `core.detector`). Efficiency and
the resolution of direction and impact parameters are choices of ours of the order of the
CLICdet note (arXiv:1812.07337). Fakes and duplicates: `ghosts`; hits of the yoke: `yoke`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.detector import FACE_NONE, Detector
from partflow.core.helix import MIN_PT, perigee, to_calorimeter
from partflow.core.records import TRACK_PARTICLES, TRACKS, Array
from partflow.simulate.bremsstrahlung import fitted_pt
from partflow.simulate.config import SimulationConfig
from partflow.simulate.flights import NO_END, NO_SUCCESSOR, Species, face_of

TRACK = np.dtype(
    [(f.name, f.dtype) for schema in (TRACKS, TRACK_PARTICLES) for f in schema.fields], align=True
)
"""A track and its truth, as kernels write it."""

MIN_TRACK_PT, _TURN_ON = 0.10, 0.07  # GeV: efficiency 1 - exp(-(pt - 0.10)/0.07)
_FULL_THETA, _MIN_THETA = math.radians(9.0), math.radians(7.5)
_FORWARD_EFFICIENCY = 0.8  # between these polar angles
_DISPLACED = 50.0  # mm, production radius from which on layers are missing
_MAX_VERTEX_Z = 1500.0  # mm
_MIN_LENGTH, _FULL_LENGTH = 150.0, 500.0  # mm, of a track that ends in the tracker
MIN_CURVATURE = 1e-5
"""Straightest track that is measured [1/GeV, charge/pt]."""

_MIN_MUON_MOMENTUM = 4.0  # GeV, to cross the calorimeters and the yoke
_PUNCH_THROUGH, _MIN_PUNCH_MOMENTUM, _PUNCH_LAYERS = 0.01, 10.0, 3  # GeV


class TrackerConstants(NamedTuple):
    """`core.detector.Tracker`, the yoke and the kink finder, as kernels take them."""

    layer_radii: Array
    eta_edges: Array
    curvature_term: Array
    scattering_term: Array
    electron_scattering_factor: float
    radiation_lengths: float
    interaction_lengths: float
    max_efficiency: float
    kink_finder_efficiency: float
    yoke_layers: int
    yoke_efficiency: float


def tracker_constants(detector: Detector, config: SimulationConfig) -> TrackerConstants:
    """The tracker of a detector as plain numbers.

    Where electrons radiate, their tracks are not smeared for it once more.
    """
    tracker = detector.tracker
    electron_factor = 1.0 if config.bremsstrahlung else tracker.electron_scattering_factor
    return TrackerConstants(
        layer_radii=np.array(tracker.layer_radii, dtype=np.float64),
        eta_edges=np.array(tracker.eta_edges, dtype=np.float64),
        curvature_term=np.array(tracker.curvature_term, dtype=np.float64),
        scattering_term=np.array(tracker.scattering_term, dtype=np.float64),
        electron_scattering_factor=float(electron_factor),
        radiation_lengths=float(tracker.radiation_lengths),
        interaction_lengths=float(tracker.interaction_lengths),
        max_efficiency=float(tracker.max_efficiency),
        kink_finder_efficiency=float(config.kink_finder_efficiency),
        yoke_layers=int(detector.yoke.num_layers),
        yoke_efficiency=float(detector.yoke.efficiency),
    )


@njit(cache=True, error_model="numpy")
def find_tracks(rng, flights, geometry, tracker):
    """Rows of TRACK for the flights of one event."""
    tracks = np.zeros(len(flights), dtype=TRACK)
    has_own_track = np.zeros(len(flights), dtype=np.bool_)
    count = 0
    for i in range(len(flights)):
        flight = flights[i]
        if flight.charge == 0 or flight.is_continuation:
            continue
        if rng.random() >= _efficiency(flight, tracker):
            continue
        track = tracks[count]
        pt = math.hypot(flight.px, flight.py)
        if flight.successor != NO_SUCCESSOR:
            pt = fitted_pt(flights, i, tracker.layer_radii[-1], geometry)
        _measure(rng, track, flight, pt, geometry, tracker)
        track.num_yoke_hits = _yoke_hits(rng, flight, geometry, tracker)
        track.particle_index = flight.origin
        track.is_primary = flight.is_primary
        if flight.is_primary:
            has_own_track[flight.origin] = True
        count += 1
    # Emulated kink finder: a real one compares the ends of tracks, this one looks at truth, here
    # in the simulation, so that the reconstruction need not. Without it the energy of a hadron
    # that breaks up behind its own track would be counted twice.
    for k in range(count):
        if not tracks[k].is_primary and has_own_track[tracks[k].particle_index]:
            tracks[k].is_prong = rng.random() < tracker.kink_finder_efficiency
    return tracks[:count]


@njit(cache=True, error_model="numpy")
def _efficiency(flight, tracker):
    """Probability that a charged flight is found as a track."""
    pt = math.hypot(flight.px, flight.py)
    if pt <= max(MIN_TRACK_PT, MIN_PT) or abs(flight.z) >= _MAX_VERTEX_Z:
        return 0.0
    efficiency = tracker.max_efficiency * (1.0 - math.exp(-(pt - MIN_TRACK_PT) / _TURN_ON))
    theta = math.atan2(pt, abs(flight.pz))
    if theta <= _MIN_THETA:
        return 0.0
    if theta <= _FULL_THETA:
        efficiency *= _FORWARD_EFFICIENCY
    start = math.hypot(flight.x, flight.y)
    if start >= _DISPLACED:
        efficiency *= min(max(1.05 - start / 900.0, 0.0), 1.0)
    if flight.end < NO_END and flight.successor == NO_SUCCESSOR:
        length = flight.end - start
        efficiency *= min(max((length - _MIN_LENGTH) / (_FULL_LENGTH - _MIN_LENGTH), 0.0), 1.0)
    return efficiency


@njit(cache=True, error_model="numpy")
def resolutions(tracker, pt, momentum, tan_lambda, is_electron):
    """Widths (relative of charge/pt, phi, tan_lambda, d0, z0) of a track's parameters."""
    sine = pt / momentum
    eta = abs(math.asinh(tan_lambda))
    row = np.searchsorted(tracker.eta_edges, eta, side="right")
    scattering = tracker.scattering_term[row]
    if is_electron:
        scattering *= tracker.electron_scattering_factor
    return (
        math.hypot(tracker.curvature_term[row] * pt, scattering),
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
    # The production radius stands for the hit pattern: no layer inside it can have a hit. Discs
    # and missed hits are not simulated.
    layer = np.searchsorted(tracker.layer_radii, math.hypot(flight.x, flight.y))
    track.radius_of_innermost_hit = tracker.layer_radii[min(layer, len(tracker.layer_radii) - 1)]


@njit(cache=True, error_model="numpy")
def write_helix(track, geometry, x, y, z, phi, tan_lambda, curvature):
    """Write a track through a point [mm] with `curvature` = charge/pt [1/GeV]."""
    charge = 1 if curvature > 0.0 else -1
    pt = 1.0 / max(abs(curvature), MIN_CURVATURE)
    px, py, pz = pt * math.cos(phi), pt * math.sin(phi), pt * tan_lambda
    d0, z0, phi_perigee, omega, _ = perigee(geometry.bending, x, y, z, px, py, pz, charge)
    track.charge, track.pt, track.phi, track.tan_lambda = charge, pt, phi_perigee, tan_lambda
    track.d0, track.z0, track.omega = d0, z0, omega
    face, x, y, z, px, py, pz = to_calorimeter(geometry, x, y, z, px, py, pz, charge)
    momentum = math.sqrt(px * px + py * py + pz * pz)
    track.face_region = face
    track.face_x, track.face_y, track.face_z = x, y, z
    track.face_dx, track.face_dy, track.face_dz = px / momentum, py / momentum, pz / momentum


@njit(cache=True, error_model="numpy")
def _yoke_hits(rng, flight, geometry, tracker):
    """Hits in the muon system: muons that reach it, and hadrons that punch through."""
    momentum = math.sqrt(flight.px**2 + flight.py**2 + flight.pz**2)
    is_muon = flight.species == Species.MUON
    is_hadron = flight.species >= Species.MESON
    if not (is_muon and momentum > _MIN_MUON_MOMENTUM) and not (
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
