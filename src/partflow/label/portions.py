"""What is placed on elements: whole particles, or the found legs of a particle and its rest.

A photon that converts and a hadron that breaks up in the tracker leave tracks of secondaries,
its legs. Where the particle's own track was not found they are the best there is to know of
it: the calorimeters measure ten times worse, and behind the field they do not see where a leg
came from. Each leg carries the part of the particle's four-momentum that its track measured,
and what all of them lack is the particle's rest: like a neutral particle it goes to a cluster.
Where they lack less than could be seen they share the whole particle among them. A leg's target
points where its particle went, not where its own track points: a helix that began half way out
has turned when it is followed back to the beam.

The truth says which particle lit a hit, but not through which of its secondaries. So a
cluster's part of a particle is given to the leg at whose line the cluster lies, and else to
the rest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.face import BACKWARD_REACH
from partflow.core.particles import CHARGED_HADRON, ELECTRON, PHOTON, PION_MASS, classes
from partflow.core.records import Array, Collection, offsets_from_counts
from partflow.label.assignment import MIN_CLUSTERED_FRACTION
from partflow.label.config import LabelConfig
from partflow.label.links import own_track, rows_in_event

LEG_DISTANCE = 100.0
"""A cluster is a leg's if its centroid is nearer than this to the leg's line [mm]. Anything from
80 to 120 mm gives the narrowest jets."""


class Truth(NamedTuple):
    """Who made what, in one batch of events."""

    particles: Collection
    tracks: Collection
    track_particles: Collection
    hit_clusters: Collection
    contributions: Collection


class Portions(NamedTuple):
    """Particles as they are placed. The first ones of each event stand for its particles, in
    their order: whole, or as rest, or as leading leg; the further legs come behind them.
    """

    particles: Collection
    """PARTICLES."""
    parent: Array
    """Index in its event of the generator particle, [portion]."""
    own_track: Array
    """Row of the track that the portion made, or -1, [portion]."""
    is_leg: Array
    """Whether it is a leg, [portion]."""
    contributions: Collection
    """CONTRIBUTIONS of the portions."""


class _Legs(NamedTuple):
    """Tracks of secondaries of particles without a track of their own, one for each secondary:
    sorted by particle, and by decreasing pt. All are [leg].
    """

    track: Array
    """Row of the track."""
    parent: Array
    """Row of the particle."""
    is_leading: Array
    """Whether it is the particle's first."""


def portions_of(
    truth: Truth, cluster_counts: Array, centroids: Array, config: LabelConfig
) -> Portions:
    """Portions of the particles of all events.

    `cluster_counts` [event] are the clusters of each event, `centroids` [cluster, 3] their
    positions [mm]. Raises DataError where a link points out of its event.
    """
    particles, contributions = truth.particles, truth.contributions
    own = own_track(particles, truth.track_particles)
    legs = _find_legs(truth, own)
    if config.secondary_tracks == "each" and len(legs.track):
        return _divided(truth, own, legs, cluster_counts, centroids)
    is_leg = np.zeros(len(particles), dtype=bool)
    if config.secondary_tracks == "leading":
        own[legs.parent[legs.is_leading]] = legs.track[legs.is_leading]
        is_leg[legs.parent] = True
    return Portions(particles, particles.index_in_event, own, is_leg, contributions)


def _find_legs(truth: Truth, own: Array) -> _Legs:
    made = truth.track_particles
    parent = rows_in_event(
        truth.particles.counts, made.event_index, made.particle_index, "particle", lowest=-1
    )
    is_leg = (parent >= 0) & (made.is_primary == 0) & (made.is_duplicate == 0)
    is_leg[is_leg] = own[parent[is_leg]] < 0
    track = np.flatnonzero(is_leg)
    track = track[np.lexsort((-truth.tracks.pt[track], parent[track]))]
    parent = parent[track]
    return _Legs(track, parent, np.diff(parent, prepend=-1) != 0)


def _divided(
    truth: Truth, own: Array, legs: _Legs, cluster_counts: Array, centroids: Array
) -> Portions:
    """Every particle with legs as its legs and its rest."""
    particles, tracks = truth.particles, truth.tracks
    fraction, has_rest = _fractions(truth, legs)
    is_further = ~legs.is_leading | has_rest[legs.parent]
    event = particles.event_index[legs.parent]
    num_further = np.bincount(event[is_further], minlength=particles.num_events)
    offsets = particles.offsets + offsets_from_counts(num_further)
    of_particle = np.arange(len(particles)) + (offsets - particles.offsets)[particles.event_index]
    of_leg = of_particle[legs.parent]
    of_leg[is_further] = particles.offsets[1:][event[is_further]] + np.arange(num_further.sum())

    parent = np.empty(offsets[-1], dtype=np.int64)
    parent[of_particle] = np.arange(len(particles))
    parent[of_leg] = legs.parent
    columns = {name: values[parent] for name, values in particles.columns.items()}
    columns["charge"][of_leg] = tracks.charge[legs.track]
    columns["pdg_id"][of_leg] = _pdg_id_of_legs(truth, legs)
    part = np.ones(offsets[-1])
    part[of_particle] -= np.bincount(legs.parent, fraction, len(particles))
    part[of_leg] = fraction
    for name in ("px", "py", "pz", "energy", "mass"):
        columns[name] = columns[name] * part
    track = np.full(offsets[-1], -1, dtype=np.int64)
    track[of_particle] = own
    track[of_leg] = legs.track
    is_leg = np.zeros(offsets[-1], dtype=bool)
    is_leg[of_leg] = True
    divided = Collection(particles.schema, offsets, columns)
    lit = _contributions(truth, legs, of_particle, of_leg, cluster_counts, centroids, divided)
    return Portions(divided, particles.index_in_event[parent], track, is_leg, lit)


