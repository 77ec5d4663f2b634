"""Fake and duplicate tracks: of unrelated hits, and of the hits of a track found already.

Rates and shapes are choices of ours. The number of fakes rises with the square of the number of
tracks, as that of combinations does. A fake is near a found track, where hits are; its curvature
is uniform up to that of MIN_FAKE_PT; it misses the vertex by about a centimetre.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.simulate.tracks import LAYER_RADIUS, TRACK, resolutions, write_helix

REFERENCE_TRACKS = 50
"""Number of tracks of an event in which there are `fake_rate` fakes per found track."""
MIN_FAKE_PT = 0.2
"""Least transverse momentum of a fake [GeV]."""
_ANGLE = 0.1  # rad, between a fake and the track near it
_MISS_DISTANCE = 10.0  # mm, from the vertex
_FAKE_LAYERS = 4  # the innermost hit is in one of this many layers, with equal probability
_DUPLICATE_SMEARING = 2.0  # of a duplicate, in resolutions: it has fewer hits


@njit(cache=True, error_model="numpy")
def add_fakes_and_duplicates(rng, tracks, geometry, tracker, fake_rate, duplicate_rate):
    """The rows of TRACK of one event, followed by those of duplicates and of fakes.

    A duplicate carries the particle of its track, but is not the particle's own track
    (`is_primary` 0, `is_duplicate` 1). A fake has no particle (-1).
    """
    num_found = len(tracks)
    num_fakes = rng.poisson(fake_rate * num_found * num_found / REFERENCE_TRACKS)
    rows = np.zeros(2 * num_found + num_fakes, dtype=TRACK)
    count = num_found
    for i in range(num_found):
        rows[i] = tracks[i]
        if rng.random() < duplicate_rate:
            rows[count] = tracks[i]
            _duplicate(rng, rows[count], geometry, tracker)
            count += 1
    for _ in range(num_fakes):
        _fake(rng, rows[count], tracks[int(rng.random() * num_found)], geometry, tracker)
        count += 1
    return rows[:count]


@njit(cache=True, error_model="numpy")
def _duplicate(rng, track, geometry, tracker):
    """Measure a track a second time, less well; hits of the yoke stay with the better track."""
    momentum = track.pt * math.hypot(1.0, track.tan_lambda)
    relative, sigma_phi, sigma_tan_lambda, sigma_d0, sigma_z0 = resolutions(
        tracker, track.pt, momentum, track.tan_lambda, False
    )
    n = _DUPLICATE_SMEARING
    curvature = track.charge / track.pt * (1.0 + n * relative * rng.standard_normal())
    d0 = track.d0 + n * sigma_d0 * rng.standard_normal()
    z0 = track.z0 + n * sigma_z0 * rng.standard_normal()
    phi = track.phi + n * sigma_phi * rng.standard_normal()
    tan_lambda = track.tan_lambda + n * sigma_tan_lambda * rng.standard_normal()
    x, y = -d0 * math.sin(phi), d0 * math.cos(phi)
    write_helix(track, geometry, x, y, z0, phi, tan_lambda, curvature)
    track.num_yoke_hits = 0
    track.is_primary = 0
    track.is_duplicate = 1


@njit(cache=True, error_model="numpy")
def _fake(rng, track, near, geometry, tracker):
    """Write a fake to `track`, in about the direction of the track `near`."""
    phi = near.phi + _ANGLE * rng.standard_normal()
    # a small angle changes the pseudorapidity asinh(tan_lambda) by the angle over sin(theta)
    sine = 1.0 / math.hypot(1.0, near.tan_lambda)
    tan_lambda = math.sinh(math.asinh(near.tan_lambda) + _ANGLE / sine * rng.standard_normal())
    curvature = (2.0 * rng.random() - 1.0) / MIN_FAKE_PT
    d0, z0 = _MISS_DISTANCE * rng.standard_normal(), _MISS_DISTANCE * rng.standard_normal()
    x, y = -d0 * math.sin(phi), d0 * math.cos(phi)
    write_helix(track, geometry, x, y, z0, phi, tan_lambda, curvature)
    layer = min(int(_FAKE_LAYERS * rng.random()), len(tracker.layers) - 1)
    track.radius_of_innermost_hit = tracker.layers[layer, LAYER_RADIUS]
    track.radius_of_outermost_hit = tracker.layers[-1, LAYER_RADIUS]
    track.particle_index = -1
