"""Marks for the mistakes of a candidate set in an event, which a display shows in red.

A candidate is compared with the target of its element, as for efficiency and fake rate: it is
right if both have the same class.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from partflow.core.records import Array, Collection
from partflow.evaluate.particles import elements_of_candidates

MAX_RELATIVE_ERROR = 0.3
"""A candidate is marked if its energy differs from the target's by more than this fraction."""
MIN_ERROR = 1.0
"""... and by more than this energy [GeV]: the resolution of soft neutral hadrons is that poor."""


class Mark(IntEnum):
    """How a candidate compares with the target of its element."""

    RIGHT = 0
    ENERGY = 1
    """Right class, but an energy far from the target's."""
    WRONG_CLASS = 2
    FAKE = 3
    """The element has no target: its energy belongs to particles at other elements."""
    WITHOUT_ELEMENT = 4
    """The candidate has no element and enters no rate."""


class TargetMark(IntEnum):
    """Whether a target was reconstructed."""

    NO_TARGET = 0
    RECONSTRUCTED = 1
    WRONG_CLASS = 2
    MISSED = 3
    """Its element has no candidate."""


class Marks(NamedTuple):
    """The marks of candidates and targets."""

    element: Array
    """Row of `targets` of each candidate, or -1, [candidate]."""
    of_candidate: Array
    """`Mark`, [candidate]."""
    of_target: Array
    """`TargetMark`, [element]."""


def mark_mistakes(targets: Collection, num_tracks: Array, candidates: Collection) -> Marks:
    """Marks of candidates and targets of one or more events.

    Args:
        targets: Targets in the order of the elements: tracks, then clusters of each event.
        num_tracks: Number of tracks of each event, [event].
        candidates: Candidates of the same events.

    Raises:
        DataError: A candidate points beyond the elements.
    """
    element = elements_of_candidates(candidates, targets, num_tracks)
    has_element = element >= 0
    target_class, target_energy = values_at(element, targets.pdg_id, targets.energy)
    error = np.abs(candidates.energy - target_energy)
    is_far = error > np.maximum(MIN_ERROR, MAX_RELATIVE_ERROR * target_energy)
    is_right = has_element & (candidates.pdg_id == target_class)
    conditions = (~has_element, target_class == 0, ~is_right, is_far)
    marks = (Mark.WITHOUT_ELEMENT, Mark.FAKE, Mark.WRONG_CLASS, Mark.ENERGY)
    of_candidate = np.select(conditions, marks, Mark.RIGHT)
    of_target = np.where(targets.pdg_id != 0, TargetMark.MISSED, TargetMark.NO_TARGET)
    of_target[element[has_element & (target_class != 0)]] = TargetMark.WRONG_CLASS
    of_target[element[is_right]] = TargetMark.RECONSTRUCTED
    return Marks(element, of_candidate, of_target)


def values_at(element: Array, *columns: Array) -> list[Array]:
    """The values of `columns` [element] at the elements `element` [candidate]; 0 where it is -1."""
    return [np.append(column, 0)[element] for column in columns]
