"""The text formats in which Geant4 reads tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def write_vector(
    path: Path, energy: Float[ndarray, "energy"], values: Float[ndarray, "energy"]
) -> None:
    """Write a function of energy as Geant4's G4PhysicsVector reads it."""
    rows = np.stack([energy, values], axis=1)
    header = f"{energy[0]:.9g} {energy[-1]:.9g} {len(energy)}\n{len(energy)}"
    _write(path, header, rows, "%.9g")


def write_grid(
    path: Path,
    x: Float[ndarray, "x"],
    y: Float[ndarray, "y"],
    values: Float[ndarray, "y x"],
) -> None:
    """Write a function of x and y as Geant4's G4Physics2DVector reads it."""
    lines = [f"0 {len(x)} {len(y)}"]
    lines += [" ".join(f"{value:.9g}" for value in axis) for axis in (x, y)]
    _write(path, "\n".join(lines), values, "%.6g")


def _write(path, header, rows, form):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, rows, fmt=form, header=header, comments="")


def write_photoelectric_tail(
    path: Path, energy: Float[ndarray, "energy"], section: Float[ndarray, "energy"]
) -> None:
    """Write how the photoelectric cross section [b] goes on above the table, as c / E.

    G4LivermorePhotoElectricModel reads: numbers of shells, the first energy [MeV], and for each
    shell its binding energy [MeV] and six coefficients of powers of 1/E. The stand-ins have one
    shell; its binding energy is the lowest energy of the table.
    """
    coefficient = section[-1] * energy[-1]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"1 1 {energy[-1]:g}\n{energy[0]:g} {coefficient:.8g} 0 0 0 0 0\n", encoding="utf-8"
    )
