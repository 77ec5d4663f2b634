"""Geant4 runs with the stand-in data, and has the cross sections that were meant."""

from collections.abc import Callable
from typing import Any

import pytest

RADIATION_LENGTH = {"Fe": 13.84, "W": 6.76}  # g/cm^2, PDG
ATTENUATION = {"Fe": (0.3717, 0.05995), "W": (4.438, 0.06618)}  # cm^2/g, NIST, 0.1 and 1 MeV
INTERACTION_LENGTH_OF_IRON = 168.0  # mm, PDG


@pytest.fixture(scope="module", params=["G4EmStandardPhysics", "G4EmStandardPhysics_option1"])
def run(
    request: pytest.FixtureRequest, run_script: Callable[..., dict[str, Any]]
) -> dict[str, Any]:
    """Result of `geant4_run.py` with the electromagnetic physics of the name."""
    return run_script("geant4_run.py", request.param)


def test_photons_deposit_all_their_energy(run: dict[str, Any]) -> None:
    # Nuclei that absorb a photon take up to a few tens of MeV as binding energy.
    assert all(950 < deposit < 1000.001 for deposit in run["photon_deposits"])
    assert max(run["photon_deposits"]) == pytest.approx(1000)


def test_pions_deposit_energy_but_for_what_nuclei_and_neutrinos_take(run: dict[str, Any]) -> None:
    assert all(1500 < deposit < 3200 for deposit in run["pion_deposits"])


def test_fast_neutrons_have_the_nuclear_interaction_length(run: dict[str, Any]) -> None:
    assert run["neutron_path"] == pytest.approx(INTERACTION_LENGTH_OF_IRON, rel=0.15)


@pytest.mark.parametrize("metal", RADIATION_LENGTH)
def test_electrons_radiate_with_the_radiation_length(metal: str, run: dict[str, Any]) -> None:
    assert 1 / run["radiation"][metal] == pytest.approx(RADIATION_LENGTH[metal], rel=0.03)


@pytest.mark.parametrize("metal", ATTENUATION)
def test_photons_are_attenuated_as_measured(metal: str, run: dict[str, Any]) -> None:
    # Option 1 leaves out Rayleigh scattering, which is 8 % for photons of 100 keV in iron.
    assert run["attenuation"][metal] == pytest.approx(ATTENUATION[metal], rel=0.12)
