"""Energy flow: energy in clusters by the particle that left it and by what it was assigned to.

The confusion matrix of particle flow, in GeV. Off its diagonal are the energy of neutral particles
that is lost because their cluster was assigned to a track, and the energy of charged particles that
is counted twice because it was taken for a neutral particle. It needs no link from candidates to
particles, so it treats every set of candidates made from clusters alike: the energy of each
cluster is divided by the generator particles that left it there (rows, `EnergyOrigin`) and by what
it was assigned to (columns, `EnergyDestination`).

Where the energy of clusters was shared out, the shares say what it was assigned to: owners with a
track, photons or neutral hadrons on clusters, or none. Elsewhere a candidate without a track, of
energy E, takes the part min(1, E / energy of its cluster), at the lower of the cluster's scales,
and the tracks have what no neutral candidate takes.

It is not known from which of the particles in a cluster an assigned part of its energy is. So as
much as can be right is counted as right: of 6 GeV of a photon and 4 GeV of a charged hadron, shared
as 5 and 5, 1 GeV of the photon is assigned to the tracks. The rest is divided in proportion. (In
proportion from the start, even the true shares of 300 qq events would have 10 of 200 GeV in wrong
places.)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from partflow.core.deposits import Deposits
from partflow.core.errors import DataError
from partflow.core.particles import NEUTRAL_HADRON as NEUTRAL_HADRON_CLASS
from partflow.core.particles import PHOTON as PHOTON_CLASS
from partflow.core.records import Array, Collection, offsets_from_counts
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.response import MIN_EVENTS, metric
from partflow.evaluate.sample import Sample


class EnergyOrigin(IntEnum):
    """Kind of the generator particle that energy descends from: the rows of the matrix."""

    PHOTON, NEUTRAL_HADRON, WITH_TRACK, WITHOUT_TRACK = range(4)


class EnergyDestination(IntEnum):
    """Kind of the candidate that a cluster's energy was assigned to: the columns."""

    TRACK, PHOTON, NEUTRAL_HADRON, UNASSIGNED = range(4)


ORIGIN_KEYS = {
    EnergyOrigin.PHOTON: "photon",
    EnergyOrigin.NEUTRAL_HADRON: "neutral_hadron",
    EnergyOrigin.WITH_TRACK: "charged_with_track",
    EnergyOrigin.WITHOUT_TRACK: "charged_without_track",
}
"""Keys of the rows in `metrics.json`."""
DESTINATION_KEYS = {
    EnergyDestination.TRACK: "left_to_tracks",
    EnergyDestination.PHOTON: "as_photon",
    EnergyDestination.NEUTRAL_HADRON: "as_neutral_hadron",
    EnergyDestination.UNASSIGNED: "to_nobody",
}
"""Keys of the columns in `metrics.json`."""
NEUTRAL_DESTINATIONS = {
    PHOTON_CLASS: EnergyDestination.PHOTON,
    NEUTRAL_HADRON_CLASS: EnergyDestination.NEUTRAL_HADRON,
}
"""Column of a candidate without a track, by its class."""
RIGHT_DESTINATION = {
    EnergyOrigin.PHOTON: EnergyDestination.PHOTON,
    EnergyOrigin.NEUTRAL_HADRON: EnergyDestination.NEUTRAL_HADRON,
    EnergyOrigin.WITH_TRACK: EnergyDestination.TRACK,
}
"""Column where the energy of a row should be. A charged particle without a track has none: it is
neither neutral nor another particle's track."""
SHAPE = (len(EnergyOrigin), len(EnergyDestination))


class ClusterTruth(NamedTuple):
    """Clusters of some events, and the origin of their energy."""

    clusters: Collection
    energy_em: Array
    """EM-scale energy [cluster, EnergyOrigin], GeV."""
    num_tracks: Array
    """Tracks of each event, [event]: elements that come before its clusters."""


