"""Track finding: which particles are found as tracks, and what is measured of them.

Efficiency and momentum resolution are the detector's (`core.tracker`). First and last hit are in
`hit_pattern`, the measured helix in `simulate.tracks`, fake and duplicate tracks in
`simulate.fakes`, hits of the yoke in `muon_system`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.core.helix import MIN_PT
from partflow.simulate.tracker.bremsstrahlung import fitted_pt
from partflow.simulate.tracker.flights import NO_END, NO_SUCCESSOR, Species
from partflow.simulate.tracker.hit_pattern import hit_pattern
from partflow.simulate.tracker.muon_system import num_yoke_hits
from partflow.simulate.tracks import LAYER_RADIUS, TRACK, resolutions, write_helix


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
            pt = fitted_pt(flights, i, tracker.layers[-1, LAYER_RADIUS], geometry)
        _measure(rng, track, flight, pt, geometry, tracker)
        track.radius_of_innermost_hit = innermost
        track.radius_of_outermost_hit = outermost
        track.num_yoke_hits = num_yoke_hits(rng, flight, geometry, tracker)
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
        # `end` is the transverse path from the start of the flight: its length in the tracker
        part = (flight.end - tracker.min_length) / (tracker.full_length - tracker.min_length)
        efficiency *= min(max(part, 0.0), 1.0)
    return efficiency


@njit(cache=True, error_model="numpy")
def _measure(rng, track, flight, fitted, geometry, tracker):
    """Smear the helix of a flight, with the pt [GeV] `fitted` by a fit, and write it to a track."""
    pt = math.hypot(flight.px, flight.py)
    tan_lambda = flight.pz / pt
    phi = math.atan2(flight.py, flight.px)
    relative, sigma_phi, sigma_tan_lambda, sigma_d0, sigma_z0 = resolutions(
        tracker, pt, math.hypot(pt, flight.pz), tan_lambda, flight.species == Species.ELECTRON
    )
    # a tracker measures charge/pt; for charge 2 the measured pt is the rigidity
    curvature = flight.charge / fitted * (1.0 + relative * rng.standard_normal())
    shift = sigma_d0 * rng.standard_normal()
    x = flight.x - shift * math.sin(phi)
    y = flight.y + shift * math.cos(phi)
    z = flight.z + sigma_z0 * rng.standard_normal()
    phi += sigma_phi * rng.standard_normal()
    tan_lambda += sigma_tan_lambda * rng.standard_normal()
    write_helix(track, geometry, x, y, z, phi, tan_lambda, curvature)
