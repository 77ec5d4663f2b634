"""Where the energy goes: by what made it, and by what its cluster was taken for.

The confusion matrix of particle flow, in GeV: energy of neutrals that nobody counts because
their cluster was left to a track, and energy of charged particles that is counted twice because
it was taken for a neutral. It needs no link from candidates to particles, so every set of
candidates that is made from clusters is treated alike: each cluster's energy is divided by the
generator particles that left it there (rows) and by what became of it (columns).

Where the energy of clusters was shared out, the shares say what became of it: it went to owners
with a track, to photons or neutral hadrons on clusters, or to nobody. Elsewhere a candidate without
a track, of energy E, takes the part min(1, E / energy of its own cluster), at the lower of the
cluster's scales, and what no neutral candidate takes is left to the tracks.

Nobody says which of the particles in a cluster a part of its energy is from. So as much as can be
right is counted as right: of 6 GeV of a photon and 4 GeV of a charged hadron, shared as 5 and 5,
1 GeV of the photon is left to the tracks. The rest is divided in proportion. (In proportion from
the start even the true shares of 300 qq events would have 10 of 200 GeV in wrong places.)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from partflow.core.errors import DataError
from partflow.core.particles import NEUTRAL_HADRON as NEUTRAL_HADRON_CLASS
from partflow.core.particles import PHOTON as PHOTON_CLASS
from partflow.core.records import Array, Collection, offsets_from_counts
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.response import MIN_EVENTS, metric
from partflow.evaluate.sample import Sample


class Truth(IntEnum):
    """The generator particle a deposit descends from: the rows of the matrix."""

    PHOTON, NEUTRAL_HADRON, WITH_TRACK, WITHOUT_TRACK = range(4)


class Taken(IntEnum):
    """What a cluster's energy was taken for: the columns."""

    TRACK, PHOTON, NEUTRAL_HADRON, NOBODY = range(4)


TRUTH_KEYS = {
    Truth.PHOTON: "photon",
    Truth.NEUTRAL_HADRON: "neutral_hadron",
    Truth.WITH_TRACK: "charged_with_track",
    Truth.WITHOUT_TRACK: "charged_without_track",
}
TAKEN_KEYS = {
    Taken.TRACK: "left_to_tracks",
    Taken.PHOTON: "as_photon",
    Taken.NEUTRAL_HADRON: "as_neutral_hadron",
    Taken.NOBODY: "to_nobody",
}
CLASS_COLUMNS = {PHOTON_CLASS: Taken.PHOTON, NEUTRAL_HADRON_CLASS: Taken.NEUTRAL_HADRON}
"""What a candidate without a track takes energy for, by its class."""
RIGHT = {
    Truth.PHOTON: Taken.PHOTON,
    Truth.NEUTRAL_HADRON: Taken.NEUTRAL_HADRON,
    Truth.WITH_TRACK: Taken.TRACK,
}
"""Where the energy of a row should go. A charged particle without a track is neither neutral nor
another's: no place is right."""


class ClusterTruth(NamedTuple):
    """Who lit the clusters of some events."""

    clusters: Collection
    by_truth: Array
    """EM-scale energy [cluster, Truth], GeV."""
    num_tracks: Array
    """Tracks of each event, [event]: elements that come before its clusters."""


@dataclass(frozen=True)
class FlowSample(Sample):
    """The matrix of each event."""

    energy: Array
    """EM-scale energy [event, Truth, Taken], GeV."""
    is_shared: Array
    """Whether shares say where the energy went, so that some may be nobody's, [event]."""

    @classmethod
    def empty(cls) -> FlowSample:
        """Of no event."""
        energy = np.empty((0, len(Truth), len(Taken)))
        return cls(np.empty(0, dtype=np.int64), energy, np.empty(0, dtype=bool))


def truth_of_particles(particles: Collection, track_particles: Collection) -> Array:
    """Row of the matrix of each generator particle, [particle]."""
    links = track_particles
    own = links.select((links.is_primary == 1) & (links.particle_index >= 0))
    has_track = np.zeros(len(particles), dtype=bool)
    has_track[particles.flat_index(own.event_index, own.particle_index)] = True
    charged = np.where(has_track, Truth.WITH_TRACK, Truth.WITHOUT_TRACK)
    neutral = np.where(particles.pdg_id == PHOTON_CLASS, Truth.PHOTON, Truth.NEUTRAL_HADRON)
    return np.where(particles.charge != 0, charged, neutral)


def cluster_truth(
    particles: Collection,
    track_particles: Collection,
    clusters: Collection,
    hit_clusters: Collection,
    contributions: Collection,
) -> ClusterTruth:
    """Energies of clusters by what made them; a secondary counts for its generator particle.

    What the contributions do not explain, as noise, is nobody's and in no row.
    """
    truth = truth_of_particles(particles, track_particles)
    event = contributions.event_index
    hit = hit_clusters.flat_index(event, contributions.hit_index)
    cluster = clusters.flat_index(event, hit_clusters.cluster_index[hit])
    row = truth[particles.flat_index(event, contributions.particle_index)]
    listed = cluster >= 0
    shape = (len(clusters), len(Truth))
    flat = np.ravel_multi_index((cluster[listed], row[listed]), shape)
    sums = np.bincount(flat, contributions.energy_em[listed], int(np.prod(shape)))
    return ClusterTruth(clusters, sums.reshape(shape), track_particles.counts)


