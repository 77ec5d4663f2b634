"""The hadronic energy scale: software compensation over bins of the hit energy.

Hits are sorted into four bins of their EM-scale energy per calorimeter. The energy of a set
of hits with bin sums S_b and total S is

    e = sum_b S_b (w0_b + w1_b l + w2_b l^2),   l = clip(ln max(S, 0.3), -1, 4.5),

at least S/4, times a correction interpolated in ln e that makes the median response 1.
Dense (EM-like) hits weigh less than sparse ones, which brings h/e towards one. It is
additive in hits: clusters merge by adding their bin sums. Photons and electrons use S.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from importlib import resources
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from partflow.core.detector import ECAL, Detector, ScaleFit
from partflow.core.errors import ConfigError
from partflow.core.known_detectors import known_detector
from partflow.core.records import Array

ECAL_BIN_EDGES = (0.03, 0.10, 0.40)  # GeV per hit
HCAL_BIN_EDGES = (0.12, 0.35, 1.0)  # GeV per hit
NUM_BINS = len(ECAL_BIN_EDGES) + len(HCAL_BIN_EDGES) + 2
_LOG_FLOOR, _LOG_MIN, _LOG_MAX = 0.3, -1.0, 4.5
_MIN_FRACTION = 0.25
_PRIOR_WEIGHT, _RIDGE, _NUM_NODES = 1.25, 2.0, 8


class ScaleConstants(NamedTuple):
    """The fitted numbers, as kernels take them."""

    weights: Array
    """[3, bin]: w0, w1, w2."""
    log_energy: Array
    """[node]: ln e of the correction's nodes."""
    correction: Array
    """[node]: factor at the nodes."""


@dataclass(frozen=True)
class HadronScale:
    """Constants of the hadronic scale and the detector they were fitted for."""

    constants: ScaleConstants
    fingerprint: str
    """Of the detector."""
    simulation: str
    """Fingerprint of the simulation that made the showers of the fit."""

    def energy(self, bin_sums: Array) -> Array:
        """Hadronic energy [GeV] of sets of hits with `bin_sums` [set, bin]."""
        return hadronic_energies(np.atleast_2d(bin_sums).astype(np.float64), self.constants)


def load_hadron_scale(detector: Detector) -> HadronScale:
    """The fitted scale of a detector: its own, or the one that it borrows.

    Raises ConfigError if there is none, or if it was fitted for other detector constants.
    """
    if isinstance(detector.hadron_scale, str):
        return load_hadron_scale(known_detector(detector.hadron_scale))
    stored = _stored_scale(detector)
    if stored["fingerprint"] != detector.fingerprint():
        raise ConfigError(
            f"{detector.name}: its hadronic scale was fitted for other detector constants "
            f"({stored['fingerprint']}, now {detector.fingerprint()}); fit it again with "
            "`partflow calibrate`"
        )
    constants = ScaleConstants(
        *(np.array(stored[key], dtype=np.float64) for key in ScaleConstants._fields)
    )
    return HadronScale(constants, stored["fingerprint"], stored["simulation"])


def _stored_scale(detector: Detector) -> dict[str, Any]:
    """The fit that a detector carries, or that comes with the package."""
    if isinstance(detector.hadron_scale, ScaleFit):
        return asdict(detector.hadron_scale)
    path = resources.files("partflow.core") / "calibration" / f"{detector.name}.json"
    if not path.is_file():
        raise ConfigError(
            f"{detector.name}: no hadronic scale; fit one with `partflow calibrate "
            'FILE.json`, or borrow one in that file: "hadron_scale": "clic"'
        )
    stored: dict[str, Any] = json.loads(path.read_text())
    return stored