@dataclass(frozen=True)
class FlowSample(Sample):
    """The matrix of each event."""

    energy: Array
    """EM-scale energy [event, EnergyOrigin, EnergyDestination], GeV."""
    is_shared: Array
    """Whether the matrix comes from shares, so that energy can be unassigned, [event]."""

    @classmethod
    def empty(cls) -> FlowSample:
        """Of no event."""
        return cls(np.empty(0, dtype=np.int64), np.empty((0, *SHAPE)), np.empty(0, dtype=bool))


def origin_of_particles(particles: Collection, track_particles: Collection) -> Array:
    """EnergyOrigin of each generator particle, [particle]."""
    primary = track_particles.select(
        (track_particles.is_primary == 1) & (track_particles.particle_index >= 0)
    )
    has_track = np.zeros(len(particles), dtype=bool)
    has_track[particles.flat_index(primary.event_index, primary.particle_index)] = True
    charged = np.where(has_track, EnergyOrigin.WITH_TRACK, EnergyOrigin.WITHOUT_TRACK)
    is_photon = particles.pdg_id == PHOTON_CLASS
    neutral = np.where(is_photon, EnergyOrigin.PHOTON, EnergyOrigin.NEUTRAL_HADRON)
    return np.where(particles.charge != 0, charged, neutral)


def cluster_truth(
    particles: Collection, track_particles: Collection, clusters: Collection, deposits: Deposits
) -> ClusterTruth:
    """Origin of the energy in `clusters`, from the deposits in them.

    A secondary counts for its generator particle. Energy without deposits, as noise, is in no row.
    """
    origin = origin_of_particles(particles, track_particles)[deposits.particle]
    is_clustered = deposits.cluster >= 0
    shape = (len(clusters), len(EnergyOrigin))
    flat = np.ravel_multi_index((deposits.cluster[is_clustered], origin[is_clustered]), shape)
    sums = np.bincount(flat, deposits.energy_em[is_clustered], int(np.prod(shape)))
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
        part = _parts_of_clusters(candidates, clusters)
    else:
        part = _parts_of_shares(candidates, shares, truth)
    energy = np.zeros((clusters.num_events, *SHAPE))
    np.add.at(energy, clusters.event_index, _match(truth.energy_em, part))
    events = np.arange(clusters.num_events)
    return FlowSample(events + first_event, energy, np.full(len(events), shares is not None))


def _parts_of_clusters(candidates: Collection, clusters: Collection) -> Array:
    """Parts that candidates take, each of one cluster only, [cluster, EnergyDestination]."""
    cluster = clusters.flat_index(candidates.event_index, candidates.cluster_index)
    part = np.zeros((len(clusters), len(EnergyDestination)))
    hadronic = clusters.energy_hadronic
    lower = np.where(hadronic > 0, np.minimum(clusters.energy_em, hadronic), clusters.energy_em)
    for pdg_id, column in NEUTRAL_DESTINATIONS.items():
        is_taker = (candidates.track_index < 0) & (cluster >= 0) & (candidates.pdg_id == pdg_id)
        row, energy = cluster[is_taker], candidates.energy[is_taker]
        fraction = np.divide(energy, lower[row], out=np.ones(len(row)), where=lower[row] > 0)
        part[:, column] = np.bincount(row, np.clip(fraction, 0.0, 1.0), len(clusters))
    part /= np.maximum(part.sum(axis=1, keepdims=True), 1.0)
    part[:, EnergyDestination.TRACK] = 1.0 - part.sum(axis=1)
    return part


