"""An event as a display shows it: everything in its place, compared and summed up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
from partflow.report.display.marks import MAX_ENERGY_MISS, Mark, Marks, TargetMark, compare
from partflow.report.display.places import particle_places, track_paths

NO_KIND, PHOTON_KIND, NEUTRAL_KIND, CHARGED_KIND = 0, 1, 2, 3
"""Kinds of generator particle that lit a hit: nobody known, photon, neutral hadron, charged."""
FINAL = "final"


class Count(NamedTuple):
    """How many, and what they amount to."""

    number: int
    energy: float
    """GeV."""


@dataclass(frozen=True)
class DisplayedSet:
    """One set of candidates beside its targets."""

    name: str
    elements: str
    """Set of elements that it was made from."""
    candidates: Collection
    targets: Collection
    marks: Marks
    place: Array
    """Where each candidate is marked, [candidate, 3] (mm)."""
    target_place: Array
    """Where each target is marked, [element, 3] (mm)."""
    jet_pt: Array
    """pt of the jet nearest to each generator jet, NaN where there is none, [gen jet] (GeV)."""
    is_judged: bool
    """Whether its mistakes are marked; what is made with the truth has none by definition."""
    shares: Collection | None = None
    """SHARES behind the candidates, if clusters were shared out."""

    def candidates_with(self, mark: Mark) -> Count:
        """Candidates with this mark, and their energy."""
        chosen = self.marks.of_candidate == mark
        return Count(int(chosen.sum()), float(self.candidates.energy[chosen].sum()))

    def targets_with(self, mark: TargetMark) -> Count:
        """Targets with this mark, and their energy."""
        chosen = self.marks.of_target == mark
        return Count(int(chosen.sum()), float(self.targets.energy[chosen].sum()))

    def misplaced_clusters(self, num_tracks: int, cluster_energy: Array) -> Array:
        """Clusters whose energy is lost with a missed target or counted twice in a fake.

        `cluster_energy` [cluster] says how much they hold (GeV): where the particle is only a
        small part of its cluster, the cluster is not misplaced. The energy of a fake is that of its
        own cluster, or of those that shares say.
        """
        is_missed = self.marks.of_target == TargetMark.MISSED
        is_fake = self.marks.of_candidate == Mark.FAKE
        energy = np.where(is_missed, self.targets.energy, 0.0)
        fake, shares = self.marks.element[is_fake], self.shares
        if shares is None:
            np.add.at(energy, fake, self.candidates.energy[is_fake])
        else:
            is_lost = np.isin(shares.owner_element, fake[fake >= num_tracks])
            np.add.at(energy, shares.cluster_element[is_lost], shares.energy_em[is_lost])
        return np.flatnonzero(energy[num_tracks:] > MAX_ENERGY_MISS * cluster_energy)


@dataclass(frozen=True)
class Scene:
    """One event with everything that is drawn of it."""

    event: Events
    """A single event with all its collections."""
    number: int
    """Its place in the folder, from 0."""
    detector: Detector
    title: str
    gen_jets: Collection
    sets: tuple[DisplayedSet, ...]
    paths: Array
    """Points on the tracks, [track, point, 3] (mm)."""
    hit_kind: Array
    """Kind of the generator particle with most of each hit, [hit]."""
    remark: str = ""
    """Why this event is shown."""

    @property
    def elements(self) -> list[str]:
        """Sets of elements that the sets of candidates were made from."""
        return list(dict.fromkeys(one.elements for one in self.sets))

    def clusters(self, elements: str) -> Collection:
        """The clusters of a set of elements."""
        return self.event.collections[ELEMENT_SETS[elements][0]]

    def hit_clusters(self, elements: str) -> Array:
        """Cluster of each hit, or -1, [hit]."""
        return self.event.collections[ELEMENT_SETS[elements][1]].cluster_index


@dataclass(frozen=True)
class Compared:
    """Candidate sets of a run of events, with the targets of each."""

    candidates: Mapping[str, Collection]
    targets: Mapping[str, Collection]
    """Targets of each set of elements."""
    elements: Mapping[str, str] = field(default_factory=dict)
    """Set of elements of a candidate set, where it is not the final one."""
    shares: Mapping[str, Collection] = field(default_factory=dict)
    """SHARES of a candidate set for which clusters were shared out."""


def build_scene(
    event: Events, number: int, compared: Compared, detector: Detector,
    config: EvaluationConfig | None = None, remark: str = "",
) -> Scene:  # fmt: skip
    """What a display shows of `event`, which holds exactly one event, number `number`.

    Raises DataError for candidates that do not belong to the event.
    """
    config = config or EvaluationConfig()
    paths = track_paths(event.tracks)
    seen = visible_particles(event.particles, config)
    gen_jets = find_jets(
        "particles", seen.offsets, (seen.px, seen.py, seen.pz), seen.energy, config
    )
    sets = tuple(
        _displayed(name, found, compared, gen_jets, event, paths, detector, config)
        for name, found in compared.candidates.items()
    )
    title = f"{event.process[0]}, event {number}"
    return Scene(event, number, detector, title, gen_jets, sets, paths, _kinds(event), remark)


def _displayed(
    name: str, found: Collection, compared: Compared, gen_jets: Collection, event: Events,
    paths: Array, detector: Detector, config: EvaluationConfig,
) -> DisplayedSet:  # fmt: skip
    elements = compared.elements.get(name, FINAL)
    targets, num_tracks = compared.targets[elements], event.tracks.counts
    try:
        marks = compare(targets, num_tracks, found)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    row = np.arange(len(targets))
    momentum = momentum_from_pt_eta_phi(found.pt, found.eta, found.phi)
    jets = find_jets(name, found.offsets, momentum, found.energy, config)
    nearest = match_nearest(gen_jets, jets, config.max_delta_r)
    return DisplayedSet(
        name,
        elements,
        found,
        targets,
        marks,
        particle_places(found.eta, found.phi, found.track_index, paths, detector),
        particle_places(
            targets.eta, np.arctan2(targets.sin_phi, targets.cos_phi),
            np.where(row < num_tracks[0], row, -1), paths, detector,
        ),
        np.where(nearest >= 0, np.append(jets.pt, np.nan)[nearest], np.nan),
        is_judged=name not in CEILINGS,
        shares=compared.shares.get(name),
    )  # fmt: skip


def _kinds(event: Events) -> Array:
    """Kind of the particle with the largest contribution to each hit, [hit]."""
    deposits, particles = event.contributions, event.particles
    neutral = np.where(particles.pdg_id == PHOTON, PHOTON_KIND, NEUTRAL_KIND)
    kind = np.where(particles.charge != 0, CHARGED_KIND, neutral)
    order = np.argsort(deposits.energy_em, kind="stable")  # the largest is written last
    of_hit = np.full(len(event.hits), NO_KIND)
    of_hit[deposits.hit_index[order]] = kind[deposits.particle_index[order]]
    return of_hit
