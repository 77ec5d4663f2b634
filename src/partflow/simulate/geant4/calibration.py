"""The sampling fractions of the calorimeters, measured with electrons.

The EM scale is defined by them: an electron's shower of EM-scale energy E leaves the energy f E in
the active slabs of a calorimeter with the sampling fraction f. CLICdet's reconstruction has
1/f = 35.84 for the ECAL.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from partflow.core.detector import BARREL, ECAL, ENDCAP, HCAL, Detector
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
"""Electrons into each of the four calorimeters: the fractions are known to 0.4 % then."""
_SEED = 1_000_000
_BARREL_COSINES = (-0.3, 0.3)
_MAX_STAVE_ANGLE = 0.17  # rad; a stave ends at 0.26
_ENDCAP_COSINES = (0.88, 0.96)
_GEV = 1e3  # MeV


class SamplingFractions(NamedTuple):
    """Fractions of (barrel, endcap), as `Calorimeter.sampling_fractions` has them."""

    ecal: tuple[float, float]
    hcal: tuple[float, float]


def measure_sampling_fractions(
    detector: Detector, config: Geant4Config, num_electrons: int = NUM_ELECTRONS
) -> SamplingFractions:
    """Sampling fractions, from electrons that begin at the face of each calorimeter.

    What leaks from the ECAL into the HCAL is taken off the energy that the ECAL should see.
    """
    total = num_electrons * ENERGY * _GEV
    ecal, hcal = [], []
    for region in (BARREL, ENDCAP):
        _, in_hcal = _seen(detector, HCAL, region, config, num_electrons)
        hcal.append(in_hcal / total)
        in_ecal, leaked = _seen(detector, ECAL, region, config, num_electrons)
        ecal.append(in_ecal / (total - leaked / hcal[-1]))
    return SamplingFractions((ecal[0], ecal[1]), (hcal[0], hcal[1]))


def _seen(
    detector: Detector, subdetector: int, region: int, config: Geant4Config, num_electrons: int
) -> tuple[float, float]:
    """Energy [MeV] that ECAL and HCAL see of electrons that begin at a face of one of them.

    The electrons come from the direction of the collision.
    """
    rng = np.random.default_rng(_SEED)
    part = detector.ecal if subdetector == ECAL else detector.hcal
    momentum = math.sqrt(ENERGY**2 - ELECTRON_MASS**2)
    shots = []
    for row in range(num_electrons):
        cosine = rng.uniform(*(_BARREL_COSINES if region == BARREL else _ENDCAP_COSINES))
        phi = rng.uniform(-_MAX_STAVE_ANGLE, _MAX_STAVE_ANGLE)
        sine = math.sqrt(1.0 - cosine**2)
        direction = np.array([sine * math.cos(phi), sine * math.sin(phi), cosine])
        # a face is a plane: the stave at phi = 0 begins at x = inner radius
        if region == BARREL:
            start = direction * (part.inner_radius / direction[0])
        else:
            start = direction * (part.endcap_z / cosine)
        time = float(np.linalg.norm(start)) / LIGHT_SPEED_MM_PER_NS
        seed = particle_seed(_SEED, row)
        shots.append(Shot(11, _three(momentum * direction), _three(start), time, seed))
    deposits = geant4_process(detector, config).shoot(shots)
    deposits = deposits[is_in_window(deposits, config)]
    seen = seen_energies(deposits)
    in_ecal = np.isin(deposits["part"], (Part.ECAL_BARREL, Part.ECAL_ENDCAP))
    return float(seen[in_ecal].sum()), float(seen[~in_ecal].sum())


def _three(vector: Array) -> tuple[float, float, float]:
    x, y, z = vector.tolist()
    return x, y, z
