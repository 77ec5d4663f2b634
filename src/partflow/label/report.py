"""Report on labels: what became of the particles, in numbers and energies."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from partflow.core.particles import is_neutrino
from partflow.core.records import Array, Collection
from partflow.label.assignment import Assignment
from partflow.label.portions import Portions


@dataclass(frozen=True)
class Amount:
    """Number and total energy of some objects."""

    number: int = 0
    """Objects."""
    energy: float = 0.0
    """Sum of their energies [GeV]."""

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.number + other.number, self.energy + other.energy)


@dataclass(frozen=True)
class LabelReport:
    """What became of the generator particles, without neutrinos, and of the elements.

    Reports add up. A particle divided among secondary tracks counts once for each of them and
    once for its remainder.

    >>> both = LabelReport(num_events=1, merged=Amount(2, 3.0)) + LabelReport(num_events=1)
    >>> both.to_dict()["merged"]
    {'number': 2, 'energy': 3.0}
    """

    num_events: int = 0
    """Events."""
    on_tracks: Amount = field(default_factory=Amount)
    """Particles placed on their track, and portions of others on secondary tracks."""
    on_tracks_of_secondaries: Amount = field(default_factory=Amount)
    """Those of them that are on secondary tracks."""
    on_clusters: Amount = field(default_factory=Amount)
    """Particles placed on a cluster, and remainders of divided ones."""
    merged: Amount = field(default_factory=Amount)
    """Particles added to another because no element was left."""
    not_visible: Amount = field(default_factory=Amount)
    """Particles without track and with at most 5 % of their energy in clusters."""
    visible_without_cluster: Amount = field(default_factory=Amount)
    """Visible particles that could be neither placed nor merged: in no target."""
    tracks_without_target: Amount = field(default_factory=Amount)
    """Tracks without a target (secondaries of a particle with a track), with their momenta."""
    clusters_without_target: Amount = field(default_factory=Amount)
    """Clusters without a target (charged showers, fragments), with their EM-scale energy."""

    def __add__(self, other: LabelReport) -> LabelReport:
        return LabelReport(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(LabelReport))
        )

    def to_dict(self) -> dict[str, Any]:
        """As plain numbers, for JSON."""
        return {
            f.name: dict(vars(value)) if isinstance(value, Amount) else value
            for f in fields(self)
            for value in (getattr(self, f.name),)
        }


def make_report(
    portions: Portions, tracks: Collection, clusters: Collection, assignment: Assignment
) -> LabelReport:
    """Report on the labels of a chunk of events."""
    particles = portions.particles
    is_missed = ~assignment.is_visible & ~is_neutrino(particles.pdg_id)
    on_track = assignment.track >= 0

    def amount(is_counted: Array, energy: Array = particles.energy) -> Amount:
        return Amount(int(np.sum(is_counted)), float(np.sum(energy[is_counted])))

    momentum = tracks.pt * np.sqrt(1 + tracks.tan_lambda**2)
    return LabelReport(
        num_events=particles.num_events,
        on_tracks=amount(on_track),
        on_tracks_of_secondaries=amount(on_track & portions.is_secondary),
        on_clusters=amount(assignment.cluster >= 0),
        merged=amount(assignment.merged_into >= 0),
        not_visible=amount(is_missed),
        visible_without_cluster=amount(assignment.is_lost),
        tracks_without_target=amount(_is_free(assignment.track, len(tracks)), momentum),
        clusters_without_target=amount(
            _is_free(assignment.cluster, len(clusters)), clusters.energy_em
        ),
    )


def _is_free(element_of_particle: Array, num_elements: int) -> Array:
    """Whether each element was left without a particle, [element]."""
    is_free = np.ones(num_elements, dtype=bool)
    is_free[element_of_particle[element_of_particle >= 0]] = False
    return is_free
