"""The sampling fractions of the calorimeters, measured with electrons.

The EM scale is defined by them: an electron's shower of EM-scale energy E leaves the energy f E in
the active slabs of a calorimeter with the sampling fraction f. CLICdet's reconstruction has
1/f = 35.84 for the ECAL.
"""

from __future__ import annotations

import math

import numpy as np

from partflow.core.detector import Calorimeter, Detector
from partflow.core.particles import ELECTRON_MASS
from partflow.core.records import Array
from partflow.core.units import LIGHT_SPEED_MM_PER_NS
from partflow.simulate.geant4.config import Geant4Config
from partflow.simulate.geant4.deposits import is_in_window, seen_energies
from partflow.simulate.geant4.layers import Part
from partflow.simulate.geant4.shots import Shot
from partflow.simulate.geant4.simulation import geant4_process
from partflow.simulate.streams import particle_seed

ENERGY = 10.0
"""Energy of the electrons [GeV]."""
NUM_ELECTRONS = 200
_SEED = 1_000_000
_MAX_COS_THETA = 0.3
_MAX_STAVE_ANGLE = 0.17  # rad; a stave ends at 0.26
_GEV = 1e3  # MeV


def measure_sampling_fractions(
    detector: Detector, config: Geant4Config, num_electrons: int = NUM_ELECTRONS
) -> tuple[float, float]:
    """Sampling fractions of ECAL and HCAL, from electrons that begin at the face of either.

    What leaks from the ECAL into the HCAL is taken off the energy that the ECAL should see.
    """
    total = num_electrons * ENERGY * _GEV
    _, hcal_seen = _seen(detector, detector.hcal, config, num_electrons)
    hcal = hcal_seen / total
    ecal_seen, leaked = _seen(detector, detector.ecal, config, num_electrons)
    return ecal_seen / (total - leaked / hcal), hcal


def _seen(
    detector: Detector, part: Calorimeter, config: Geant4Config, num_electrons: int
) -> tuple[float, float]:
    """Energy [MeV] that ECAL and HCAL see of electrons that begin at the barrel of `part`."""
    rng = np.random.default_rng(_SEED)
    momentum = math.sqrt(ENERGY**2 - ELECTRON_MASS**2)
    shots = []
    for row in range(num_electrons):
        cosine = rng.uniform(-_MAX_COS_THETA, _MAX_COS_THETA)
        phi = rng.uniform(-_MAX_STAVE_ANGLE, _MAX_STAVE_ANGLE)
        sine = math.sqrt(1.0 - cosine**2)
        direction = np.array([sine * math.cos(phi), sine * math.sin(phi), cosine])
        # a face is a plane: the stave at phi = 0 begins at x = inner radius
        start = direction * (part.inner_radius / direction[0])
        time = float(np.linalg.norm(start)) / LIGHT_SPEED_MM_PER_NS
        shots.append(Shot(11, _three(momentum * direction), _three(start), time, _seed(row)))
    deposits = geant4_process(detector, config).shoot(shots)
    deposits = deposits[is_in_window(deposits, config)]
    seen = seen_energies(deposits)
    in_ecal = np.isin(deposits["part"], (Part.ECAL_BARREL, Part.ECAL_ENDCAP))
    return float(seen[in_ecal].sum()), float(seen[~in_ecal].sum())


def _three(vector: Array) -> tuple[float, float, float]:
    x, y, z = vector.tolist()
    return x, y, z


def _seed(row: int) -> int:
    return particle_seed(_SEED, row)
