"""Cross sections of neutrons below 20 MeV: elastic scattering, inelastic scattering, capture.

Above 20 MeV Geant4 uses its own Glauber-Gribov model, scaled so that it continues the table: the
last point of the inelastic table also sets the interaction length of fast neutrons. The formulas
have the size, thresholds and trends of the measured cross sections, without resonances: right for
thermal neutrons, and meant to be right to some 30 % between 50 keV and 20 MeV.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from partflow.simulate.geant4.stand_in_data.elements import measured_or_typical

HYDROGEN = 1
THERMAL_ENERGY = 2.53e-8  # MeV, a neutron of 2200 m/s
LARGEST_ENERGY = 20.0  # MeV
ENERGIES = np.geomspace(1e-10, LARGEST_ENERGY, 227)
"""Kinetic energies of the tables of elastic scattering and capture [MeV]."""

INELASTIC_SCALE = 1.27
"""Gives fast neutrons the nominal interaction lengths of the materials, see above."""


def black_disc(atomic_mass: float) -> float:
    """Area of a nucleus and a neutron's wavelength at 14 MeV [b]: pi (1.21 A^(1/3) + 0.9)^2 fm^2.

    >>> black_disc(55.845)
    0.959
    """
    square_fm_per_barn = 100
    return np.pi * (1.21 * atomic_mass ** (1 / 3) + 0.9) ** 2 / square_fm_per_barn


def elastic(
    atomic_number: int, energy: Float[ndarray, "energy"] = ENERGIES
) -> Float[ndarray, "energy"]:
    """Elastic cross section [b] for kinetic energies [MeV].

    The thermal cross section of a free atom below 50 keV, potential scattering above.
    """
    if atomic_number == HYDROGEN:
        return _neutron_proton(energy)
    element = measured_or_typical(atomic_number)
    free = (element.atomic_mass / (element.atomic_mass + 1)) ** 2
    slow = element.thermal_scattering * free * (1 + energy / 0.8) ** -0.25
    fast = 1.25 * black_disc(element.atomic_mass) * (1 + 2.5 * np.exp(-energy / 3))
    fast_share = energy / (energy + 0.05)
    return (1 - fast_share) * slow + fast_share * fast


def inelastic_energies(atomic_number: int) -> Float[ndarray, "energy"]:
    """Kinetic energies of the table of inelastic scattering [MeV]: from threshold to 20 MeV."""
    threshold = measured_or_typical(atomic_number).inelastic_threshold
    return np.geomspace(threshold, LARGEST_ENERGY, 120)


def inelastic(
    atomic_number: int, energy: Float[ndarray, "energy"] | None = None
) -> Float[ndarray, "energy"]:
    """Inelastic cross section [b]: rises from the threshold to a plateau within some MeV."""
    energies = inelastic_energies(atomic_number) if energy is None else energy
    element = measured_or_typical(atomic_number)
    plateau = black_disc(element.atomic_mass) * element.inelastic_factor * INELASTIC_SCALE
    above_threshold = np.maximum(energies - element.inelastic_threshold, 0.0)
    return plateau * (1 - np.exp(-above_threshold / 1.3))


def capture(
    atomic_number: int, energy: Float[ndarray, "energy"] = ENERGIES
) -> Float[ndarray, "energy"]:
    """(n, gamma) cross section [b]: proportional to 1/v, and the measured size at 1 MeV."""
    element = measured_or_typical(atomic_number)
    slow = element.thermal_capture * np.sqrt(THERMAL_ENERGY / energy)
    fast = element.fast_capture * np.minimum(1.0, (1 / np.maximum(energy, 1e-3)) ** 0.6)
    return np.maximum(slow, fast)


def _neutron_proton(energy):
    """Neutron-proton scattering [b]: Gammel's formula from the effective ranges.

    J. L. Gammel in J. B. Marion and J. L. Fowler (ed.), Fast Neutron Physics II (1963), good to
    1 % up to 40 MeV: a triplet and a singlet term.
    """
    triplet = 3 / (1.206 * energy + (-1.86 + 0.09415 * energy + 0.000131 * energy**2) ** 2)
    singlet = 1 / (1.206 * energy + (0.4223 + 0.13 * energy) ** 2)
    return np.pi * (triplet + singlet)
