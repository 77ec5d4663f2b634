"""Where the energy goes: by what made it, and by what its cluster was taken for.

The confusion matrix of particle flow, in GeV: energy of neutrals that nobody counts because
their cluster was left to a track, and energy of charged particles that is counted twice because
it was taken for a neutral. It needs no link from candidates to particles, so every set of
candidates that is made from clusters is treated alike: each cluster's energy is divided by the
generator particles that left it there (rows) and by the candidates without a track that stand at
the cluster (columns). A candidate of energy E takes the part min(1, E / energy of the cluster),
at the lower of the cluster's scales; what no neutral candidate takes is left to the tracks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from partflow.core.particles import NEUTRAL_HADRON as NEUTRAL_HADRON_CLASS
from partflow.core.particles import PHOTON as PHOTON_CLASS
from partflow.core.records import Array, Collection
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.response import MIN_EVENTS, figure
from partflow.evaluate.sample import Sample


class Truth(IntEnum):
    """The generator particle a deposit descends from: the rows of the matrix."""

    PHOTON, NEUTRAL_HADRON, WITH_TRACK, WITHOUT_TRACK = range(4)


class Taken(IntEnum):
    """What a cluster's energy was taken for: the columns."""

    TRACK, PHOTON, NEUTRAL_HADRON = range(3)


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
}


class ClusterTruth(NamedTuple):
    """Who lit the clusters of some events."""

    clusters: Collection
    by_truth: Array
    """EM-scale energy [cluster, Truth], GeV."""


@dataclass(frozen=True)
class FlowSample(Sample):
    """The matrix of each event."""

    energy: Array
    """EM-scale energy [event, Truth, Taken], GeV."""

    @classmethod
    def empty(cls) -> FlowSample:
        """Of no event."""
        return cls(np.empty(0, dtype=np.int64), np.empty((0, len(Truth), len(Taken))))


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
    sums = np.bincount(flat, contributions.energy[listed], int(np.prod(shape)))
    return ClusterTruth(clusters, sums.reshape(shape))


def judge_flow(candidates: Collection, truth: ClusterTruth, first_event: int) -> FlowSample:
    """The matrix of each event for one set of candidates."""
    clusters = truth.clusters
    cluster = clusters.flat_index(candidates.event_index, candidates.cluster_index)
    part = np.zeros((len(clusters), len(Taken)))
    compensated = clusters.energy_hadronic
    held = np.where(compensated > 0, np.minimum(clusters.energy, compensated), clusters.energy)
    for column, pdg_id in (
        (Taken.PHOTON, PHOTON_CLASS),
        (Taken.NEUTRAL_HADRON, NEUTRAL_HADRON_CLASS),
    ):
        is_own = (candidates.track_index < 0) & (cluster >= 0) & (candidates.pdg_id == pdg_id)
        row, energy = cluster[is_own], candidates.energy[is_own]
        wanted = np.divide(energy, held[row], out=np.ones(len(row)), where=held[row] > 0)
        part[:, column] = np.bincount(row, np.clip(wanted, 0.0, 1.0), len(clusters))
    part /= np.maximum(part.sum(axis=1, keepdims=True), 1.0)
    part[:, Taken.TRACK] = 1.0 - part.sum(axis=1)
    flow = truth.by_truth[:, :, None] * part[:, None, :]
    shape = (clusters.num_events, len(Truth), len(Taken))
    energy = np.zeros(shape)
    np.add.at(energy, clusters.event_index, flow)
    return FlowSample(np.arange(clusters.num_events) + first_event, energy)


def flow_metrics(sample: FlowSample, bootstrap: Bootstrap) -> dict[str, Any]:
    """Mean energies per event [GeV], by truth and by what they were taken for; {} if unknown."""
    num_events = len(sample.event)
    if not num_events:
        return {}
    replicas = bootstrap.ratio(sample.energy, np.ones_like(sample.energy), sample.event)
    values = np.concatenate([sample.energy.mean(axis=0)[None], replicas])
    enough = num_events >= MIN_EVENTS
    return {
        truth_key: {
            key: entry
            for column, taken_key in TAKEN_KEYS.items()
            for key, entry in figure(taken_key, values[:, row, column], bootstrap, enough).items()
        }
        for row, truth_key in TRUTH_KEYS.items()
    }
