"""Label a batch of events: targets, jets, missing momentum, and what became of the particles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.errors import DataError
from partflow.core.jets import cluster_jets
from partflow.core.particles import is_neutrino
from partflow.core.records import GEN_MET, Array, Collection
from partflow.label.assignment import assign
from partflow.label.links import link_clusters, own_track
from partflow.label.merging import FourMomenta, check_closure, merged_momenta
from partflow.label.report import LabelReport, report_of
from partflow.label.targets import build_targets


class Labelled(NamedTuple):
    """The truth of some events, as a training and an evaluation need it."""

    targets: Collection
    """TARGETS, parallel to `core.features.build_elements(tracks, clusters)`."""
    gen_jets: Collection
    """JETS of the visible generator particles."""
    target_jets: Collection
    """JETS of the targets."""
    gen_met: Collection
    """GEN_MET, one row per event."""
    report: LabelReport
    """What became of the particles."""


def label(
    particles: Collection,
    tracks: Collection,
    clusters: Collection,
    hit_clusters: Collection,
    contributions: Collection,
    track_particles: Collection,
    event_id: Array | None = None,
) -> Labelled:
    """One target per element at most, with the visible energy in every event.

    `event_id` [event] names the events in errors; without it they are counted from 0. Raises
    DataError where a link points out of its event, or where the energy does not close.
    """
    event_id = np.arange(particles.num_events) if event_id is None else event_id
    _check_parallel(tracks, track_particles)
    links = link_clusters(particles, clusters.counts, hit_clusters, contributions)
    track = own_track(particles, track_particles)
    assignment = assign(particles, track, links, len(tracks), len(clusters))
    momenta = merged_momenta(particles, assignment)
    targets, particle = build_targets(particles, tracks, clusters, assignment, links, momenta)
    check_closure(particles, assignment, targets, event_id)

    neutrino = is_neutrino(particles.pdg_id)
    gen_jets = _gen_jets(particles, ~neutrino)
    targets, target_jets = _with_jets(targets, particle, momenta)
    report = report_of(particles, neutrino, tracks, clusters, assignment)
    return Labelled(targets, gen_jets, target_jets, _gen_met(particles, ~neutrino), report)


def _check_parallel(tracks: Collection, track_particles: Collection) -> None:
    if not np.array_equal(tracks.offsets, track_particles.offsets):
        raise DataError(
            f"track_particles: {len(track_particles)} rows beside {len(tracks)} tracks; "
            "both must come from the same simulation"
        )


def _gen_jets(particles: Collection, is_counted: Array) -> Collection:
    """Jets of the counted particles."""
    p = particles.select(is_counted)
    return cluster_jets(p.offsets, p.px, p.py, p.pz, p.energy)[0]


def _with_jets(
    targets: Collection, particle: Array, momenta: FourMomenta
) -> tuple[Collection, Collection]:
    """The targets with their `jet_index`, and their jets."""
    has_particle = particle >= 0
    offsets = targets.select(has_particle).offsets
    jets, jet_of_target = cluster_jets(offsets, *momenta.take(particle[has_particle]))
    jet_index = np.full(len(targets), -1, dtype=np.int64)
    jet_index[has_particle] = jet_of_target
    columns = {**targets.columns, "jet_index": jet_index}
    return Collection(targets.schema, targets.offsets, columns), jets


def _gen_met(particles: Collection, is_counted: Array) -> Collection:
    """Sum of the transverse momenta of the counted particles, one row per event."""
    event, num_events = particles.event_index[is_counted], particles.num_events
    sums = {
        name: np.bincount(event, particles.columns[name][is_counted], num_events)
        for name in GEN_MET.names
    }
    return Collection(GEN_MET, np.arange(num_events + 1), sums)
