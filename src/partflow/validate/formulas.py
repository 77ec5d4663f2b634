"""Published formulas with which the simulation is compared."""

from __future__ import annotations

import math

import numpy as np

from partflow.core.detector import Calorimeter
from partflow.core.records import Array
from partflow.core.tracker import Tracker

_PHOTON_CONSTANT, _PHOTON_STOCHASTIC = 0.010, 0.156
_HADRON_CONSTANT, _HADRON_STOCHASTIC, _HADRON_NOISE = 0.050, 0.308, 1.38


def photon_resolution(energy: Array | float) -> Array:
    """sigma/E of photons in the CLICdet barrel, abs(eta) < 0.78; `energy` in GeV.

    Fit to full simulation in the Delphes card `delphes_card_CLICdet_Stage1.tcl`
    (arXiv:1909.12728): 15.6 %/sqrt(E) and 1 %, added in quadrature.
    """
    return np.asarray(np.sqrt(_PHOTON_CONSTANT**2 + _PHOTON_STOCHASTIC**2 / np.asarray(energy)))


def neutral_hadron_resolution(energy: Array | float) -> Array:
    """sigma/E of neutral hadrons in the CLICdet barrel, abs(eta) < 0.3; `energy` in GeV.

    From the same card: 1.38 GeV/E, 30.8 %/sqrt(E) and 5 %, added in quadrature.
    """
    energy = np.asarray(energy)
    square = _HADRON_CONSTANT**2 + _HADRON_STOCHASTIC**2 / energy + (_HADRON_NOISE / energy) ** 2
    return np.asarray(np.sqrt(square))


def momentum_resolution(pt: Array, abs_eta: Array | float, tracker: Tracker) -> Array:
    """sigma(pt)/pt of hadrons and muons, `pt` in GeV, by which the simulation smears tracks."""
    row = np.searchsorted(tracker.eta_edges, abs_eta, side="right")
    scattering = np.array(tracker.scattering_term)[row]
    return np.hypot(np.array(tracker.curvature_term)[row] * np.asarray(pt), scattering)


_PROFILE_SLOPE = 0.5


def photon_profile(depth: Array, energy: float, calorimeter: Calorimeter) -> Array:
    """Energy per radiation length of a photon's shower, dE/dt [GeV], at `depth` t [X0].

    Review of Particle Physics, "Passage of particles through matter": a gamma distribution with
    b = 0.5 whose maximum is at ln(E/E_c) + 0.5. It describes the shape, but not to a percent.
    """
    maximum = math.log(energy / calorimeter.critical_energy) + 0.5
    shape = 1 + _PROFILE_SLOPE * maximum
    scaled = _PROFILE_SLOPE * np.asarray(depth)
    profile = _PROFILE_SLOPE * scaled ** (shape - 1) * np.exp(-scaled) / math.gamma(shape)
    return energy * profile
