"""Truth links -> a target for each element, with the energy closed, and shares of each cluster.

This is the "closed" definition. Compared with the published one (`label.published`), merges
accumulate, neutrinos never become targets, a particle for which there is no element and no merge
is reported instead of merged at random, and a particle whose own track was not found is divided
among the tracks of its secondaries (a conversion's electrons, products of an interaction in the
tracker) and a cluster for the remainder. Where its own track was found, secondary tracks get no
target: their energy is in its momentum.
"""

from partflow.label.candidates import (
    perfect_candidates,
    sharing_candidates,
    target_candidates,
)
from partflow.label.config import LabelConfig
from partflow.label.labelling import Labelled, label
from partflow.label.report import Amount, LabelReport

__all__ = [
    "Amount",
    "LabelConfig",
    "LabelReport",
    "Labelled",
    "label",
    "perfect_candidates",
    "sharing_candidates",
    "target_candidates",
]
