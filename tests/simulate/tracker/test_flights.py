"""The flights of an event know which particle they are."""

import numpy as np
import pytest
from particle import Particle

from partflow.simulate.directions import Ray
from partflow.simulate.tracker.flights import FLIGHT, Species, add_secondary, species


@pytest.mark.parametrize(
    ("kind", "charge", "pdg_id"),
    [
        (Species.PHOTON, 0, 22),
        (Species.ELECTRON, -1, 11),
        (Species.ELECTRON, 1, -11),
        (Species.MUON, -1, 13),
        (Species.MESON, 1, 211),
        (Species.MESON, -1, -211),
        (Species.MESON, 0, 130),
    ],
)
def test_a_secondary_has_the_pdg_id_of_its_species_and_charge(kind, charge, pdg_id):
    flights = np.zeros(2, FLIGHT)
    flights["px"], flights["energy"] = 1.0, 1.0
    add_secondary(flights, 1, 0, Ray(0, 0, 0, 1, 0, 0), 1.0, 0.0, charge, kind)
    assert flights["pdg_id"][1] == pdg_id
    assert Particle.from_pdgid(pdg_id).charge == charge
    assert species(np.array([pdg_id])) == kind
