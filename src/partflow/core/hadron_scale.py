"""The hadronic energy scale: software compensation over bins of the hit energy.

Hits are sorted into four bins of their EM-scale energy per calorimeter. The energy of a set
of hits with bin sums S_b and total S is

    e = sum_b S_b (w0_b + w1_b l + w2_b l^2),   l = clip(ln max(S, 0.3), -1, 4.5),

at least S/4, times a correction interpolated in ln e that makes the median response 1.
Dense (EM-like) hits have smaller weights than sparse ones, which brings h/e towards one. The bin
sums are additive: those of merged clusters are added. Photons and electrons use S.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from importlib import resources
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from partflow.core.detector import ECAL, Detector, ScaleFit
from partflow.core.engines import FAST, GEANT4
from partflow.core.errors import ConfigError
from partflow.core.known_detectors import DETECTORS, GEANT4_SUFFIX, known_detector
from partflow.core.records import Array

ECAL_BIN_EDGES = (0.03, 0.10, 0.40)
"""Edges of the bins of the EM-scale energy of a hit in the ECAL [GeV]."""
HCAL_BIN_EDGES = (0.12, 0.35, 1.0)
"""Edges of the bins of the EM-scale energy of a hit elsewhere [GeV]."""
NUM_BINS = len(ECAL_BIN_EDGES) + len(HCAL_BIN_EDGES) + 2
_LOG_FLOOR, _LOG_MIN, _LOG_MAX = 0.3, -1.0, 4.5
"""Limits of l in the formula above: of S [GeV] and of ln S."""
_MIN_FRACTION = 0.25
"""Least e/S."""
_PRIOR_WEIGHT, _RIDGE, _NUM_NODES = 1.25, 2.0, 8
"""w0 without data, strength of the ridge term, and nodes of the correction."""


class ScaleConstants(NamedTuple):
    """The fitted constants, which kernels take."""

    weights: Array
    """w0, w1, w2, [3, bin]."""
    log_energy: Array
    """ln e at the nodes of the correction, [node]."""
    correction: Array
    """Factor at the nodes, [node]."""


@dataclass(frozen=True)
class HadronScale:
    """The hadronic scale of a detector."""

    constants: ScaleConstants
    fingerprint: str
    """Fingerprint of the detector that the scale was fitted for."""
    simulation: str
    """Fingerprint of the simulation that made the showers of the fit."""

    def energy(self, bin_sums: Array) -> Array:
        """Hadronic-scale energy [GeV] of sets of hits with `bin_sums` [set, bin], [set]."""
        return hadronic_energies(np.atleast_2d(bin_sums).astype(np.float64), self.constants)


def for_engine(detector: Detector, engine: str) -> Detector:
    """The detector with the hadronic scale of events of an engine (FAST or GEANT4).

    The showers of another engine need another scale: that of a known detector, also a borrowed one,
    becomes the one fitted for the engine. Raises ConfigError for a detector whose own scale was
    fitted for the other engine.
    """
    scale = detector.hadron_scale
    if isinstance(scale, ScaleFit):
        if scale.engine != engine:
            raise ConfigError(
                f"{detector.name}: its hadronic scale was fitted for engine {scale.engine}; fit "
                f"it again with `partflow calibrate FILE.json --engine {engine}`, in a copy of the "
                "file if you need both"
            )
        return detector
    name = None if scale is None else scale.removesuffix(GEANT4_SUFFIX)
    if name is None and detector.name in DETECTORS:
        name = detector.name
    if name is None:
        return detector
    if engine == GEANT4:
        return replace(detector, hadron_scale=name + GEANT4_SUFFIX)
    return replace(detector, hadron_scale=None if name == detector.name else name)


def load_hadron_scale(detector: Detector) -> HadronScale:
    """The hadronic scale of a detector: its own, or the one of a known detector that it names.

    Raises ConfigError where there is none or it was fitted for other detector constants.
    """
    name = detector.hadron_scale
    if isinstance(name, str) and not name.endswith(GEANT4_SUFFIX):
        return load_hadron_scale(known_detector(name))
    if isinstance(name, str):
        detector = replace(known_detector(name.removesuffix(GEANT4_SUFFIX)), hadron_scale=name)
    stored = _stored_scale(detector)
    engine = stored.get("engine", FAST)
    expected = detector.fingerprint(engine)
    if stored["fingerprint"] != expected:
        raise ConfigError(
            f"{detector.name}: its hadronic scale was fitted for other detector constants "
            f"({stored['fingerprint']}, now {expected}); fit it again with "
            f"`partflow calibrate --engine {engine}`"
        )
    constants = ScaleConstants(
        *(np.array(stored[key], dtype=np.float64) for key in ScaleConstants._fields)
    )
    return HadronScale(constants, stored["fingerprint"], stored["simulation"])


def _stored_scale(detector: Detector) -> dict[str, Any]:
    """The fit in the detector's description, or the one that comes with the package."""
    if isinstance(detector.hadron_scale, ScaleFit):
        return asdict(detector.hadron_scale)
    name = detector.hadron_scale or detector.name
    path = resources.files("partflow.core") / "calibration" / f"{name}.json"
    if not path.is_file():
        raise ConfigError(
            f"{name}: no hadronic scale; fit one with `partflow calibrate "
            'FILE.json`, or borrow one in that file: "hadron_scale": "clic"'
        )
    stored: dict[str, Any] = json.loads(path.read_text())
    return stored


