"""Four-momenta of targets: the particle's, and those of the particles merged into it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.errors import DataError
from partflow.core.records import Array, Collection
from partflow.label.assignment import Assignment

CLOSURE = 1e-9
"""Relative difference between visible energy and target energy that rounding may cause."""


class FourMomenta(NamedTuple):
    """Flat four-momenta [GeV]."""

    px: Array
    py: Array
    pz: Array
    energy: Array

    def take(self, rows: Array) -> FourMomenta:
        """The given rows."""
        return FourMomenta(*(values[rows] for values in self))


def merged_momenta(particles: Collection, assignment: Assignment) -> FourMomenta:
    """Four-momentum of each particle plus those of all particles merged into it, [particle]."""
    is_merged = assignment.merged_into >= 0
    into = assignment.merged_into[is_merged]
    return FourMomenta(
        *(
            values + np.bincount(into, values[is_merged], len(particles))
            for values in (particles.px, particles.py, particles.pz, particles.energy)
        )
    )


def check_closure(
    particles: Collection, assignment: Assignment, targets: Collection, event_id: Array
) -> None:
    """Raise DataError, naming the event, unless its targets hold exactly the visible energy."""
    expected = assignment.is_visible & ~assignment.is_lost
    visible = energy_per_event(particles, expected)
    in_targets = energy_per_event(targets, np.ones(len(targets), dtype=bool))
    # True for NaN, too.
    is_open = ~(np.abs(in_targets - visible) <= CLOSURE * np.abs(visible))
    if np.any(is_open):
        event = np.flatnonzero(is_open)[0]
        raise DataError(
            f"event {event_id[event]}: targets hold {in_targets[event]:.9g} GeV of "
            f"{visible[event]:.9g} GeV visible; check the energies of its particles"
        )


def energy_per_event(objects: Collection, is_counted: Array) -> Array:
    """Energy of the counted objects of each event, [event] (GeV)."""
    return np.bincount(
        objects.event_index[is_counted], objects.energy[is_counted], objects.num_events
    )
