"""Portions: what is placed on elements, whole particles or parts of them.

A photon that converts and a hadron that interacts in the tracker leave tracks of their
secondaries. Where the particle's own track was not found, these are the best measurement of it:
the calorimeters measure ten times worse, and the magnetic field deflects secondaries before they
reach them. Each secondary track carries the part of the particle's four-momentum that it measured.
What all of them lack is the particle's remainder, which goes to a cluster like a neutral particle.
Where the remainder would not be visible, the tracks share the whole particle. The target of a
secondary track has the direction of the particle, not that of the track at the perigee, which
differs: the helix begins far from the beam line.

The truth links deposits to generator particles, not to their secondaries. So a particle's deposits
in a cluster go to the secondary track whose line at the calorimeter passes close to the cluster,
and otherwise to the remainder.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.deposits import Deposits
from partflow.core.face import BACKWARD_REACH
from partflow.core.particles import CHARGED_HADRON, ELECTRON, PHOTON, PION_MASS, classes
from partflow.core.records import Array, Collection, offsets_from_counts
from partflow.label.assignment import MIN_CLUSTERED_FRACTION
from partflow.label.config import LabelConfig
from partflow.label.links import particle_of_tracks, primary_tracks

MAX_LINE_DISTANCE = 100.0
"""A cluster belongs to a secondary track if its centroid is nearer than this to the track's line
[mm]. Anything from 80 to 120 mm gives the narrowest jets."""


class Portions(NamedTuple):
    """Particles and parts of particles as they are placed on elements.

    The first ones of an event stand for its particles, in their order: the whole particle, its
    remainder, or the part of its leading secondary track. The parts of further secondary tracks
    come behind them.
    """

    particles: Collection
    """PARTICLES."""
    parent: Array
    """Index in its event of the generator particle, [portion]."""
    track: Array
    """Row of the track that measured the portion, or -1, [portion]."""
    is_secondary: Array
    """Whether that is a secondary track, [portion]."""
    deposits: Deposits
    """Deposits of the portions."""


class SecondaryTracks(NamedTuple):
    """Secondary tracks of particles without a track of their own, without duplicates.

    Sorted by particle, then by decreasing pt. All are [secondary track].
    """

    track: Array
    """Row of the track."""
    parent: Array
    """Row of the particle."""
    is_leading: Array
    """Whether it is the particle's first."""


def make_portions(
    particles: Collection,
    tracks: Collection,
    track_particles: Collection,
    deposits: Deposits,
    centroids: Array,
    config: LabelConfig,
) -> Portions:
    """Portions of the particles of all events.

    `centroids` [cluster, 3] are the positions [mm] of the clusters that the deposits are in.
    Raises DataError where a track's particle is not in its event.
    """
    track = primary_tracks(particles, track_particles)
    secondaries = _secondary_tracks(particles, tracks, track_particles, track)
    if config.secondary_tracks == "each" and len(secondaries.track):
        return _divide_particles(particles, tracks, deposits, track, secondaries, centroids)
    is_secondary = np.zeros(len(particles), dtype=bool)
    if config.secondary_tracks == "leading":
        leading = secondaries.is_leading
        track[secondaries.parent[leading]] = secondaries.track[leading]
        is_secondary[secondaries.parent] = True
    return Portions(particles, particles.index_in_event, track, is_secondary, deposits)


def _secondary_tracks(
    particles: Collection, tracks: Collection, track_particles: Collection, primary_track: Array
) -> SecondaryTracks:
    """Secondary tracks of the particles whose `primary_track` [particle] is -1."""
    parent = particle_of_tracks(particles, track_particles)
    is_secondary = (
        (parent >= 0) & (track_particles.is_primary == 0) & (track_particles.is_duplicate == 0)
    )
    is_secondary[is_secondary] = primary_track[parent[is_secondary]] < 0
    track = np.flatnonzero(is_secondary)
    track = track[np.lexsort((-tracks.pt[track], parent[track]))]
    parent = parent[track]
    return SecondaryTracks(track, parent, np.diff(parent, prepend=-1) != 0)


