"""Photons and electrons among the density peaks of the ECAL.

A photon's peak is narrow, has the depth of an electromagnetic shower of its energy, and lies off
the line of every track. An electron's peak lies on the line of a track, and its energy agrees with
the track's momentum.
"""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np
from numba import njit

from partflow.reconstruct.event_state import ClusterKind, distance_to_line, em_energy

PHOTON_PATH = 9 / 7
"""Mean path of a photon before it converts [X0]; the shower of an electron begins at once."""
MIN_SHOWER_ENERGY = 0.05
"""Energy below which the expected depth of a shower is constant [GeV]."""

PEAK = np.dtype(
    [
        ("energy_em", np.float64),
        ("x", np.float64),  # energy-weighted centroid
        ("y", np.float64),
        ("z", np.float64),
        ("depth", np.float64),  # mean pseudolayer
        ("length", np.float64),  # longitudinal rms
        ("width", np.float64),  # transverse rms about the axis, the line from the origin
        ("core", np.float64),  # fraction of the energy within the core radius of the axis
        ("front", np.float64),  # fraction of the energy in the front layers
        ("num_hits", np.int64),
    ],
    align=True,
)
"""Shape of a peak: energy in GeV, position and width in mm, depth and length in layer groups."""


class PeakKind(IntEnum):
    """The particle hypothesis of a peak."""

    OTHER = 0
    PHOTON = 1
    ELECTRON = 2


@njit(cache=True)
def expected_depth(energy_em, calo):
    """Mean pseudolayer of a photon's shower of `energy_em` [GeV].

    The maximum of a photon's shower lies at ln(E/E_c) + 0.5 radiation lengths (Particle Data
    Group, Passage of particles through matter). With 0.9 instead of 0.5 it becomes the mean
    pseudolayer, which counts from 0 and includes the tail of the shower.
    """
    radiation_lengths = math.log(max(energy_em, MIN_SHOWER_ENERGY) / calo.critical_energy) + 0.9
    return radiation_lengths / calo.radiation_lengths_per_group


@njit(cache=True)
def square_to_axis(hit, x, y, z):
    """Squared distance of a hit from the line through the origin and (x, y, z) [mm^2]."""
    px, py, pz = hit.y * z - hit.z * y, hit.z * x - hit.x * z, hit.x * y - hit.y * x
    return (px * px + py * py + pz * pz) / (x * x + y * y + z * z)


@njit(cache=True)
def measure_peaks(hits, peak_of_hit, num_peaks, config):
    """Shapes of the peaks, [peak] of PEAK.

    `hits` are [hit] of HIT, `peak_of_hit` [hit] is the peak of each hit or -1, `config` is a
    PhotonConfig.
    """
    peaks = np.zeros(num_peaks, PEAK)
    for i in range(len(hits)):
        if peak_of_hit[i] >= 0:
            hit, peak = hits[i], peaks[peak_of_hit[i]]
            peak.energy_em += hit.energy_em
            peak.num_hits += 1
            peak.x += hit.energy_em * hit.x
            peak.y += hit.energy_em * hit.y
            peak.z += hit.energy_em * hit.z
            peak.depth += hit.energy_em * hit.layer
            if hit.layer < config.front_layers:
                peak.front += hit.energy_em
    for k in range(num_peaks):
        peak = peaks[k]
        peak.x /= peak.energy_em
        peak.y /= peak.energy_em
        peak.z /= peak.energy_em
        peak.depth /= peak.energy_em
        peak.front /= peak.energy_em
    for i in range(len(hits)):
        if peak_of_hit[i] >= 0:
            hit, peak = hits[i], peaks[peak_of_hit[i]]
            weight = hit.energy_em / peak.energy_em
            square = square_to_axis(hit, peak.x, peak.y, peak.z)
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
    """PeakKind of each peak, [peak], and the track of each electron, [peak] (-1 for others).

    `peaks` are [peak] of PEAK, `tracks` are [track] of TRACK, `config` is a PhotonConfig.
    """
    kind = np.full(len(peaks), np.int64(PeakKind.OTHER))
    track = np.full(len(peaks), -1, np.int64)
    for k in range(len(peaks)):
        peak = peaks[k]
        if not _is_em_shower(peak, config, calo):
            continue
        distance, nearest = _nearest_track(peak, tracks, config.isolation_distance)
        if distance > config.track_distance:
            is_weak = (
                peak.core < config.near_track_core or peak.energy_em < config.near_track_energy
            )
            if not (is_weak and distance < config.isolation_distance):
                kind[k] = PeakKind.PHOTON
        elif _is_electron(peak, tracks[nearest].momentum, config, calo):
            kind[k] = PeakKind.ELECTRON
            track[k] = nearest
    return kind, track


@njit(cache=True)
def _is_em_shower(peak, config, calo):
    """Whether a peak has the shape of an electromagnetic shower of its energy."""
    is_soft_and_deep = peak.energy_em < config.soft_energy and peak.front <= config.min_front
    return (
        peak.energy_em > config.min_energy
        and peak.num_hits >= config.min_hits
        and abs(peak.depth - expected_depth(peak.energy_em, calo)) < config.depth_window
        and peak.width < config.max_width
        and peak.length < config.max_length
        and peak.core > config.min_core
        and not is_soft_and_deep
    )


@njit(cache=True)
def _is_electron(peak, momentum, config, calo):
    """Whether a peak is narrow, has the depth of an electron, and E = p within the resolution."""
    earlier = PHOTON_PATH / calo.radiation_lengths_per_group
    depth_error = abs(peak.depth - expected_depth(peak.energy_em, calo) + earlier)
    return (
        momentum > config.electron_min_momentum
        and abs(peak.energy_em - momentum) < _electron_tolerance(momentum, config)
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
def exceeds_electron(cluster, added_energy, momentum, config):
    """Whether `added_energy` [GeV] is too much for the cluster of an electron's track.

    It is not if there is nothing to add: two peaks of one track may exceed its momentum.
    """
    if cluster.kind != ClusterKind.ELECTRON or added_energy <= 0.0:
        return False
    limit = momentum + _electron_tolerance(momentum, config)
    return em_energy(cluster) + added_energy > limit


@njit(cache=True)
def _nearest_track(peak, tracks, limit):
    """Distance [mm] and index of the track whose line passes nearest to a peak; (inf, -1) if none.

    Lines count only up to ten times `limit` [mm] before and behind their entrance into the
    calorimeter: the line continues to the far side of the detector, the particle does not.
    """
    best, nearest = np.inf, np.int64(-1)
    for t in range(len(tracks)):
        if tracks[t].reaches_calorimeter:
            distance, depth = distance_to_line(peak.x, peak.y, peak.z, tracks[t])
            if distance < best and abs(depth) < 10.0 * limit:
                best, nearest = distance, np.int64(t)
    return best, nearest
