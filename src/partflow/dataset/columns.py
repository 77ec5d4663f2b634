"""Columns of packed targets and of missing momentum, by name; elements: `core.features`."""

from __future__ import annotations

from enum import IntEnum


class TargetColumn(IntEnum):
    """Columns of a target, float32; without a particle all are 0, and the jet index is -1."""

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
    """Index of the target jet that contains the target, or -1."""


class MetColumn(IntEnum):
    """Columns of `gen_met`: sum of the transverse momenta of the visible generator particles."""

    PX = 0
    """[GeV]"""
    PY = 1
    """[GeV]"""


def column_names(columns: type[IntEnum]) -> tuple[str, ...]:
    """Names of the columns in lower case, in order.

    >>> column_names(MetColumn)
    ('px', 'py')
    """
    return tuple(column.name.lower() for column in columns)
