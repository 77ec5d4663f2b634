"""An event as a display shows it: positions, marks and jets of all candidate sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from partflow.core.candidate_sets import CEILINGS
from partflow.core.detector import Detector
from partflow.core.errors import DataError
from partflow.core.features import ELEMENT_SETS
from partflow.core.kinematics import momentum_from_pt_eta_phi
from partflow.core.particles import PHOTON
from partflow.core.records import Array, Collection, Events
from partflow.evaluate.config import EvaluationConfig
from partflow.evaluate.evaluator import visible_particles
from partflow.evaluate.jets import find_jets
from partflow.evaluate.matching import match_nearest
from partflow.report.display.marks import (
    MAX_RELATIVE_ERROR,
    Mark,
    Marks,
    TargetMark,
    mark_mistakes,
)
from partflow.report.display.places import particle_places, track_paths

FINAL = "final"
"""Element set of candidate sets for which no other is given."""


class HitKind(IntEnum):
    """Kind of the generator particle with the largest contribution to a hit."""

    UNKNOWN, PHOTON, NEUTRAL, CHARGED = range(4)


class Total(NamedTuple):
    """Number of some particles, and the sum of their energies."""

    number: int
    energy: float
    """GeV."""


@dataclass(frozen=True)
class DisplayedSet:
    """One candidate set of an event, with its targets and marks."""

    name: str
    element_set: str
    """Element set that the candidates were made from."""
    candidates: Collection
    targets: Collection
    marks: Marks
    position: Array
    """Position of each candidate, [candidate, 3] (mm)."""
    target_position: Array
    """Position of each target, [element, 3] (mm)."""
    jet_pt: Array
    """pt of the jet nearest to each generator jet, NaN where there is none, [gen jet] (GeV)."""
    is_judged: bool
    """Whether mistakes are marked; false for sets made from the truth."""
    shares: Collection | None = None
    """SHARES of the candidates, if they share clusters out."""

    def candidates_with(self, mark: Mark) -> Total:
        """Number and energy of the candidates with this mark."""
        selected = self.marks.of_candidate == mark
        return Total(int(selected.sum()), float(self.candidates.energy[selected].sum()))

    def targets_with(self, mark: TargetMark) -> Total:
        """Number and energy of the targets with this mark."""
        selected = self.marks.of_target == mark
        return Total(int(selected.sum()), float(self.targets.energy[selected].sum()))

    def misplaced_clusters(self, num_tracks: int, cluster_energy: Array) -> Array:
        """Clusters of which a large part is lost in missed targets or counted twice in fakes.

        The part is more than MAX_RELATIVE_ERROR of `cluster_energy` [cluster] (GeV). A fake takes
        its energy from its own cluster, or from the clusters that its shares name.
        """
        is_missed = self.marks.of_target == TargetMark.MISSED
        is_fake = self.marks.of_candidate == Mark.FAKE
        misplaced = np.where(is_missed, self.targets.energy, 0.0)
        fake, shares = self.marks.element[is_fake], self.shares
        if shares is None:
            np.add.at(misplaced, fake, self.candidates.energy[is_fake])
        else:
            of_fake = np.isin(shares.owner_element, fake[fake >= num_tracks])
            np.add.at(misplaced, shares.cluster_element[of_fake], shares.energy_em[of_fake])
        return np.flatnonzero(misplaced[num_tracks:] > MAX_RELATIVE_ERROR * cluster_energy)


@dataclass(frozen=True)
class Scene:
    """One event with everything that is drawn of it."""

    event: Events
    """A single event with all its collections."""
    number: int
    """Its number in the folder, from 0."""
    detector: Detector
    title: str
    gen_jets: Collection
    sets: tuple[DisplayedSet, ...]
    paths: Array
    """Points on the tracks, [track, point, 3] (mm)."""
    hit_kind: Array
    """`HitKind`, [hit]."""
    remark: str = ""
    """Why this event is shown."""

    @property
    def element_sets(self) -> list[str]:
        """Element sets that the candidate sets were made from."""
        return list(dict.fromkeys(displayed.element_set for displayed in self.sets))

    def clusters(self, element_set: str) -> Collection:
        """The clusters of an element set."""
        return self.event.collections[ELEMENT_SETS[element_set].clusters]

    def hit_clusters(self, element_set: str) -> Array:
        """Cluster of each hit, or -1, [hit]."""
        return self.event.collections[ELEMENT_SETS[element_set].hit_clusters].cluster_index


@dataclass(frozen=True)
class CandidateSets:
    """Candidate sets of some events with their targets."""

    candidates: Mapping[str, Collection]
    targets: Mapping[str, Collection]
    """Targets of each element set."""
    element_sets: Mapping[str, str] = field(default_factory=dict)
    """Element set of each candidate set for which it is not the final one."""
    shares: Mapping[str, Collection] = field(default_factory=dict)
    """SHARES of each candidate set that shares clusters out."""


def build_scene(
    event: Events, number: int, sets: CandidateSets, detector: Detector,
    config: EvaluationConfig | None = None, remark: str = "",
) -> Scene:  # fmt: skip
    """Prepare the display of one event.

    Args:
        event: Exactly one event with all its collections.
        number: Its number in the folder, from 0.
        sets: Candidate sets of this event.
        detector: Detector to draw.
        config: Definition and matching of the jets.
        remark: Why the event is shown.

    Raises:
        DataError: Candidates do not belong to the event.
    """
    config = config or EvaluationConfig()
    paths = track_paths(event.tracks)
    visible = visible_particles(event.particles, config)
    momentum = (visible.px, visible.py, visible.pz)
    gen_jets = find_jets("particles", visible.offsets, momentum, visible.energy, config)
    displayed = tuple(
        _displayed_set(name, sets, gen_jets, event, paths, detector, config)
        for name in sets.candidates
    )
    title = f"{event.process[0]}, event {number}"
    return Scene(
        event, number, detector, title, gen_jets, displayed, paths, _hit_kinds(event), remark
    )


def _displayed_set(
    name: str, sets: CandidateSets, gen_jets: Collection, event: Events, paths: Array,
    detector: Detector, config: EvaluationConfig,
) -> DisplayedSet:  # fmt: skip
    """One candidate set with marks, positions and jets."""
    candidates, element_set = sets.candidates[name], sets.element_sets.get(name, FINAL)
    targets, num_tracks = sets.targets[element_set], event.tracks.counts
    try:
        marks = mark_mistakes(targets, num_tracks, candidates)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    row = np.arange(len(targets))
    target_phi = np.arctan2(targets.sin_phi, targets.cos_phi)
    target_track = np.where(row < num_tracks[0], row, -1)
    eta, phi = candidates.eta, candidates.phi
    momentum = momentum_from_pt_eta_phi(candidates.pt, eta, phi)
    jets = find_jets(name, candidates.offsets, momentum, candidates.energy, config)
    nearest = match_nearest(gen_jets, jets, config.max_delta_r)
    return DisplayedSet(
        name,
        element_set,
        candidates,
        targets,
        marks,
        particle_places(eta, phi, candidates.track_index, paths, detector),
        particle_places(targets.eta, target_phi, target_track, paths, detector),
        np.where(nearest >= 0, np.append(jets.pt, np.nan)[nearest], np.nan),
        is_judged=name not in CEILINGS,
        shares=sets.shares.get(name),
    )


def _hit_kinds(event: Events) -> Array:
    """`HitKind` of each hit, [hit]."""
    contributions, particles = event.contributions, event.particles
    neutral = np.where(particles.pdg_id == PHOTON, HitKind.PHOTON, HitKind.NEUTRAL)
    kind = np.where(particles.charge != 0, HitKind.CHARGED, neutral)
    order = np.argsort(contributions.energy_em, kind="stable")  # the largest is written last
    hit_kind = np.full(len(event.hits), HitKind.UNKNOWN)
    hit_kind[contributions.hit_index[order]] = kind[contributions.particle_index[order]]
    return hit_kind