def _fractions(truth: Truth, legs: _Legs) -> tuple[Array, Array]:
    """The part of its particle that each leg carries [leg], and which particles have a rest."""
    particles, tracks = truth.particles, truth.tracks
    momentum = tracks.pt[legs.track] * np.sqrt(1 + tracks.tan_lambda[legs.track] ** 2)
    is_electron = np.abs(_pdg_id_of_legs(truth, legs)) == ELECTRON
    measured = np.hypot(momentum, np.where(is_electron, 0.0, PION_MASS))
    of_legs = np.bincount(legs.parent, measured, len(particles))
    has_legs = np.bincount(legs.parent, minlength=len(particles)) > 0
    limit = (1 - MIN_CLUSTERED_FRACTION) * particles.energy
    has_rest = has_legs & (of_legs < limit)
    whole = np.where(has_rest, particles.energy, of_legs)
    return measured / whole[legs.parent], has_rest


def _pdg_id_of_legs(truth: Truth, legs: _Legs) -> Array:
    """Legs of photons and electrons are electrons, all others charged pions, [leg]."""
    particles = truth.particles
    parent_class = classes(particles.pdg_id[legs.parent], particles.charge[legs.parent])
    is_electron = np.isin(parent_class, (PHOTON, ELECTRON))
    kind = np.where(is_electron, -ELECTRON, CHARGED_HADRON)
    return kind * truth.tracks.charge[legs.track].astype(np.int64)


def _contributions(
    truth: Truth,
    legs: _Legs,
    of_particle: Array,
    of_leg: Array,
    cluster_counts: Array,
    centroids: Array,
    divided: Collection,
) -> Collection:
    """The contributions with the portion that each belongs to."""
    lit = truth.contributions
    event = lit.event_index
    particle = rows_in_event(truth.particles.counts, event, lit.particle_index, "particle")
    hit = rows_in_event(truth.hit_clusters.counts, event, lit.hit_index, "hit")
    cluster_of_hit = rows_in_event(
        cluster_counts,
        truth.hit_clusters.event_index,
        truth.hit_clusters.cluster_index,
        "cluster",
        lowest=-1,
    )
    portion = of_particle[particle]
    has_legs = np.zeros(len(of_particle), dtype=bool)
    has_legs[legs.parent] = True
    divisible = np.flatnonzero(has_legs[particle] & (cluster_of_hit[hit] >= 0))
    pairs, which = np.unique(
        np.stack([particle[divisible], cluster_of_hit[hit[divisible]]]), axis=1, return_inverse=True
    )
    leg = _nearest_legs(truth.tracks, legs, pairs[0], centroids[pairs[1]])[which.ravel()]
    is_near = leg >= 0
    portion[divisible[is_near]] = of_leg[leg[is_near]]
    index = portion - divided.offsets[:-1][event]
    return Collection(lit.schema, lit.offsets, {**lit.columns, "particle_index": index})


def _nearest_legs(tracks: Collection, legs: _Legs, parent: Array, position: Array) -> Array:
    """The leg of each of the particles `parent` [pair] whose line passes nearest to `position`
    [pair, 3], or -1 where none passes within LEG_DISTANCE; [pair].
    """
    first = np.searchsorted(legs.parent, parent)
    number = np.searchsorted(legs.parent, parent, side="right") - first
    pair = np.repeat(np.arange(len(parent)), number)
    leg = np.arange(len(pair)) + np.repeat(first - offsets_from_counts(number)[:-1], number)
    track = legs.track[leg]
    face = np.stack([tracks.face_x, tracks.face_y, tracks.face_z], axis=1)[track]
    direction = np.stack([tracks.face_dx, tracks.face_dy, tracks.face_dz], axis=1)[track]
    separation = position[pair] - face
    along = np.sum(separation * direction, axis=1)
    aside = np.sqrt(np.maximum(np.sum(separation**2, axis=1) - along**2, 0.0))
    reaches = (tracks.face_region[track] != 0) & (along > -BACKWARD_REACH)
    near = np.flatnonzero(reaches & (aside < LEG_DISTANCE))
    near = near[np.lexsort((leg[near], aside[near], pair[near]))]
    nearest = np.full(len(parent), -1, dtype=np.int64)
    chosen, place = np.unique(pair[near], return_index=True)
    nearest[chosen] = leg[near[place]]
    return nearest
