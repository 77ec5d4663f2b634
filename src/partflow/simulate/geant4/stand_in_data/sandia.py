"""Photoelectric cross sections from the Sandia table that is compiled into Geant4.

Run as a process of its own, so that the caller does not import Geant4:

    python sandia.py ENERGIES.npy SECTIONS.npy NUM_ELEMENTS

F. Biggs and R. Lighthill, Analytical Approximations for X-Ray Cross Sections III (Sandia report
SAND87-0070, 1988): between two absorption edges, sigma(E) = a1/E + a2/E^2 + a3/E^3 + a4/E^4.
It is the table that Geant4's own photoelectric model of the standard package uses.
"""

from __future__ import annotations

import sys

import numpy as np

SQUARE_MM_PER_BARN = 1e-22
NUM_COEFFICIENTS = 4


def photoelectric(energies, num_elements):
    """Cross section per atom [b], [element, energy], for photon energies [MeV]."""
    import geant4_pybind as geant4

    iron = geant4.G4NistManager.Instance().FindOrBuildMaterial("G4_Fe")
    table = iron.GetSandiaTable()  # of any material: it knows all elements
    coefficients = np.empty((num_elements, len(energies), NUM_COEFFICIENTS))
    values = geant4.G4doubleVector([0.0] * NUM_COEFFICIENTS)
    for element in range(num_elements):
        for index, energy in enumerate(energies.tolist()):
            table.GetSandiaCofPerAtom(element + 1, energy, values)
            coefficients[element, index] = values
    powers = energies[:, None] ** -np.arange(1.0, 1 + NUM_COEFFICIENTS)
    return (coefficients * powers).sum(-1) / SQUARE_MM_PER_BARN


if __name__ == "__main__":
    energies_file, sections_file, num_elements = sys.argv[1:]
    np.save(sections_file, photoelectric(np.load(energies_file), int(num_elements)))
