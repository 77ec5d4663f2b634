"""Class, charge and mass of particles by PDG id; a class is what a detector can distinguish."""

from __future__ import annotations

import numpy as np
from particle import Particle, ParticleNotFound
from particle.pdgid import charge as pdg_charge
from particle.pdgid import is_nucleus, is_valid

from partflow.core.errors import DataError
from partflow.core.records import Array

CHARGED_HADRON, NEUTRAL_HADRON, PHOTON, ELECTRON, MUON = 211, 130, 22, 11, 13
"""Classes: charged and neutral hadrons have the PDG id of pi+ and K0L."""
NO_PARTICLE = 0
"""Class of an element without a particle."""
CLASSES = (NO_PARTICLE, CHARGED_HADRON, NEUTRAL_HADRON, PHOTON, ELECTRON, MUON)
"""Classes in the order of the published one-hot index."""
CLASS_NAMES = {
    CHARGED_HADRON: "charged_hadron",
    NEUTRAL_HADRON: "neutral_hadron",
    PHOTON: "photon",
    ELECTRON: "electron",
    MUON: "muon",
}
NEUTRINOS = (12, 14, 16)
"""PDG ids of neutrinos; antineutrinos have the opposite sign."""
ELECTRON_MASS, MUON_MASS = 0.00051099895, 0.1056583755  # GeV, PDG 2024
PION_MASS, PION0_MASS = 0.13957039, 0.1349768  # GeV, PDG 2024
KAON0_MASS = 0.497611  # GeV, PDG 2024


def is_neutrino(pdg_id: Array) -> Array:
    """Whether each particle is a neutrino."""
    return np.isin(np.abs(pdg_id), NEUTRINOS)


def charges(pdg_id: Array) -> Array:
    """Electric charge [e] of each particle.

    Raises DataError for an invalid PDG id and for a fractional charge.

    >>> charges(np.array([22, 11, -211, 3112, 1000020040])).tolist()
    [0, -1, -1, -1, 2]
    """
    unique, inverse = np.unique(np.asarray(pdg_id), return_inverse=True)
    table = np.empty(len(unique), dtype=np.int8)
    for i, code in enumerate(unique.tolist()):
        charge = pdg_charge(code) if is_valid(code) else None
        if charge is None or charge != int(charge):
            raise DataError(f"PDG id {code}: not a particle that reaches a detector; remove it")
        table[i] = int(charge)
    return table[inverse]


def masses(pdg_id: Array) -> Array:
    """Mass [GeV] of each particle, from package `particle`.

    A nucleus that is not in its table has A x 0.9315 GeV. Raises DataError for other unknown ids.

    >>> masses(np.array([22, 211])).round(4).tolist()
    [0.0, 0.1396]
    """
    unique, inverse = np.unique(np.asarray(pdg_id), return_inverse=True)
    return np.array([_mass(code) for code in unique.tolist()])[inverse]


def _mass(code: int) -> float:
    """Mass [GeV] of the particle with PDG id `code`."""
    try:
        mass = Particle.from_pdgid(code).mass
    except ParticleNotFound:
        if not is_nucleus(code):
            raise DataError(
                f"PDG id {code}: not in the table of package `particle`; remove it"
            ) from None
        return (abs(code) // 10 % 1000) * 0.9315  # GeV, one atomic mass unit a nucleon
    return (mass or 0.0) / 1000.0


def classes(pdg_id: Array, charge: Array) -> Array:
    """Class (see CLASSES) of each particle: photon, electron, muon, or hadron by charge."""
    kind = np.abs(pdg_id)
    hadron = np.where(np.asarray(charge) != 0, CHARGED_HADRON, NEUTRAL_HADRON)
    return np.where(np.isin(kind, (PHOTON, ELECTRON, MUON)), kind, hadron)


def class_index(pdg_class: Array) -> Array:
    """Index in CLASSES of each class.

    >>> class_index(np.array([0, 13, 211])).tolist()
    [0, 5, 1]
    """
    order = np.argsort(CLASSES)
    return order[np.searchsorted(np.array(CLASSES)[order], pdg_class)]