def fit_hadron_scale(sums: Array, energy: Array) -> ScaleConstants:
    """Constants with which hits of bin sums `sums` [shower, bin] measure `energy` [shower] (GeV).

    First the weights: ridge least squares towards w0 = 1.25, w1 = w2 = 0, with the residual of each
    shower divided by sqrt(E + 0.02 E^2), which is proportional to an expected resolution. Showers
    with S < 0.3 E are left out. Then the correction that makes the median response 1 in bins of E.
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


def energy_bin(energy_em: Array, subdetector: Array) -> Array:
    """Bin (0-3 ECAL, 4-7 HCAL and other) of hits with EM-scale energy `energy_em` [GeV], [hit]."""
    flat = np.asarray(energy_em, dtype=np.float64).ravel()
    is_ecal = np.broadcast_to(np.asarray(subdetector) == ECAL, np.shape(energy_em)).ravel()
    bins: Array = _energy_bins(flat, is_ecal).reshape(np.shape(energy_em))
    return bins


@njit(cache=True, error_model="numpy")
def _energy_bins(energy_em, is_ecal):
    """`energy_bin` of flat arrays; numpy's searchsorted takes ten times as long."""
    bins = np.empty(len(energy_em), np.int64)
    for h in range(len(energy_em)):
        ecal = hcal = 0
        for edge in ECAL_BIN_EDGES:
            ecal += edge < energy_em[h]
        for edge in HCAL_BIN_EDGES:
            hcal += edge < energy_em[h]
        bins[h] = ecal if is_ecal[h] else hcal + len(ECAL_BIN_EDGES) + 1
    return bins


def bin_sums(energy_em: Array, subdetector: Array, group: Array, num_groups: int) -> Array:
    """EM-scale energy [GeV] per bin of groups of hits, [group, bin].

    `group` [hit] is the row of each hit's group, negative for hits in none.
    """
    belongs = np.asarray(group) >= 0
    flat = np.asarray(group)[belongs] * NUM_BINS + energy_bin(energy_em, subdetector)[belongs]
    sums = np.bincount(flat, np.asarray(energy_em, np.float64)[belongs], num_groups * NUM_BINS)
    return sums.reshape(num_groups, NUM_BINS)


@njit(cache=True)
def hadronic_energy(sums, constants):
    """Hadronic-scale energy [GeV] of one set of hits with bin sums `sums` [bin]."""
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
    """Hadronic-scale energy [GeV] of sets of hits with bin sums `sums` [set, bin], [set]."""
    energies = np.empty(len(sums))
    for i in range(len(sums)):
        energies[i] = hadronic_energy(sums[i], constants)
    return energies


@njit(cache=True)
def _interpolate(x, nodes, values):
    """Linear interpolation, constant beyond the ends (np.interp allocates memory in a kernel)."""
    if x <= nodes[0]:
        return values[0]
    for i in range(1, len(nodes)):
        if x < nodes[i]:
            t = (x - nodes[i - 1]) / (nodes[i] - nodes[i - 1])
            return values[i - 1] + t * (values[i] - values[i - 1])
    return values[-1]
