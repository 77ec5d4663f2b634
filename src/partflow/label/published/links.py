"""Links that the published definition credits to a particle: its own and its daughters'."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.deposits import rows_in_event
from partflow.core.particles import is_neutrino
from partflow.core.records import Array, Collection, Events, offsets_from_counts


class LinkSources(NamedTuple):
    """Monte Carlo particles whose links count for a stable particle: itself and its daughters.

    All indices are those in the event.
    """

    offsets: Array
    """[event + 1]"""
    particle_index: Array
    """Stable particle, [source]."""
    mc_index: Array
    """Monte Carlo particle, [source]."""


class ElementLinks(NamedTuple):
    """Links between Monte Carlo particles and tracks, or clusters, event by event.

    All indices are those in the event. Indices are 32-bit integers and weights single precision,
    so that the kernel is compiled once.
    """

    offsets: Array
    """[event + 1]"""
    mc_index: Array
    """Monte Carlo particle, [link]."""
    element_index: Array
    """Track, or cluster, or -1, [link]."""
    weight: Array
    """Part of the track's hits, or EM-scale energy in the cluster's hit [GeV], [link]."""


class PublishedLinks(NamedTuple):
    """The truth that the published definition uses."""

    sources: LinkSources
    tracks: ElementLinks
    clusters: ElementLinks
    """One for each contribution."""
    simulator_status: Array
    """[particle]"""


def published_links(events: Events) -> PublishedLinks:
    """Links from the truth of a full simulation, if the events hold it, or else from our own.

    In our own simulation every deposit is credited to its stable ancestor at once. A track counts
    with weight 1 for the particle that made it, or from which its maker descends. Raises DataError
    where a link points out of its event.
    """
    if "particle_sources" in events.collections:
        sources, mc_of_contributions = _sources(events), events.contribution_sources.mc_index
        tracks, simulator_status = _track_links(events), events.particle_sources.simulator_status
    else:
        index = events.particles.index_in_event
        sources = LinkSources(events.particles.offsets, index, index)
        mc_of_contributions = events.contributions.particle_index
        tracks, simulator_status = _own_track_links(events), np.zeros(len(index), dtype=np.int32)
    return PublishedLinks(
        sources, tracks, _cluster_links(events, mc_of_contributions), simulator_status
    )


def _sources(events: Events) -> LinkSources:
    """Each particle itself and its daughters, event by event; a neutrino without daughters."""
    particles, daughters = events.particles, events.particle_daughters
    parent = particles.flat_index(daughters.event_index, daughters.particle_index)
    daughters = daughters.select(~is_neutrino(particles.pdg_id)[parent])
    event = np.concatenate([particles.event_index, daughters.event_index])
    order = np.argsort(event, kind="stable")
    particle_index = np.concatenate([particles.index_in_event, daughters.particle_index])
    mc_index = np.concatenate([events.particle_sources.mc_index, daughters.mc_index])
    return LinkSources(
        offsets_from_counts(particles.counts + daughters.counts),
        particle_index[order].astype(np.int64),
        mc_index[order].astype(np.int64),
    )


def _track_links(events: Events) -> ElementLinks:
    """The links of a full simulation."""
    links: Collection = events.track_links
    rows_in_event(events.tracks.counts, links.event_index, links.track_index, "track")
    return ElementLinks(links.offsets, links.mc_index, links.track_index, links.weight)


def _own_track_links(events: Events) -> ElementLinks:
    """One link for each track of our simulation whose particle is known."""
    track_index = events.track_particles.index_in_event
    is_known = events.track_particles.particle_index >= 0
    known = events.track_particles.select(is_known)
    return ElementLinks(
        known.offsets,
        known.particle_index,
        track_index[is_known].astype(np.int32),
        np.ones(len(known), dtype=np.float32),
    )


def _cluster_links(events: Events, mc_index: Array) -> ElementLinks:
    """One link for each contribution, of the Monte Carlo particle `mc_index` [contribution]."""
    contributions, hit_clusters = events.contributions, events.hit_clusters
    hit = rows_in_event(
        hit_clusters.counts, contributions.event_index, contributions.hit_index, "hit"
    )
    cluster = hit_clusters.cluster_index
    rows_in_event(events.clusters.counts, hit_clusters.event_index, cluster, "cluster", lowest=-1)
    return ElementLinks(contributions.offsets, mc_index, cluster[hit], contributions.energy_em)