def _parts_of_shares(candidates: Collection, shares: Collection, truth: ClusterTruth) -> Array:
    """Parts of clusters by the destination of their shares, [cluster, EnergyDestination].

    Shares of an owner that became no candidate are unassigned; those of a charged candidate without
    a track count as a track's.
    """
    clusters, num_tracks = truth.clusters, truth.num_tracks
    num_elements = num_tracks + clusters.counts
    first = offsets_from_counts(num_elements)
    destination = _destination_of_elements(candidates, num_tracks, num_elements)
    event, cluster, owner = shares.event_index, shares.cluster_element, shares.owner_element
    is_beyond = (cluster >= num_elements[event]) | (cluster < num_tracks[event])
    if np.any(is_beyond | (owner >= num_elements[event])):
        raise _beyond_elements()
    row = clusters.offsets[event] + cluster - num_tracks[event]
    column = destination[np.where(owner >= 0, first[event] + owner, first[-1])]
    shape = (len(clusters), len(EnergyDestination))
    flat = np.ravel_multi_index((row, column), shape)
    energy = np.bincount(flat, shares.energy_em, int(np.prod(shape))).reshape(shape)
    total = energy.sum(axis=1, keepdims=True)
    energy[total[:, 0] <= 0, EnergyDestination.UNASSIGNED] = 1.0
    return energy / np.where(total > 0, total, 1.0)


def _destination_of_elements(
    candidates: Collection, num_tracks: Array, num_elements: Array
) -> Array:
    """EnergyDestination of what each element owns, [element + 1]; the last is that of no owner."""
    first = offsets_from_counts(num_elements)
    event, on_track = candidates.event_index, candidates.track_index >= 0
    on_cluster = num_tracks[event] + candidates.cluster_index
    element = np.where(on_track, candidates.track_index, on_cluster)
    has_element = on_track | (candidates.cluster_index >= 0)
    if np.any(element[has_element] >= num_elements[event[has_element]]):
        raise _beyond_elements()
    kind = np.full(len(candidates), int(EnergyDestination.TRACK))
    for pdg_id, neutral in NEUTRAL_DESTINATIONS.items():
        kind[~on_track & (candidates.pdg_id == pdg_id)] = neutral
    destination = np.full(first[-1] + 1, int(EnergyDestination.UNASSIGNED))
    destination[(first[event] + element)[has_element]] = kind[has_element]
    return destination


def _beyond_elements() -> DataError:
    return DataError(
        "shares or candidates point beyond the elements of their event; "
        "give candidates made from these events"
    )


def _match(by_origin: Array, part: Array) -> Array:
    """Energies [cluster, EnergyOrigin, EnergyDestination]: `by_origin` [cluster, EnergyOrigin],
    of which each destination takes its `part` [cluster, EnergyDestination].
    """
    taken = part * by_origin.sum(axis=1, keepdims=True)
    flow = np.zeros((len(by_origin), *SHAPE))
    for row, column in RIGHT_DESTINATION.items():
        flow[:, row, column] = np.minimum(by_origin[:, row], taken[:, column])
    left, open_ = by_origin - flow.sum(axis=2), taken - flow.sum(axis=1)
    total = left.sum(axis=1)[:, None, None]
    product = left[:, :, None] * open_[:, None, :]
    return flow + np.divide(product, total, out=np.zeros_like(product), where=total > 0)


def flow_metrics(sample: FlowSample, bootstrap: Bootstrap) -> dict[str, Any]:
    """Mean energies per event [GeV] by origin and destination; {} if unknown.

    Without shares no energy can be unassigned, and that column is left out.
    """
    num_events = len(sample.event)
    if not num_events:
        return {}
    replicas = bootstrap.ratio(sample.energy, np.ones_like(sample.energy), sample.event)
    values = np.concatenate([sample.energy.mean(axis=0)[None], replicas])
    enough = num_events >= MIN_EVENTS
    columns = dict(DESTINATION_KEYS)
    if not sample.is_shared.any():
        del columns[EnergyDestination.UNASSIGNED]
    return {
        row_key: {
            key: entry
            for column, column_key in columns.items()
            for key, entry in metric(column_key, values[:, row, column], bootstrap, enough).items()
        }
        for row, row_key in ORIGIN_KEYS.items()
    }
