"""Materials of calorimeters: mixtures of k4geo, and NIST materials by their names."""

from __future__ import annotations

from typing import Any, NamedTuple

from partflow.core.errors import ConfigError
from partflow.simulate.geant4.binding import g4

NIST_PREFIX = "G4_"


class Mixture(NamedTuple):
    """Elements that make up a material."""

    density: float
    """g/cm3."""
    fractions: dict[str, float]
    """Share of the mass of each element."""


MIXTURES = {
    "Air": Mixture(0.0012, {"N": 0.754, "O": 0.234, "Ar": 0.012}),
    "Copper": Mixture(8.96, {"Cu": 1.0}),
    "G10": Mixture(1.7, {"Cl": 0.08, "Si": 0.3613, "O": 0.4606, "C": 0.0787, "H": 0.0194}),
    "GroundOrHVMix": Mixture(5.19, {"H": 0.003, "C": 0.094, "N": 0.010, "O": 0.028, "Cu": 0.863}),
    "PCB": Mixture(1.7, {"Si": 0.180, "O": 0.405, "C": 0.278, "H": 0.068, "Br": 0.067}),
    "Polystyrene": Mixture(1.06, {"C": 0.9226, "H": 0.0774}),
    "Silicon": Mixture(2.329, {"Si": 1.0}),
    "Steel235": Mixture(7.85, {"Fe": 0.998, "C": 0.002}),
    "TungstenDens24": Mixture(17.8, {"W": 0.93, "Ni": 0.061, "Fe": 0.009}),
    "siPCBMix": Mixture(
        5.05, {"Cl": 0.014, "O": 0.083, "Si": 0.065, "H": 0.003, "C": 0.014, "Cu": 0.818}
    ),
}
"""Source: k4geo CLIC/compact/CLIC_o3_v14/materials.xml. G10 is a mixture of chlorine, quartz and
epoxy there; fractions are normalised when the material is made."""


def find_material(name: str) -> Any:
    """The G4Material of a mixture or of a NIST name; it is made when first asked for.

    Raises ConfigError for an unknown name.
    """
    known = g4.G4Material.GetMaterial(name, False)
    if known is not None:
        return known
    nist = g4.G4NistManager.Instance()
    if name in MIXTURES:
        mixture = MIXTURES[name]
        material = g4.G4Material(name, mixture.density * g4.g / g4.cm3, len(mixture.fractions))
        total = sum(mixture.fractions.values())
        for symbol, fraction in mixture.fractions.items():
            material.AddElement(nist.FindOrBuildElement(symbol), fraction / total)
        return material
    found = nist.FindOrBuildMaterial(name) if name.startswith(NIST_PREFIX) else None
    if found is None:
        raise ConfigError(
            f"material {name!r} is unknown; give one of {', '.join(MIXTURES)}, "
            "or a NIST material of Geant4 such as G4_Fe"
        )
    return found
