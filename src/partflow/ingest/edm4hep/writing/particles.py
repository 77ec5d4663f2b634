"""Particles and track links: generator particles, and one daughter for each secondary track."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.records import Array, Collection, Events
from partflow.core.truth import STABLE_STATUS
from partflow.ingest.edm4hep.columns import MemberColumns
from partflow.ingest.edm4hep.names import MC_COLLECTION, TRACK_COLLECTION, TRACK_LINK_COLLECTION
from partflow.ingest.edm4hep.writing.relations import list_ranges, object_ids

CREATED_IN_SIMULATION = 1 << 30
"""`edm4hep::MCParticle::BITCreatedInSimulation`."""
DUPLICATE_WEIGHT = 0.99
"""Weight of the link of a duplicate: less than 1, so that a reader prefers the original track."""


class _Secondaries(NamedTuple):
    """The secondaries with a track, and where MC particles are written.

    In each event the generator particles come first, then the secondaries.
    """

    is_secondary: Array
    """Whether each track is the original track of a secondary, [track]."""
    mothers: Collection
    """TRACK_PARTICLES of these tracks: the generator particles that they descend from."""
    tracks: Collection
    """These tracks."""
    offsets: Array
    """Of the MC particles, [event + 1]."""
    row_of_generated: Array
    """Row of each generator particle among the MC particles."""
    row_of_secondary: Array
    """Row of each secondary among the MC particles."""

    @property
    def index_in_event(self) -> Array:
        """Index of each secondary in its event among the MC particles."""
        return self.row_of_secondary - self.offsets[:-1][self.mothers.event_index]


def particle_columns(events: Events) -> dict[str, MemberColumns]:
    """MC particles, their relations, and the links of tracks to them.

    A track of a secondary is linked to a daughter of the particle it descends from. A duplicate is
    linked to the same MC particle as the track that it repeats.
    """
    particles, track_particles = events.particles, events.track_particles
    original = _originals(track_particles, events.tracks)
    secondaries = _secondaries(particles, track_particles, events.tracks, original)
    mothers = secondaries.mothers
    mother_row = particles.offsets[:-1][mothers.event_index] + mothers.particle_index
    by_mother = np.argsort(mother_row, kind="stable")

    num_parents = np.zeros(secondaries.offsets[-1], dtype=np.int64)
    num_parents[secondaries.row_of_secondary] = 1
    num_daughters = np.zeros(secondaries.offsets[-1], dtype=np.int64)
    num_daughters[secondaries.row_of_generated] = np.bincount(mother_row, minlength=len(particles))
    members = {
        **_particle_members(particles, secondaries),
        **list_ranges("parents", secondaries.offsets, num_parents),
        **list_ranges("daughters", secondaries.offsets, num_daughters),
    }

    mc_index = track_particles.particle_index.astype(np.int64)
    mc_index[secondaries.is_secondary] = secondaries.index_in_event
    return {
        MC_COLLECTION: MemberColumns(secondaries.offsets, members),
        f"_{MC_COLLECTION}_parents": object_ids(
            mothers.offsets, MC_COLLECTION, mothers.particle_index
        ),
        f"_{MC_COLLECTION}_daughters": object_ids(
            mothers.offsets, MC_COLLECTION, secondaries.index_in_event[by_mother]
        ),
        **_track_link_columns(track_particles, mc_index[original]),
    }


def _secondaries(
    particles: Collection, track_particles: Collection, tracks: Collection, original: Array
) -> _Secondaries:
    """The secondaries with a track: a secondary is not written again for a duplicate of it."""
    is_original = original == np.arange(len(track_particles))
    is_linked = track_particles.particle_index >= 0
    is_secondary = is_linked & (track_particles.is_primary == 0) & is_original
    mothers = track_particles.select(is_secondary)
    return _Secondaries(
        is_secondary,
        mothers,
        tracks.select(is_secondary),
        particles.offsets + mothers.offsets,
        np.arange(len(particles)) + np.repeat(mothers.offsets[:-1], particles.counts),
        np.arange(len(mothers)) + np.repeat(particles.offsets[1:], mothers.counts),
    )


def _particle_members(particles: Collection, secondaries: _Secondaries) -> dict[str, Array]:
    """Members of the MC particles; of secondaries only charge and momentum are known."""
    num = int(secondaries.offsets[-1])
    generated, secondary = secondaries.row_of_generated, secondaries.row_of_secondary
    members: dict[str, Array] = {
        name: np.zeros(num, np.int32) for name in ("PDG", "generatorStatus", "simulatorStatus")
    }
    members |= {name: np.zeros(num, np.float32) for name in ("charge", "time")}
    of_generated = {
        "PDG": particles.pdg_id, "charge": particles.charge, "mass": particles.mass,
    }  # fmt: skip
    for axis in ("x", "y", "z"):
        of_generated[f"vertex.{axis}"] = particles.columns[f"v{axis}"]
        of_generated[f"momentum.{axis}"] = particles.columns[f"p{axis}"]
    for name, values in of_generated.items():
        members.setdefault(name, np.zeros(num))[generated] = values
    tracks = secondaries.tracks
    members["generatorStatus"][generated] = STABLE_STATUS
    members["simulatorStatus"][secondary] = np.int32(CREATED_IN_SIMULATION)
    members["charge"][secondary] = tracks.charge
    members["momentum.x"][secondary] = tracks.pt * np.cos(tracks.phi)
    members["momentum.y"][secondary] = tracks.pt * np.sin(tracks.phi)
    members["momentum.z"][secondary] = tracks.pt * tracks.tan_lambda
    return members


def _track_link_columns(track_particles: Collection, mc_index: Array) -> dict[str, MemberColumns]:
    """Links of the tracks whose particle is known to MC particles, whose index is [track]."""
    is_linked = track_particles.particle_index >= 0
    linked = track_particles.select(is_linked)
    weight = np.where(linked.is_duplicate == 1, DUPLICATE_WEIGHT, 1.0).astype(np.float32)
    return {
        TRACK_LINK_COLLECTION: MemberColumns(linked.offsets, {"weight": weight}),
        f"_{TRACK_LINK_COLLECTION}_from": object_ids(
            linked.offsets, TRACK_COLLECTION, track_particles.index_in_event[is_linked]
        ),
        f"_{TRACK_LINK_COLLECTION}_to": object_ids(
            linked.offsets, MC_COLLECTION, mc_index[is_linked]
        ),
    }


def _originals(track_particles: Collection, tracks: Collection) -> Array:
    """Row of the track that each duplicate repeats, [track]; for other tracks their own row.

    The truth names only the particle. Of its other tracks the original is the one of nearest
    momentum, if possible of the same charge. A duplicate without any such track is its own
    original.
    """
    original = np.arange(len(track_particles))
    direction = np.stack([np.cos(tracks.phi), np.sin(tracks.phi), tracks.tan_lambda], axis=1)
    momentum = tracks.pt[:, None] * direction
    particle_index, is_duplicate = track_particles.particle_index, track_particles.is_duplicate
    event_index = track_particles.event_index
    for row in np.flatnonzero((particle_index >= 0) & (is_duplicate == 1)):
        event = event_index[row]
        in_event = slice(*track_particles.offsets[event : event + 2])
        has_same_particle = particle_index[in_event] == particle_index[row]
        is_option = has_same_particle & (is_duplicate[in_event] == 0)
        options = in_event.start + np.flatnonzero(is_option)
        if len(options):
            distance = np.linalg.norm(momentum[options] - momentum[row], axis=1)
            has_other_charge = tracks.charge[options] != tracks.charge[row]
            original[row] = options[np.lexsort((distance, has_other_charge))[0]]
    return original
