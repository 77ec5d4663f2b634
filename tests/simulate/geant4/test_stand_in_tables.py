"""The formulas of the stand-in data agree with what is known of these cross sections."""

import numpy as np
import pytest

from partflow.simulate.geant4.stand_in_data import bremsstrahlung, neutrons, photons, photonuclear
from partflow.simulate.geant4.stand_in_data.elements import NUM_ELEMENTS, atomic_mass

ELEMENTS = range(1, NUM_ELEMENTS + 1)
AVOGADRO = 0.602214  # per barn and g/cm^2
RADIATION_LENGTH = {6: 42.70, 13: 24.01, 14: 21.82, 26: 13.84, 29: 12.86, 74: 6.76, 82: 6.37}
"""Of carbon to lead [g/cm^2], PDG."""


def radiative_stopping_power(atomic_number: int, energy: float) -> float:
    """Energy that an electron of `energy` [MeV] radiates [MeV cm^2/g]."""
    fraction = np.linspace(1e-12, 1, 5001)
    scaled = bremsstrahlung.scaled_cross_section(atomic_number, np.array([energy]), fraction)[0]
    total = energy + bremsstrahlung.ELECTRON_MASS
    beta_squared = 1 - (bremsstrahlung.ELECTRON_MASS / total) ** 2
    integral = np.trapezoid(scaled, fraction) * 1e-3 * energy
    return AVOGADRO / atomic_mass(atomic_number) * atomic_number**2 / beta_squared * integral


@pytest.mark.parametrize("atomic_number", ELEMENTS)
def test_all_cross_sections_are_positive_and_finite(atomic_number: int) -> None:
    scaled = bremsstrahlung.scaled_cross_section(
        atomic_number, bremsstrahlung.KINETIC_ENERGIES, bremsstrahlung.PHOTON_FRACTIONS
    )
    elastic, capture = neutrons.elastic(atomic_number), neutrons.capture(atomic_number)
    for table in (scaled, elastic, capture, photons.rayleigh(atomic_number)):
        assert np.isfinite(table).all()
        assert (table > 0).all()
    for table in (neutrons.inelastic(atomic_number), photonuclear.absorption(atomic_number)):
        assert np.isfinite(table).all()
        assert (table >= 0).all()
        assert table[0] == 0


@pytest.mark.parametrize("atomic_number", RADIATION_LENGTH)
def test_fast_electrons_lose_their_energy_within_a_radiation_length(atomic_number: int) -> None:
    length = 1e4 / radiative_stopping_power(atomic_number, 1e4)
    assert length == pytest.approx(RADIATION_LENGTH[atomic_number], rel=0.02)


@pytest.mark.parametrize(("energy", "expected"), [(1.0, 0.01280), (10.0, 0.1832), (100.0, 2.399)])
def test_water_has_the_published_radiative_stopping_power(energy: float, expected: float) -> None:
    # NIST ESTAR [MeV cm^2/g]. Below some MeV the formula is a coarse one.
    hydrogen = 2 * atomic_mass(1) * radiative_stopping_power(1, energy)
    oxygen = atomic_mass(8) * radiative_stopping_power(8, energy)
    water = (hydrogen + oxygen) / (2 * atomic_mass(1) + atomic_mass(8))
    assert water == pytest.approx(expected, rel=0.15 if energy < 5 else 0.03)


def test_thermal_neutrons_have_the_measured_cross_sections() -> None:
    thermal = np.array([neutrons.THERMAL_ENERGY])
    for atomic_number, scattering, capture in ((1, 20.4, 0.332), (26, 11.22, 2.56)):
        assert neutrons.elastic(atomic_number, thermal)[0] == pytest.approx(scattering, rel=0.02)
        assert neutrons.capture(atomic_number, thermal)[0] == pytest.approx(capture, rel=0.01)


def test_neutrons_of_14_MeV_have_the_measured_inelastic_cross_section() -> None:
    # Non-elastic cross sections of iron and tungsten [b], to 15 %.
    energy = np.array([14.0])
    assert neutrons.inelastic(26, energy)[0] == pytest.approx(1.38, rel=0.15)
    assert neutrons.inelastic(74, energy)[0] == pytest.approx(2.45, rel=0.15)


def test_the_giant_dipole_resonance_of_lead_is_where_it_was_measured() -> None:
    section = photonuclear.absorption(82)
    assert photonuclear.ENERGIES[section.argmax()] == pytest.approx(13.4, abs=0.5)
    assert section.max() == pytest.approx(0.64, rel=0.4)