def _divide_particles(
    particles: Collection,
    tracks: Collection,
    deposits: Deposits,
    primary_track: Array,
    secondaries: SecondaryTracks,
    centroids: Array,
) -> Portions:
    """Divide every particle with secondary tracks into their parts and a remainder."""
    fraction, has_remainder = _fractions(particles, tracks, secondaries)
    is_further = ~secondaries.is_leading | has_remainder[secondaries.parent]
    event = particles.event_index[secondaries.parent]
    num_further = np.bincount(event[is_further], minlength=particles.num_events)
    offsets = particles.offsets + offsets_from_counts(num_further)
    particle_to_portion = (
        np.arange(len(particles)) + (offsets - particles.offsets)[particles.event_index]
    )
    secondary_to_portion = particle_to_portion[secondaries.parent]
    secondary_to_portion[is_further] = particles.offsets[1:][event[is_further]] + np.arange(
        num_further.sum()
    )

    parent = np.empty(offsets[-1], dtype=np.int64)
    parent[particle_to_portion] = np.arange(len(particles))
    parent[secondary_to_portion] = secondaries.parent
    columns = {name: values[parent] for name, values in particles.columns.items()}
    columns["charge"][secondary_to_portion] = tracks.charge[secondaries.track]
    columns["pdg_id"][secondary_to_portion] = _pdg_ids(particles, tracks, secondaries)
    part = np.ones(offsets[-1])
    part[particle_to_portion] -= np.bincount(secondaries.parent, fraction, len(particles))
    part[secondary_to_portion] = fraction
    for name in ("px", "py", "pz", "energy", "mass"):
        columns[name] = columns[name] * part
    track = np.full(offsets[-1], -1, dtype=np.int64)
    track[particle_to_portion] = primary_track
    track[secondary_to_portion] = secondaries.track
    is_secondary = np.zeros(offsets[-1], dtype=bool)
    is_secondary[secondary_to_portion] = True

    portion = particle_to_portion[deposits.particle]
    secondary = _secondary_of_deposits(tracks, deposits, secondaries, centroids)
    is_near = secondary >= 0
    portion[is_near] = secondary_to_portion[secondary[is_near]]
    return Portions(
        Collection(particles.schema, offsets, columns),
        particles.index_in_event[parent],
        track,
        is_secondary,
        deposits._replace(particle=portion, num_particles=int(offsets[-1])),
    )


def _fractions(
    particles: Collection, tracks: Collection, secondaries: SecondaryTracks
) -> tuple[Array, Array]:
    """Part of its particle that each secondary track carries [secondary track], and which
    particles have a remainder [particle].
    """
    track = secondaries.track
    momentum = tracks.pt[track] * np.sqrt(1 + tracks.tan_lambda[track] ** 2)
    is_electron = np.abs(_pdg_ids(particles, tracks, secondaries)) == ELECTRON
    measured = np.hypot(momentum, np.where(is_electron, 0.0, PION_MASS))
    total = np.bincount(secondaries.parent, measured, len(particles))
    has_secondaries = np.bincount(secondaries.parent, minlength=len(particles)) > 0
    limit = (1 - MIN_CLUSTERED_FRACTION) * particles.energy
    has_remainder = has_secondaries & (total < limit)
    whole = np.where(has_remainder, particles.energy, total)
    return measured / whole[secondaries.parent], has_remainder


def _pdg_ids(particles: Collection, tracks: Collection, secondaries: SecondaryTracks) -> Array:
    """Secondaries of photons and electrons are electrons, all others charged pions,
    [secondary track].
    """
    parent = secondaries.parent
    parent_class = classes(particles.pdg_id[parent], particles.charge[parent])
    is_electron = np.isin(parent_class, (PHOTON, ELECTRON))
    kind = np.where(is_electron, -ELECTRON, CHARGED_HADRON)
    return kind * tracks.charge[secondaries.track].astype(np.int64)


def _secondary_of_deposits(
    tracks: Collection, deposits: Deposits, secondaries: SecondaryTracks, centroids: Array
) -> Array:
    """Row in `secondaries` of the track that each deposit is counted for, or -1, [deposit].

    It is the same one for all deposits of a particle in a cluster.
    """
    has_secondaries = np.zeros(deposits.num_particles, dtype=bool)
    has_secondaries[secondaries.parent] = True
    divisible = np.flatnonzero(has_secondaries[deposits.particle] & (deposits.cluster >= 0))
    num_clusters = max(deposits.num_clusters, 1)
    pair = deposits.particle[divisible] * num_clusters + deposits.cluster[divisible]
    pairs, which = np.unique(pair, return_inverse=True)
    particle, cluster = np.divmod(pairs, num_clusters)
    nearest = _nearest_secondary(tracks, secondaries, particle, centroids[cluster])
    secondary = np.full(len(deposits.particle), -1, dtype=np.int64)
    secondary[divisible] = nearest[which]
    return secondary


def _nearest_secondary(
    tracks: Collection, secondaries: SecondaryTracks, parent: Array, position: Array
) -> Array:
    """The secondary track of each of the particles `parent` [pair] whose line passes nearest to
    `position` [pair, 3], or -1 where none passes within MAX_LINE_DISTANCE; [pair].
    """
    first = np.searchsorted(secondaries.parent, parent)
    number = np.searchsorted(secondaries.parent, parent, side="right") - first
    pair = np.repeat(np.arange(len(parent)), number)
    secondary = np.arange(len(pair)) + np.repeat(first - offsets_from_counts(number)[:-1], number)
    track = secondaries.track[secondary]
    face = np.stack([tracks.face_x, tracks.face_y, tracks.face_z], axis=1)[track]
    direction = np.stack([tracks.face_dx, tracks.face_dy, tracks.face_dz], axis=1)[track]
    separation = position[pair] - face
    along = np.sum(separation * direction, axis=1)
    across = np.sqrt(np.maximum(np.sum(separation**2, axis=1) - along**2, 0.0))
    has_line = (tracks.face_region[track] != 0) & (along > -BACKWARD_REACH)
    near = np.flatnonzero(has_line & (across < MAX_LINE_DISTANCE))
    near = near[np.lexsort((secondary[near], across[near], pair[near]))]
    nearest = np.full(len(parent), -1, dtype=np.int64)
    chosen, place = np.unique(pair[near], return_index=True)
    nearest[chosen] = secondary[near[place]]
    return nearest
