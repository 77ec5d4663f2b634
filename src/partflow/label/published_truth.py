"""The links that the published definition credits to a particle: its own and its daughters'."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.particles import is_neutrino
from partflow.core.records import Array, Collection, Events, offsets_from_counts


class Claims(NamedTuple):
    """Whose links count for whom: pairs of a stable particle and a Monte Carlo particle."""

    offsets: Array
    """[event + 1]"""
    particle_index: Array
    """Stable particle, in its event, [claim]."""
    mc_index: Array
    """Monte Carlo particle (itself, or a daughter), in its event, [claim]."""


class PublishedTruth(NamedTuple):
    """Everything the published definition knows of who made what."""

    claims: Claims
    hit_source: Array
    """Monte Carlo particle of each contribution, in its event, [contribution]."""
    track_offsets: Array
    """[event + 1]"""
    track_index: Array
    """Track of each link, in its event, [track link]."""
    track_source: Array
    """Monte Carlo particle of each link, in its event, [track link]."""
    track_weight: Array
    """[track link]"""
    simulator_status: Array
    """[particle]"""


def published_truth(events: Events) -> PublishedTruth:
    """From the truth of a full simulation, if the events hold it, or else from our own.

    In our own simulation every deposit is credited to its stable ancestor at once. A track counts
    with weight 1, for the particle that made it or that its maker descends from.
    """
    particles = events.particles
    own_index = particles.index_in_event
    if "particle_sources" not in events.collections:
        return _from_simulation(events, own_index)
    sources, daughters = events.particle_sources, events.particle_daughters
    parent = particles.offsets[:-1][daughters.event_index] + daughters.particle_index
    # The links of a neutrino's daughters are not the neutrino's.
    counted = daughters.select(~is_neutrino(particles.pdg_id)[parent])
    links = events.track_links
    return PublishedTruth(
        _joined(particles, own_index, sources.mc_index, counted),
        events.contribution_sources.mc_index.astype(np.int64),
        links.offsets,
        links.track_index.astype(np.int64),
        links.mc_index.astype(np.int64),
        links.weight.astype(np.float64),
        sources.simulator_status,
    )


def _from_simulation(events: Events, own_index: Array) -> PublishedTruth:
    made = events.track_particles
    is_known = made.particle_index >= 0
    in_event = made.index_in_event
    known = made.select(is_known)
    return PublishedTruth(
        Claims(events.particles.offsets, own_index, own_index),
        events.contributions.particle_index.astype(np.int64),
        known.offsets,
        in_event[is_known],
        known.particle_index.astype(np.int64),
        np.ones(len(known)),
        np.zeros(len(events.particles), dtype=np.int32),
    )


def _joined(
    particles: Collection, own_index: Array, own_mc: Array, daughters: Collection
) -> Claims:
    """Each particle's claim on itself and on its daughters, event by event."""
    event = np.concatenate([particles.event_index, daughters.event_index])
    order = np.argsort(event, kind="stable")
    return Claims(
        offsets_from_counts(particles.counts + daughters.counts),
        np.concatenate([own_index, daughters.particle_index])[order].astype(np.int64),
        np.concatenate([own_mc, daughters.mc_index])[order].astype(np.int64),
    )
