"""What a set of candidates got wrong in an event: the marks that a display shows in red.

A candidate is compared with the target of the element it stands at, as efficiency and fake
rate do: right is the same class at the same element.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from partflow.core.records import Array, Collection
from partflow.evaluate.particles import elements_of_candidates

MAX_ENERGY_MISS = 0.3
"""A candidate whose energy is off by more than this part of the target's is marked."""
MIN_ENERGY_MISS = 1.0
"""... if it is off by at least this much [GeV]: soft neutral hadrons are never better."""


class Mark(IntEnum):
    """What a candidate is."""

    RIGHT = 0
    ENERGY = 1
    """The right class at this element, but far from the target's energy."""
    WRONG_CLASS = 2
    FAKE = 3
    """Nothing should stand here: its energy belongs to other elements."""
    ELSEWHERE = 4
    """It stands at no element, and is in no rate."""


class TargetMark(IntEnum):
    """What became of a target."""

    NO_TARGET = 0
    FOUND = 1
    WRONG_CLASS = 2
    MISSED = 3
    """No candidate stands at its element."""


class Marks(NamedTuple):
    """The comparison of candidates with targets."""

    element: Array
    """Row of `targets` of each candidate, or -1, [candidate]."""
    of_candidate: Array
    """`Mark`, [candidate]."""
    of_target: Array
    """`TargetMark`, [element]."""


def compare(targets: Collection, num_tracks: Array, candidates: Collection) -> Marks:
    """Marks of candidates and targets, of one or more events.

    `targets` stand in the order of the elements, of which the first `num_tracks` [event] are
    tracks. Raises DataError for candidates that point beyond the elements.
    """
    element = elements_of_candidates(candidates, targets, num_tracks)
    stands = element >= 0
    # The last entry is that of candidates without an element.
    wanted, energy = np.append(targets.pdg_id, 0)[element], np.append(targets.energy, 0)[element]
    miss = np.abs(candidates.energy - energy)
    is_far = miss > np.maximum(MIN_ENERGY_MISS, MAX_ENERGY_MISS * energy)
    right = stands & (candidates.pdg_id == wanted)
    conditions = (~stands, wanted == 0, ~right, is_far)
    given = (Mark.ELSEWHERE, Mark.FAKE, Mark.WRONG_CLASS, Mark.ENERGY)
    of_candidate = np.select(conditions, given, Mark.RIGHT)
    of_target = np.where(targets.pdg_id != 0, TargetMark.MISSED, TargetMark.NO_TARGET)
    taken = element[stands & (wanted != 0)]
    of_target[taken] = TargetMark.WRONG_CLASS
    of_target[element[right]] = TargetMark.FOUND
    return Marks(element, of_candidate, of_target)
