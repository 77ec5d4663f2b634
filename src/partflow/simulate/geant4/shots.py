"""What goes into Geant4 and what comes out: particles shot, energy deposited by steps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

DEPOSIT = np.dtype(
    [
        ("particle", "i8"),
        ("part", "i8"),
        ("is_neutral", "b1"),
        ("layer", "i8"),
        ("x", "f8"),
        ("y", "f8"),
        ("z", "f8"),
        ("energy", "f8"),
        ("length", "f8"),
        ("time", "f8"),
    ]
)
"""Energy [MeV] that one step leaves in an active slab: where [mm] and when [ns] the step begins,
its length [mm], and whether it is a neutral hadron's; `particle` is the row of the particle shot.
"""


class Shot(NamedTuple):
    """A particle to be simulated."""

    pdg_id: int
    momentum: tuple[float, float, float]
    """GeV."""
    position: tuple[float, float, float]
    """mm."""
    time: float
    """ns."""
    seed: int
    """Of the random numbers of this particle, 1 to 2^63 - 1."""
