"""Truth links -> one target per element, with the energy closed ("closed" definition).

Compared with the published definition: merges accumulate, neutrinos never become targets, a
particle that can be put nowhere is reported instead of merged at random, and a track is given
only to the particle that made it. Tracks of secondaries (a conversion's electrons, the prongs
of an interaction in the tracker) get no target: their energy is already in the target of the
particle they descend from, which sits on its own track or on its largest free cluster.
"""

from partflow.label.candidates import perfect_candidates, target_candidates
from partflow.label.labelling import Labelled, label
from partflow.label.report import LabelReport, Tally

__all__ = [
    "LabelReport",
    "Labelled",
    "Tally",
    "label",
    "perfect_candidates",
    "target_candidates",
]
