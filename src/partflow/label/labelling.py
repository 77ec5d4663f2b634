"""Labels of a chunk of events: targets, shares, jets, missing momentum, and a report."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.deposits import Deposits
from partflow.core.errors import DataError
from partflow.core.jets import cluster_jets
from partflow.core.particles import is_neutrino
from partflow.core.records import Array, Collection
from partflow.core.schemas import GEN_MET, JETS
from partflow.label.assignment import assign
from partflow.label.config import LabelConfig
from partflow.label.links import link_clusters
from partflow.label.merging import FourMomenta, check_closure, merged_momenta
from partflow.label.portions import make_portions
from partflow.label.report import LabelReport, make_report
from partflow.label.shares import energy_shares
from partflow.label.targets import build_targets


class Labelled(NamedTuple):
    """Labels of some events, for a training and an evaluation."""

    targets: Collection
    """TARGETS, parallel to `core.features.build_elements(tracks, clusters)`."""
    gen_jets: Collection
    """JETS of the visible generator particles, without those from overlay."""
    target_jets: Collection
    """JETS of the targets, including those from overlay."""
    gen_met: Collection
    """GEN_MET, one row per event, without particles from overlay."""
    shares: Collection
    """SHARES of the energies of the clusters."""
    report: LabelReport
    """What became of the particles."""


def label(
    particles: Collection,
    tracks: Collection,
    track_particles: Collection,
    clusters: Collection,
    deposits: Deposits,
    event_id: Array | None = None,
    hits: Collection | None = None,
    config: LabelConfig | None = None,
    with_jets: bool = True,
) -> Labelled:
    """Give each element the particle it should become; the visible energy of every event closes.

    Args:
        particles: PARTICLES.
        tracks: TRACKS.
        track_particles: TRACK_PARTICLES, parallel to `tracks`.
        clusters: CLUSTERS.
        deposits: Deposits of the particles in these clusters.
        event_id: Ids [event] that errors name; by default events are counted from 0.
        hits: HITS, needed only where their energies are not the sums of their contributions (a
            full simulation, noise).
        config: The target definition.
        with_jets: Without jets, which take a sixth of the time, `gen_jets` and `target_jets` are
            empty and no target is in any.

    Raises:
        DataError: A link points out of its event, or the energy does not close.
    """
    event_id = np.arange(particles.num_events) if event_id is None else event_id
    _check_parallel(tracks, track_particles)
    centroids = np.stack([clusters.x, clusters.y, clusters.z], axis=1)
    portions = make_portions(
        particles, tracks, track_particles, deposits, centroids, config or LabelConfig()
    )
    placed, deposits = portions.particles, portions.deposits
    links = link_clusters(deposits)
    assignment = assign(placed, portions.track, links, len(tracks), len(clusters))
    momenta = merged_momenta(placed, assignment)
    targets, row = build_targets(portions, tracks, clusters, assignment, links, momenta)
    check_closure(placed, assignment, targets, event_id)

    is_visible = ~is_neutrino(particles.pdg_id) & (particles.is_overlay == 0)
    gen_jets = target_jets = Collection.empty(JETS, particles.num_events)
    if with_jets:
        gen_jets = _gen_jets(particles, is_visible)
        targets, target_jets = _with_jets(targets, row, momenta)
    return Labelled(
        targets,
        gen_jets,
        target_jets,
        _gen_met(particles, is_visible),
        energy_shares(tracks, clusters, deposits, assignment, hits),
        make_report(portions, tracks, clusters, assignment),
    )


def _check_parallel(tracks: Collection, track_particles: Collection) -> None:
    """Raise DataError unless there is one row of truth for each track."""
    if not np.array_equal(tracks.offsets, track_particles.offsets):
        raise DataError(
            f"track_particles: {len(track_particles)} rows for {len(tracks)} tracks; "
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
