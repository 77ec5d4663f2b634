"""The columns of a packed target, by name. Those of a packed element are `core.features`."""

from __future__ import annotations

from enum import IntEnum


class TargetColumn(IntEnum):
    """What an element should become, as float32 columns; all 0 (jet -1) without a particle."""

    CLASS = 0
    """Index in `core.particles.CLASSES`: 0 none, 1 charged hadron, 2 neutral hadron, 3 photon,
    4 electron, 5 muon."""
    CHARGE = 1
    """Electric charge [e]."""
    PT = 2
    """Transverse momentum [GeV]."""
    ETA = 3
    """Pseudorapidity."""
    SIN_PHI = 4
    """Sine of the azimuth."""
    COS_PHI = 5
    """Cosine of the azimuth."""
    ENERGY = 6
    """Energy [GeV]."""
    JET_INDEX = 7
    """Target jet of the event that the target is in, or -1."""


NUM_TARGET_COLUMNS = len(TargetColumn)


class MetColumn(IntEnum):
    """Columns of `gen_met`: transverse momentum sum of the visible generator particles."""

    PX = 0
    """[GeV]"""
    PY = 1
    """[GeV]"""
