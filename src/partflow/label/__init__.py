"""Truth links -> one target per element, with the energy closed ("closed" definition).

Compared with the published definition: merges accumulate, neutrinos never become targets, a
particle that can be put nowhere is reported instead of merged at random, and a particle whose
own track was not found is divided among the tracks of its secondaries (a conversion's
electrons, the prongs of an interaction in the tracker) and a cluster for the rest. Where its
own track was found, those of secondaries get no target: their energy is in its momentum.
"""

from partflow.label.candidates import (
    perfect_candidates,
    sharing_candidates,
    target_candidates,
)
from partflow.label.config import LabelConfig
from partflow.label.labelling import Labelled, label
from partflow.label.report import LabelReport, Tally

__all__ = [
    "LabelConfig",
    "LabelReport",
    "Labelled",
    "Tally",
    "label",
    "perfect_candidates",
    "sharing_candidates",
    "target_candidates",
]