def fit_hadron_scale(sums: Array, energy: Array) -> ScaleConstants:
    """Constants for which hits with `sums` [shower, bin] measure `energy` [shower] (GeV).

    Ridge least squares towards w0 = 1.25, w1 = w2 = 0, each shower weighted with
    1/sqrt(E + 0.02 E^2), the square of an expected resolution; showers of which little was seen
    (S < 0.3 E) are left out. Then the correction that makes the median response 1 in bins of E.
    """
    is_seen = sums.sum(axis=1) > 0.3 * energy
    weight = 1 / np.sqrt(energy + 0.02 * energy**2)
    log_total = np.clip(np.log(np.maximum(sums.sum(axis=1), _LOG_FLOOR)), _LOG_MIN, _LOG_MAX)
    powers = np.concatenate([sums * log_total[:, None] ** power for power in range(3)], axis=1)
    design = (powers * weight[:, None])[is_seen]
    prior = np.concatenate([np.full(NUM_BINS, _PRIOR_WEIGHT), np.zeros(2 * NUM_BINS)])
    weights = np.linalg.solve(
        design.T @ design + _RIDGE * np.eye(len(prior)),
        design.T @ (energy * weight)[is_seen] + _RIDGE * prior,
    ).reshape(3, NUM_BINS)
    uncorrected = ScaleConstants(weights, np.zeros(1), np.ones(1))
    measured = hadronic_energies(sums, uncorrected)
    edges = np.geomspace(energy.min() * 1.25, energy.max() / 1.07, _NUM_NODES + 1)
    log_energy, correction = [], []
    for low, high in pairwise(edges):
        response = float(np.median((measured / energy)[(energy > low) & (energy < high)]))
        log_energy.append(math.log(math.sqrt(low * high) * response))
        correction.append(1 / response)
    return ScaleConstants(weights, np.array(log_energy), np.array(correction))


def energy_bin(energy: Array, subdetector: Array) -> Array:
    """Bin (0-3 ECAL, 4-7 HCAL and other) of each hit."""
    flat = np.asarray(energy, dtype=np.float64).ravel()
    is_ecal = np.broadcast_to(np.asarray(subdetector) == ECAL, np.shape(energy)).ravel()
    bins: Array = _energy_bins(flat, is_ecal).reshape(np.shape(energy))
    return bins


@njit(cache=True, error_model="numpy")
def _energy_bins(energy, is_ecal):
    """`energy_bin` of flat arrays; numpy's search takes ten times as long."""
    bins = np.empty(len(energy), np.int64)
    for h in range(len(energy)):
        ecal = hcal = 0
        for edge in ECAL_BIN_EDGES:
            ecal += edge < energy[h]
        for edge in HCAL_BIN_EDGES:
            hcal += edge < energy[h]
        bins[h] = ecal if is_ecal[h] else hcal + len(ECAL_BIN_EDGES) + 1
    return bins


def bin_sums(energy: Array, subdetector: Array, group: Array, num_groups: int) -> Array:
    """Energy per bin [group, bin] of hits that belong to `group` (negative: to none)."""
    belongs = np.asarray(group) >= 0
    flat = np.asarray(group)[belongs] * NUM_BINS + energy_bin(energy, subdetector)[belongs]
    sums = np.bincount(flat, np.asarray(energy, np.float64)[belongs], num_groups * NUM_BINS)
    return sums.reshape(num_groups, NUM_BINS)


@njit(cache=True)
def hadronic_energy(sums, constants):
    """Hadronic energy [GeV] of one set of hits with `sums` [bin]; for kernels."""
    total = 0.0
    for b in range(NUM_BINS):
        total += sums[b]
    if total <= 0.0:
        return 0.0
    log_total = min(max(math.log(max(total, _LOG_FLOOR)), _LOG_MIN), _LOG_MAX)
    weights = constants.weights
    energy = 0.0
    for b in range(NUM_BINS):
        energy += sums[b] * (
            weights[0, b] + weights[1, b] * log_total + weights[2, b] * log_total * log_total
        )
    energy = max(energy, _MIN_FRACTION * total)
    return energy * _interpolate(math.log(energy), constants.log_energy, constants.correction)


@njit(cache=True)
def hadronic_energies(sums, constants):
    """`hadronic_energy` of every row of `sums` [set, bin]."""
    energies = np.empty(len(sums))
    for i in range(len(sums)):
        energies[i] = hadronic_energy(sums[i], constants)
    return energies


@njit(cache=True)
def _interpolate(x, nodes, values):
    """Linear, constant beyond the ends (np.interp allocates in a kernel)."""
    if x <= nodes[0]:
        return values[0]
    for i in range(1, len(nodes)):
        if x < nodes[i]:
            t = (x - nodes[i - 1]) / (nodes[i] - nodes[i - 1])
            return values[i - 1] + t * (values[i] - values[i - 1])
    return values[-1]
