"""Label a chunk of events in the published definition."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.jets import cluster_jets
from partflow.core.particles import classes, is_neutrino
from partflow.core.records import Array, Collection, Events
from partflow.core.schemas import GEN_MET, TARGETS
from partflow.core.truth import STABLE_STATUS
from partflow.label.baseline import baseline_on_elements
from partflow.label.merging import FourMomenta
from partflow.label.published.assignment import PublishedAssignment, assign_published
from partflow.label.published.elements import ElementRows, element_rows, published_elements
from partflow.label.published.links import published_links
from partflow.label.published.report import PublishedReport
from partflow.label.targets import class_on_cluster, class_on_track

DEFINITION = "mlpf-2.5"
"""Its name among the target definitions."""


class PublishedLabels(NamedTuple):
    """Labelled events in the published definition."""

    events: Events
    """Stage `labelled` with `baseline_targets`, without the events that are dropped."""
    report: PublishedReport


def label_published(events: Events) -> PublishedLabels:
    """Label events (stage `events`, with or without the truth of a full simulation).

    Events where nothing is visible, and those that the definition cannot label, are left out and
    counted. Raises DataError where a link points out of its event.
    """
    links = published_links(events)
    assignment = assign_published(events, links)
    report = _report(events, assignment)
    kept = np.flatnonzero(assignment.is_kept)
    rows = element_rows(events.tracks, events.clusters)
    momenta = _merged_momenta(events.particles, assignment)
    targets = _targets(events, links.simulator_status, assignment, momenta, rows)
    targets, target_jets = _with_jets(targets.take(kept))
    collections = {
        "elements": published_elements(events).take(kept),
        "targets": targets,
        "target_jets": target_jets,
        "gen_jets": _gen_jets(events.particles).take(kept),
        "gen_met": _gen_met(events.particles).take(kept),
        "baseline_targets": baseline_on_elements(
            events.baseline, events.tracks, events.clusters
        ).take(kept),
    }
    if "event_weight" in events.collections:
        collections["event_weight"] = events.event_weight.take(kept)
    return PublishedLabels(Events(events.event_id[kept], events.process[kept], collections), report)


def _merged_momenta(particles: Collection, assignment: PublishedAssignment) -> FourMomenta:
    """Four-momentum of each particle, plus that of the last one merged into it, [particle]."""
    last = assignment.last_merged
    has_merged = last >= 0
    merged = []
    for name in FourMomenta._fields:
        values = particles.columns[name].copy()
        values[has_merged] += particles.columns[name][last[has_merged]]
        merged.append(values)
    return FourMomenta(*merged)


def _targets(
    events: Events,
    simulator_status: Array,
    assignment: PublishedAssignment,
    momenta: FourMomenta,
    rows: ElementRows,
) -> Collection:
    """The particle of each element, without jets."""
    particles = events.particles
    particle = np.full(rows.num_elements, -1, dtype=np.int64)
    on_track, on_cluster = assignment.track >= 0, assignment.cluster >= 0
    particle[rows.of_track[assignment.track[on_track]]] = np.flatnonzero(on_track)
    particle[rows.of_cluster[assignment.cluster[on_cluster]]] = np.flatnonzero(on_cluster)
    has_particle = particle >= 0
    row = particle[has_particle]

    true_class = classes(particles.pdg_id, particles.charge)
    pdg_class = np.where(on_track, class_on_track(true_class), class_on_cluster(true_class))
    px, py, pz, energy = momenta.take(row)
    pt, phi = np.hypot(px, py), np.arctan2(py, px)
    columns = {f.name: np.zeros(rows.num_elements, dtype=f.dtype) for f in TARGETS.fields}
    columns["jet_index"][:] = -1
    columns["particle_index"][:] = -1
    for name, values in {
        "pdg_id": pdg_class[row],
        "charge": np.where(on_track, particles.charge, 0)[row],
        "pt": pt,
        "eta": np.arcsinh(np.divide(pz, pt, out=np.zeros_like(pt), where=pt > 0)),
        "sin_phi": np.sin(phi),
        "cos_phi": np.cos(phi),
        "energy": energy,
        "is_pu": particles.is_overlay[row],
        "generator_status": STABLE_STATUS,
        "simulator_status": simulator_status[row],
        "gp_to_track": assignment.track_weight[row],
        "gp_to_cluster": assignment.cluster_energy[row],
        "particle_index": particles.index_in_event[row],
    }.items():
        columns[name][has_particle] = values
    return Collection(TARGETS, rows.offsets, columns)


def _with_jets(targets: Collection) -> tuple[Collection, Collection]:
    """The targets with the jet of each, and the jets clustered from them."""
    is_target = targets.pdg_id != 0
    chosen = targets.select(is_target)
    px, py = chosen.pt * chosen.cos_phi, chosen.pt * chosen.sin_phi
    pz = chosen.pt * np.sinh(chosen.eta)
    jets, jet_of_target = cluster_jets(chosen.offsets, px, py, pz, chosen.energy, by_pt=False)
    jet_index = np.full(len(targets), -1, dtype=np.int64)
    jet_index[_shifted(targets, is_target)] = jet_of_target
    return Collection(TARGETS, targets.offsets, {**targets.columns, "jet_index": jet_index}), jets


def _shifted(targets: Collection, is_target: Array) -> Array:
    """Element to which the jet of each target is written, [target].

    Its own, unless the first element of the event has no target: then that of the target before
    it, and for the first target the event's first element.
    """
    element = np.flatnonzero(is_target)
    event = targets.event_index[element]
    first_element = targets.offsets[:-1][event]
    is_shifted = ~is_target[first_element]
    is_first = np.concatenate([[True], event[1:] != event[:-1]])[: len(event)]
    before = np.where(is_first, first_element, np.concatenate([[0], element[:-1]])[: len(element)])
    return np.where(is_shifted, before, element)


def _gen_jets(particles: Collection) -> Collection:
    """Jets of the visible generator particles, without those from overlay."""
    p = particles.select(~is_neutrino(particles.pdg_id) & (particles.is_overlay == 0))
    return cluster_jets(p.offsets, p.px, p.py, p.pz, p.energy, by_pt=False)[0]


def _gen_met(particles: Collection) -> Collection:
    """Sum of the transverse momenta of the same particles, one row per event."""
    p = particles.select(~is_neutrino(particles.pdg_id) & (particles.is_overlay == 0))
    sums = {n: np.bincount(p.event_index, p.columns[n], p.num_events) for n in GEN_MET.names}
    return Collection(GEN_MET, np.arange(p.num_events + 1), sums)


def _report(events: Events, assignment: PublishedAssignment) -> PublishedReport:
    """Numbers of events, and of the particles in kept ones."""
    bad = assignment.is_bad
    in_kept = assignment.is_kept[events.particles.event_index]
    return PublishedReport(
        num_events=len(events),
        num_without_visible=int(np.sum(assignment.is_dropped)),
        bad_event_ids=tuple(events.event_id[bad].tolist()),
        num_on_tracks=int(np.sum((assignment.track >= 0) & in_kept)),
        num_on_clusters=int(np.sum((assignment.cluster >= 0) & in_kept)),
        num_merged=int(np.sum((assignment.merged_into >= 0) & in_kept)),
        num_forgotten=int(np.sum(assignment.is_forgotten & in_kept)),
    )
