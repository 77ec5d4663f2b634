"""The two ceilings, as candidates: the targets themselves, and perfect particle flow."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.features import element_index_of_clusters, element_index_of_tracks
from partflow.core.hadron_scale import NUM_BINS, HadronScale, energy_bin
from partflow.core.kinematics import eta_from_momentum
from partflow.core.particles import CHARGED_HADRON, ELECTRON, MUON, PHOTON, classes, masses
from partflow.core.records import CANDIDATES, Array, Collection, offsets_from_counts
from partflow.label.assignment import assign
from partflow.label.links import link_clusters, own_track, rows_in_event
from partflow.label.targets import class_on_track

TINY = np.finfo(float).tiny
MIN_CALORIMETER_ENERGY = 0.02
"""EM-scale energy above which perfect particle flow sees a particle without a track [GeV]."""


def target_candidates(targets: Collection, tracks: Collection, clusters: Collection) -> Collection:
    """The targets as candidates: the ceiling that the labels themselves set."""
    track_index = np.full(len(targets), -1, dtype=np.int64)
    cluster_index = np.full(len(targets), -1, dtype=np.int64)
    track_index[element_index_of_tracks(tracks, clusters)] = _index_in_event(tracks)
    cluster_index[element_index_of_clusters(tracks, clusters)] = _index_in_event(clusters)
    columns = {
        **{name: targets.columns[name] for name in ("pdg_id", "charge", "pt", "eta", "energy")},
        "phi": np.arctan2(targets.sin_phi, targets.cos_phi),
        "probability": np.ones(len(targets)),
        "track_index": track_index,
        "cluster_index": cluster_index,
    }
    return Collection(CANDIDATES, targets.offsets, columns).select(targets.pdg_id != 0)


def perfect_candidates(
    particles: Collection,
    tracks: Collection,
    hits: Collection,
    hit_clusters: Collection,
    contributions: Collection,
    track_particles: Collection,
    hadron_scale: HadronScale,
) -> Collection:
    """Perfect particle flow: what this detector measures of each particle, without confusion.

    A particle with a track of its own has the track's momentum and the mass of its class (a
    charged hadron that of the pion). Any other has the energy it left in the calorimeters, in
    clusters or not, at the scale of its class, in the direction of its energy-weighted
    centroid, without mass; below MIN_CALORIMETER_ENERGY it is not seen. Secondaries count for
    the particle they descend from. Class by truth; the cluster is the one that the particle is
    the target of, otherwise the one that holds most of it.
    """
    track = own_track(particles, track_particles)
    event = contributions.event_index
    particle = rows_in_event(particles.counts, event, contributions.particle_index, "particle")
    hit = rows_in_event(hits.counts, event, contributions.hit_index, "hit")
    deposits = _Deposits(particle, hit, contributions.energy.astype(np.float64), len(particles))

    own_class = classes(particles.pdg_id, particles.charge)
    em_energy = deposits.sum(np.ones(len(hits)))
    hadronic_energy = hadron_scale.energy(deposits.bin_sums(hits))
    energy = np.where(np.isin(own_class, (PHOTON, ELECTRON)), em_energy, hadronic_energy)
    x, y, z = (deposits.sum(coordinate) for coordinate in (hits.x, hits.y, hits.z))
    has_track = track >= 0
    columns = {
        "pdg_id": np.where(has_track, class_on_track(own_class), own_class),
        "charge": particles.charge.copy(),
        "pt": energy * np.hypot(x, y) / np.maximum(np.sqrt(x**2 + y**2 + z**2), TINY),
        "eta": eta_from_momentum(x, y, z),
        "phi": np.arctan2(y, x),
        "energy": energy,
        "probability": np.ones(len(particles)),
        "track_index": np.full(len(particles), -1),
        "cluster_index": _cluster_index(particles, track, hit_clusters, contributions),
    }
    for name, values in _track_columns(tracks, track[has_track], own_class[has_track]).items():
        columns[name][has_track] = values
    is_seen = has_track | (em_energy > MIN_CALORIMETER_ENERGY)
    return Collection(CANDIDATES, particles.offsets, columns).select(is_seen)


class _Deposits(NamedTuple):
    """Energies that particles left in hits."""

    particle: Array
    """Row of the particle, [deposit]."""
    hit: Array
    """Row of the hit, [deposit]."""
    energy: Array
    """EM scale, [deposit] (GeV)."""
    num_particles: int

    def sum(self, weight: Array) -> Array:
        """Sum over each particle's deposits of energy times the `weight` [hit] of their hit."""
        return np.bincount(self.particle, self.energy * weight[self.hit], self.num_particles)

    def bin_sums(self, hits: Collection) -> Array:
        """Each particle's energies in the bins of the hadronic scale, [particle, bin].

        The bin is that of the whole hit, as a cluster would be calibrated.
        """
        energy_bins = energy_bin(hits.energy, hits.subdetector)[self.hit]
        flat = self.particle * NUM_BINS + energy_bins
        sums = np.bincount(flat, self.energy, self.num_particles * NUM_BINS)
        return sums.reshape(self.num_particles, NUM_BINS)


def _track_columns(tracks: Collection, track: Array, own_class: Array) -> dict[str, Array]:
    """What the tracks in rows `track` say of particles of `own_class`."""
    is_lepton = np.isin(own_class, (ELECTRON, MUON))
    # The number of the class charged hadron is that of the pion, whose mass it is given.
    mass = masses(np.where(is_lepton, own_class, CHARGED_HADRON))
    pt, tan_lambda = tracks.pt[track], tracks.tan_lambda[track]
    return {
        "charge": tracks.charge[track],
        "pt": pt,
        "eta": np.arcsinh(tan_lambda),
        "phi": tracks.phi[track],
        "energy": np.sqrt(pt**2 * (1 + tan_lambda**2) + mass**2),
        "track_index": _index_in_event(tracks)[track],
    }


def _cluster_index(
    particles: Collection, track: Array, hit_clusters: Collection, contributions: Collection
) -> Array:
    """Index in its event of the cluster each particle is the target of, or else its best."""
    # A cluster is never without a hit, so the highest index tells how many there are.
    counts = np.zeros(particles.num_events, dtype=np.int64)
    np.maximum.at(counts, hit_clusters.event_index, hit_clusters.cluster_index + 1)
    links = link_clusters(particles, counts, hit_clusters, contributions)
    assignment = assign(particles, track, links, int(track.max(initial=-1)) + 1, int(counts.sum()))
    cluster = np.where(assignment.cluster >= 0, assignment.cluster, links.best_cluster)
    first = offsets_from_counts(counts)[:-1][particles.event_index]
    return np.where(cluster >= 0, cluster - first, -1)


def _index_in_event(objects: Collection) -> Array:
    """Index of each object in its own event."""
    return np.arange(len(objects)) - objects.offsets[:-1][objects.event_index]
