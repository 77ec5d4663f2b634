"""Tracks that should not be: fakes of unrelated hits, and duplicates of found tracks.

Rates and shapes are choices of ours. The number of fakes rises with the square of the number of
tracks, as combinations do. A fake points where hits are, near a found track; it is as likely at
any curvature below that of MIN_FAKE_PT, and misses the vertex by about a centimetre.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.simulate.hit_pattern import RADIUS
from partflow.simulate.tracker import TRACK, resolutions, write_helix

REFERENCE_TRACKS = 50
"""Tracks of an event in which the fakes per found track are the `fake_rate`."""
MIN_FAKE_PT = 0.2
"""Least transverse momentum of a fake [GeV]."""
_ANGLE = 0.1  # rad, between a fake and the track it is near
_MISS = 10.0  # mm, of the vertex
_FAKE_LAYERS = 4  # innermost hit in one of this many layers, evenly
_DUPLICATE_SMEARING = 2.0  # of a duplicate, in resolutions: it has fewer hits


@njit(cache=True, error_model="numpy")
def add_ghosts(rng, tracks, geometry, tracker, fake_rate, duplicate_rate):
    """The tracks of one event, duplicates and fakes behind.

    A duplicate carries the particle of its track but is not its own track (`is_primary` 0,
    `is_duplicate` 1); a fake carries none.
    """
    num_found = len(tracks)
    num_fakes = rng.poisson(fake_rate * num_found * num_found / REFERENCE_TRACKS)
    ghosts = np.zeros(2 * num_found + num_fakes, dtype=TRACK)
    count = num_found
    for i in range(num_found):
        ghosts[i] = tracks[i]
        if rng.random() < duplicate_rate:
            ghosts[count] = tracks[i]
            _duplicate(rng, ghosts[count], geometry, tracker)
            count += 1
    for _ in range(num_fakes):
        _fake(rng, ghosts[count], tracks[int(rng.random() * num_found)], geometry, tracker)
        count += 1
    return ghosts[:count]


@njit(cache=True, error_model="numpy")
def _duplicate(rng, track, geometry, tracker):
    """Measure a track once more, worse; the muon system is given to the better one."""
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
    """Write a track of hits of several particles, near a track."""
    phi = near.phi + _ANGLE * rng.standard_normal()
    # a small angle changes asinh(tan_lambda), the pseudorapidity, by itself over sin(theta)
    sine = 1.0 / math.hypot(1.0, near.tan_lambda)
    tan_lambda = math.sinh(math.asinh(near.tan_lambda) + _ANGLE / sine * rng.standard_normal())
    curvature = (2.0 * rng.random() - 1.0) / MIN_FAKE_PT
    d0, z0 = _MISS * rng.standard_normal(), _MISS * rng.standard_normal()
    x, y = -d0 * math.sin(phi), d0 * math.cos(phi)
    write_helix(track, geometry, x, y, z0, phi, tan_lambda, curvature)
    layer = min(int(_FAKE_LAYERS * rng.random()), len(tracker.layers) - 1)
    track.radius_of_innermost_hit = tracker.layers[layer, RADIUS]
    track.radius_of_outermost_hit = tracker.layers[-1, RADIUS]
    track.particle_index = -1
