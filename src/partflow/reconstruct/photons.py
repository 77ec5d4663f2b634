"""Which density peaks of the ECAL are photons, and which belong to an electron's track.

A photon's peak is narrow, has its energy where an electromagnetic shower of that energy has
it, and lies off the line of every track. A peak on a track that matches the momentum is an
electron's.
"""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np
from numba import njit

from partflow.reconstruct.event import Kind, total_energy

PHOTON_PATH = 9 / 7
"""Mean path of a photon before it makes a pair [X0]; an electron's shower begins at once."""
MIN_SHOWER_ENERGY = 0.05
"""Below this energy the expected depth no longer changes [GeV]."""

PEAK = np.dtype(
    [
        ("energy", np.float64),
        ("x", np.float64),  # energy-weighted centroid
        ("y", np.float64),
        ("z", np.float64),
        ("depth", np.float64),  # mean pseudolayer
        ("length", np.float64),  # longitudinal rms
        ("width", np.float64),  # transverse rms about the line from the origin
        ("core", np.float64),  # fraction of the energy within the core radius of that line
        ("front", np.float64),  # fraction of the energy in the front layers
        ("num_hits", np.int64),
    ],
    align=True,
)
"""Shape of a peak; lengths in mm (`depth` and `length` in layer groups), energies in GeV."""


class PeakKind(IntEnum):
    """What a peak is taken for."""

    OTHER = 0
    PHOTON = 1
    ELECTRON = 2


@njit(cache=True)
def expected_depth(energy, calo):
    """Mean pseudolayer of a photon's shower of `energy` [GeV].

    The maximum of a shower lies at ln(E/E_c) + 0.5 radiation lengths (Particle Data Group,
    passage of particles through matter); the 0.9 instead of the 0.5 makes it the mean
    pseudolayer, which counts from 0 and knows the tail.
    """
    radiation_lengths = math.log(max(energy, MIN_SHOWER_ENERGY) / calo.critical_energy) + 0.9
    return radiation_lengths / calo.radiation_lengths_per_group


@njit(cache=True)
def distance_to_line(x, y, z, track):
    """Distance [mm] of a point from the line of a track, and its depth along it [mm]."""
    x, y, z = x - track.x, y - track.y, z - track.z
    along = x * track.dx + y * track.dy + z * track.dz
    return math.sqrt(max(x * x + y * y + z * z - along * along, 0.0)), along


@njit(cache=True)
def axis_square(hit, x, y, z):
    """Squared distance [mm^2] of a hit from the line through the origin and (x, y, z)."""
    px, py, pz = hit.y * z - hit.z * y, hit.z * x - hit.x * z, hit.x * y - hit.y * x
    return (px * px + py * py + pz * pz) / (x * x + y * y + z * z)


@njit(cache=True)
def measure_peaks(hits, peak_of_hit, num_peaks, config):
    """Shapes of the peaks, array of PEAK; `peak_of_hit` [hit] is -1 for hits of none."""
    peaks = np.zeros(num_peaks, PEAK)
    for i in range(len(hits)):
        if peak_of_hit[i] >= 0:
            hit, peak = hits[i], peaks[peak_of_hit[i]]
            peak.energy += hit.energy
            peak.num_hits += 1
            peak.x += hit.energy * hit.x
            peak.y += hit.energy * hit.y
            peak.z += hit.energy * hit.z
            peak.depth += hit.energy * hit.layer
            if hit.layer < config.front_layers:
                peak.front += hit.energy
    for k in range(num_peaks):
        peak = peaks[k]
        peak.x /= peak.energy
        peak.y /= peak.energy
        peak.z /= peak.energy
        peak.depth /= peak.energy
        peak.front /= peak.energy
    for i in range(len(hits)):
        if peak_of_hit[i] >= 0:
            hit, peak = hits[i], peaks[peak_of_hit[i]]
            weight = hit.energy / peak.energy
            square = axis_square(hit, peak.x, peak.y, peak.z)
            peak.width += weight * square
            peak.length += weight * (hit.layer - peak.depth) ** 2
            if square < config.core_radius**2:
                peak.core += weight
    for k in range(num_peaks):
        peaks[k].width = math.sqrt(peaks[k].width)
        peaks[k].length = math.sqrt(peaks[k].length)
    return peaks


@njit(cache=True)
def identify_peaks(peaks, tracks, config, calo):
    """Kind of each peak and, for electrons, the track (-1 for others)."""
    kind = np.full(len(peaks), np.int64(PeakKind.OTHER))
    track = np.full(len(peaks), -1, np.int64)
    for k in range(len(peaks)):
        peak = peaks[k]
        if not _is_shower(peak, config, calo):
            continue
        distance, nearest = _nearest_track(peak, tracks, config.isolation_distance)
        if distance > config.track_distance:
            weak = peak.core < config.near_track_core or peak.energy < config.near_track_energy
            if not (weak and distance < config.isolation_distance):
                kind[k] = PeakKind.PHOTON
        elif _is_electron(peak, tracks[nearest].momentum, config, calo):
            kind[k] = PeakKind.ELECTRON
            track[k] = nearest
    return kind, track


@njit(cache=True)
def _is_shower(peak, config, calo):
    """Whether a peak has the shape of an electromagnetic shower of its energy."""
    soft_but_deep = peak.energy < config.soft_energy and peak.front <= config.min_front
    return (
        peak.energy > config.min_energy
        and peak.num_hits >= config.min_hits
        and abs(peak.depth - expected_depth(peak.energy, calo)) < config.depth_window
        and peak.width < config.max_width
        and peak.length < config.max_length
        and peak.core > config.min_core
        and not soft_but_deep
    )


@njit(cache=True)
def _is_electron(peak, momentum, config, calo):
    """Whether a peak is narrow, at the right depth, and E = p within the resolution."""
    begins_earlier = PHOTON_PATH / calo.radiation_lengths_per_group
    depth_error = abs(peak.depth - expected_depth(peak.energy, calo) + begins_earlier)
    return (
        momentum > config.electron_min_momentum
        and abs(peak.energy - momentum) < _electron_tolerance(momentum, config)
        and peak.core > config.electron_min_core
        and peak.width < config.electron_max_width
        and depth_error < config.electron_depth_window
    )


@njit(cache=True)
def _electron_tolerance(momentum, config):
    """Largest abs(E - p) of an electron [GeV]."""
    resolution = (
        config.electron_stochastic_term * math.sqrt(momentum)
        + config.electron_constant_term * momentum
    )
    return config.electron_max_deviation * resolution


@njit(cache=True)
def exceeds_electron(cluster, more, momentum, config):
    """Whether a cluster is an electron's and `more` energy [GeV] would no longer be.

    Several peaks at one track may exceed its momentum by themselves: that makes no cluster.
    """
    if cluster.kind != Kind.ELECTRON or more <= 0.0:
        return False
    return total_energy(cluster) + more > momentum + _electron_tolerance(momentum, config)


@njit(cache=True)
def _nearest_track(peak, tracks, limit):
    """Distance and number of the track whose line passes nearest to a peak.

    Only lines that enter the calorimeter within ten times `limit` of the peak count: a line
    goes on to the far side of the detector, a particle does not.
    """
    best, nearest = np.inf, np.int64(-1)
    for t in range(len(tracks)):
        if tracks[t].reaches:
            distance, along = distance_to_line(peak.x, peak.y, peak.z, tracks[t])
            if distance < best and abs(along) < 10.0 * limit:
                best, nearest = distance, np.int64(t)
    return best, nearest
