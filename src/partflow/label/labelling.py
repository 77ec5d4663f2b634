"""Label a batch of events: targets, jets, missing momentum, and what became of the particles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.errors import DataError
from partflow.core.jets import cluster_jets
from partflow.core.particles import is_neutrino
from partflow.core.records import Array, Collection
from partflow.core.schemas import GEN_MET, JETS
from partflow.label.assignment import assign
from partflow.label.config import LabelConfig
from partflow.label.links import link_clusters
from partflow.label.merging import FourMomenta, check_closure, merged_momenta
from partflow.label.portions import Truth, portions_of
from partflow.label.report import LabelReport, report_of
from partflow.label.shares import energy_shares
from partflow.label.targets import build_targets


class Labelled(NamedTuple):
    """The truth of some events, as a training and an evaluation need it."""

    targets: Collection
    """TARGETS, parallel to `core.features.build_elements(tracks, clusters)`."""
    gen_jets: Collection
    """JETS of the visible generator particles, without those of overlaid events."""
    target_jets: Collection
    """JETS of the targets, those of overlaid events among them."""
    gen_met: Collection
    """GEN_MET, one row per event, without overlaid events."""
    shares: Collection
    """SHARES of the energies of the clusters."""
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
    hits: Collection | None = None,
    config: LabelConfig | None = None,
    with_jets: bool = True,
) -> Labelled:
    """One target per element at most, with the visible energy in every event.

    `event_id` [event] names the events in errors; without it they are counted from 0. `hits` are
    needed only where their energies are not the sums of their contributions (a full simulation,
    noise). Without jets, which take a sixth of the time, `gen_jets` and `target_jets` are empty
    and no target is in any. Raises DataError where a link points out of its event, or where the
    energy does not close.
    """
    event_id = np.arange(particles.num_events) if event_id is None else event_id
    _check_parallel(tracks, track_particles)
    truth = Truth(particles, tracks, track_particles, hit_clusters, contributions)
    centroids = np.stack([clusters.x, clusters.y, clusters.z], axis=1)
    portions = portions_of(truth, clusters.counts, centroids, config or LabelConfig())
    placed, lit = portions.particles, portions.contributions
    links = link_clusters(placed, clusters.counts, hit_clusters, lit)
    assignment = assign(placed, portions.own_track, links, len(tracks), len(clusters))
    momenta = merged_momenta(placed, assignment)
    targets, row = build_targets(portions, tracks, clusters, assignment, links, momenta)
    check_closure(placed, assignment, targets, event_id)

    is_seen = ~is_neutrino(particles.pdg_id) & (particles.is_overlay == 0)
    gen_jets = target_jets = Collection.empty(JETS, particles.num_events)
    if with_jets:
        gen_jets = _gen_jets(particles, is_seen)
        targets, target_jets = _with_jets(targets, row, momenta)
    return Labelled(
        targets,
        gen_jets,
        target_jets,
        _gen_met(particles, is_seen),
        energy_shares(tracks, clusters, hit_clusters, hits, lit, placed.counts, assignment),
        report_of(portions, tracks, clusters, assignment),
    )


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
