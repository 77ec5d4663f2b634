"""What became of the particles: numbers and energies, to be added up over batches."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from partflow.core.particles import is_neutrino
from partflow.core.records import Array, Collection
from partflow.label.assignment import Assignment
from partflow.label.portions import Portions


@dataclass(frozen=True)
class Tally:
    """How many, and how much."""

    number: int = 0
    """Objects."""
    energy: float = 0.0
    """Sum of their energies [GeV]."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.number + other.number, self.energy + other.energy)


@dataclass(frozen=True)
class LabelReport:
    """Fate of the generator particles (neutrinos left out) and of the elements.

    A particle that tracks of its secondaries divide counts as its legs and its rest.

    >>> both = LabelReport(num_events=1, merged=Tally(2, 3.0)) + LabelReport(num_events=1)
    >>> both.to_dict()["merged"]
    {'number': 2, 'energy': 3.0}
    """

    num_events: int = 0
    """Events."""
    on_tracks: Tally = field(default_factory=Tally)
    """Particles placed on their track, and found legs of others on theirs."""
    on_tracks_of_secondaries: Tally = field(default_factory=Tally)
    """The legs among them: what is placed on the track of a secondary."""
    on_clusters: Tally = field(default_factory=Tally)
    """Particles, and what is left of those with legs, placed on a cluster."""
    merged: Tally = field(default_factory=Tally)
    """Particles added to another for want of an element."""
    not_visible: Tally = field(default_factory=Tally)
    """Particles without track and with at most 5 % of their energy in clusters."""
    visible_without_cluster: Tally = field(default_factory=Tally)
    """Visible particles that could be neither placed nor merged: lost to the targets."""
    tracks_without_target: Tally = field(default_factory=Tally)
    """Tracks that become nothing (secondaries behind a found track), with their momenta."""
    clusters_without_target: Tally = field(default_factory=Tally)
    """Clusters that become nothing (charged showers, fragments), with their EM-scale energy."""

    def __add__(self, other: LabelReport) -> LabelReport:
        return LabelReport(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(LabelReport))
        )

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers, for JSON."""
        return {
            f.name: dict(vars(value)) if isinstance(value, Tally) else value
            for f in fields(self)
            for value in (getattr(self, f.name),)
        }


def report_of(
    portions: Portions, tracks: Collection, clusters: Collection, assignment: Assignment
) -> LabelReport:
    """The report of one batch."""
    particles = portions.particles
    is_missed = ~assignment.is_visible & ~is_neutrino(particles.pdg_id)
    on_track = assignment.track >= 0

    def tally(is_counted: Array, energy: Array = particles.energy) -> Tally:
        return Tally(int(np.sum(is_counted)), float(np.sum(energy[is_counted])))

    momentum = tracks.pt * np.sqrt(1 + tracks.tan_lambda**2)
    return LabelReport(
        num_events=particles.num_events,
        on_tracks=tally(on_track),
        on_tracks_of_secondaries=tally(on_track & portions.is_leg),
        on_clusters=tally(assignment.cluster >= 0),
        merged=tally(assignment.merged_into >= 0),
        not_visible=tally(is_missed),
        visible_without_cluster=tally(assignment.is_lost),
        tracks_without_target=tally(_is_free(assignment.track, len(tracks)), momentum),
        clusters_without_target=tally(
            _is_free(assignment.cluster, len(clusters)), clusters.energy_em
        ),
    )


def _is_free(element_of_particle: Array, num_elements: int) -> Array:
    """Whether each element was left without a particle, [element]."""
    is_free = np.ones(num_elements, dtype=bool)
    is_free[element_of_particle[element_of_particle >= 0]] = False
    return is_free
