"""Photoelectric effect and Rayleigh scattering: stand-ins for the tables of EPICS2017.

Together with Geant4's formulas for the other processes they attenuate photons of 0.1 and 1 MeV in
iron and tungsten as NIST tabulates it, to 4 %.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

THOMSON = 0.665246  # b
PHOTOELECTRIC_ENERGIES = np.geomspace(1e-4, 10.0, 1200)
"""Photon energies of the photoelectric table [MeV]. Absorption edges are as wide as one step, 1 %.

The lowest energy stands for the binding energy of all electrons, because the stand-ins have one
shell per atom: no fluorescence, and the electron takes the photon's energy but for 100 eV.
"""
RAYLEIGH_ENERGIES = np.geomspace(1e-4, 100.0, 30)
"""Photon energies of the Rayleigh table [MeV]."""


def rayleigh(
    atomic_number: int, energy: Float[ndarray, "energy"] = RAYLEIGH_ENERGIES
) -> Float[ndarray, "energy"]:
    """Coherent scattering [b] for photon energies [MeV]: sigma_T Z^2 / (1 + (E / E_Z)^2).

    E_Z = (0.2 Z + 2) keV stands for the form factor of the atom: a rough fit without absorption
    edges.
    """
    form_factor_scale = 0.2e-3 * atomic_number + 2e-3
    return THOMSON * atomic_number**2 / (1 + (energy / form_factor_scale) ** 2)
