"""Absorption of photons by nuclei below 150 MeV: the giant dipole resonance.

Above, Geant4 uses its own CHIPS parametrisation (for tungsten, everywhere). One Lorentzian gives
the energy and the area of the resonance; the maximum of lead is a third too low, and light nuclei
have several maxima.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from partflow.simulate.geant4.stand_in_data.elements import atomic_mass

ENERGIES = np.linspace(2.0, 150.0, 297)
"""Photon energies of the table [MeV]."""

WIDTH = 5.5  # MeV
SUM_RULE_EXCESS = 1.2
"""Measured integrals exceed the sum rule by about a fifth (B. L. Berman, S. C. Fultz, Rev. Mod.
Phys. 47 (1975) 713)."""


def absorption(
    atomic_number: int, energy: Float[ndarray, "energy"] = ENERGIES
) -> Float[ndarray, "energy"]:
    """Cross section [b] for photon energies [MeV].

    A Lorentzian at E0 = 31.2 A^(-1/3) + 20.6 A^(-1/6) MeV (Berman and Fultz) with the area of the
    Thomas-Reiche-Kuhn sum rule, 60 NZ/A MeV mb, and 0.01 mb per nucleon for pairs of nucleons.
    Zero at the lowest energy and for hydrogen.
    """
    if atomic_number == 1:
        return np.zeros_like(energy)
    mass = atomic_mass(atomic_number)
    centre = 31.2 * mass ** (-1 / 3) + 20.6 * mass ** (-1 / 6)
    area = SUM_RULE_EXCESS * 60e-3 * (mass - atomic_number) * atomic_number / mass
    height = 2 * area / (np.pi * WIDTH)
    resonance = (energy * WIDTH) ** 2 / ((energy**2 - centre**2) ** 2 + (energy * WIDTH) ** 2)
    pairs = 1e-5 * mass * np.minimum(1.0, energy / 140)
    section = height * resonance + pairs
    section[0] = 0.0
    return section