def judge_flow(
    candidates: Collection,
    truth: ClusterTruth,
    first_event: int,
    shares: Collection | None = None,
) -> FlowSample:
    """The matrix of each event for one set of candidates.

    `shares` are those of the same elements, whose owners the candidates are. Raises DataError where
    they, or candidates, point beyond the elements.
    """
    clusters = truth.clusters
    if shares is None:
        part = _parts_of_own_clusters(candidates, clusters)
    else:
        part = _parts_of_shares(candidates, shares, truth)
    energy = np.zeros((clusters.num_events, len(Truth), len(Taken)))
    np.add.at(energy, clusters.event_index, _booked(truth.by_truth, part))
    events = np.arange(clusters.num_events)
    return FlowSample(events + first_event, energy, np.full(len(events), shares is not None))


def _parts_of_own_clusters(candidates: Collection, clusters: Collection) -> Array:
    """Parts of clusters that candidates take which are made of one cluster, [cluster, Taken]."""
    cluster = clusters.flat_index(candidates.event_index, candidates.cluster_index)
    part = np.zeros((len(clusters), len(Taken)))
    compensated = clusters.energy_hadronic
    held = np.where(
        compensated > 0, np.minimum(clusters.energy_em, compensated), clusters.energy_em
    )
    for pdg_id, column in CLASS_COLUMNS.items():
        is_own = (candidates.track_index < 0) & (cluster >= 0) & (candidates.pdg_id == pdg_id)
        row, energy = cluster[is_own], candidates.energy[is_own]
        wanted = np.divide(energy, held[row], out=np.ones(len(row)), where=held[row] > 0)
        part[:, column] = np.bincount(row, np.clip(wanted, 0.0, 1.0), len(clusters))
    part /= np.maximum(part.sum(axis=1, keepdims=True), 1.0)
    part[:, Taken.TRACK] = 1.0 - part.sum(axis=1)
    return part


def _parts_of_shares(candidates: Collection, shares: Collection, truth: ClusterTruth) -> Array:
    """Parts of clusters by what their owners are, [cluster, Taken].

    An owner that became no candidate is nobody; a charged one is one with a track.
    """
    clusters, num_tracks = truth.clusters, truth.num_tracks
    num_elements = num_tracks + clusters.counts
    first = offsets_from_counts(num_elements)
    event = candidates.event_index
    on_track = candidates.track_index >= 0
    element = np.where(
        on_track, candidates.track_index, num_tracks[event] + candidates.cluster_index
    )
    stands = on_track | (candidates.cluster_index >= 0)
    giver, owner = shares.cluster_element, shares.owner_element
    is_beyond = (giver >= num_elements[shares.event_index]) | (
        giver < num_tracks[shares.event_index]
    )
    is_beyond |= owner >= num_elements[shares.event_index]
    if np.any(is_beyond) or np.any(element[stands] >= num_elements[event[stands]]):
        raise DataError(
            "shares or candidates point beyond the elements of their event; "
            "give candidates made from these events"
        )
    kind = np.full(len(candidates), int(Taken.TRACK))
    for pdg_id, neutral in CLASS_COLUMNS.items():
        kind[~on_track & (candidates.pdg_id == pdg_id)] = neutral
    taken = np.full(first[-1] + 1, int(Taken.NOBODY))  # the last is that of nobody
    taken[(first[event] + element)[stands]] = kind[stands]
    row = clusters.offsets[shares.event_index] + giver - num_tracks[shares.event_index]
    column = taken[np.where(owner >= 0, first[shares.event_index] + owner, first[-1])]
    shape = (len(clusters), len(Taken))
    flat = np.ravel_multi_index((row, column), shape)
    energy = np.bincount(flat, shares.energy_em, int(np.prod(shape))).reshape(shape)
    total = energy.sum(axis=1, keepdims=True)
    energy[total[:, 0] <= 0, Taken.NOBODY] = 1.0
    return energy / np.where(total > 0, total, 1.0)


def _booked(by_truth: Array, part: Array) -> Array:
    """Energies [cluster, Truth] in columns of which each takes its `part` [cluster, Taken]."""
    wanted = part * by_truth.sum(axis=1, keepdims=True)
    flow = np.zeros((*by_truth.shape, len(Taken)))
    for row, column in RIGHT.items():
        flow[:, row, column] = np.minimum(by_truth[:, row], wanted[:, column])
    left, open_ = by_truth - flow.sum(axis=2), wanted - flow.sum(axis=1)
    total = left.sum(axis=1)[:, None, None]
    product = left[:, :, None] * open_[:, None, :]
    return flow + np.divide(product, total, out=np.zeros_like(product), where=total > 0)


def flow_metrics(sample: FlowSample, bootstrap: Bootstrap) -> dict[str, Any]:
    """Mean energies per event [GeV], by truth and by what they were taken for; {} if unknown.

    Where no shares say so, nothing can be nobody's, and that column is left out.
    """
    num_events = len(sample.event)
    if not num_events:
        return {}
    replicas = bootstrap.ratio(sample.energy, np.ones_like(sample.energy), sample.event)
    values = np.concatenate([sample.energy.mean(axis=0)[None], replicas])
    enough = num_events >= MIN_EVENTS
    columns = {
        c: key for c, key in TAKEN_KEYS.items() if c != Taken.NOBODY or sample.is_shared.any()
    }
    return {
        truth_key: {
            key: entry
            for column, taken_key in columns.items()
            for key, entry in metric(taken_key, values[:, row, column], bootstrap, enough).items()
        }
        for row, truth_key in TRUTH_KEYS.items()
    }
