"""The ceilings, as candidates: the targets themselves, perfect sharing, perfect particle flow."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.features import element_index_of_clusters, element_index_of_tracks
from partflow.core.hadron_scale import NUM_BINS, HadronScale, energy_bin
from partflow.core.kinematics import eta_from_momentum
from partflow.core.particles import CHARGED_HADRON, ELECTRON, MUON, PHOTON, classes, masses
from partflow.core.records import Array, Collection, offsets_from_counts
from partflow.core.schemas import CANDIDATES, HIT_SPECTRUM
from partflow.label.assignment import assign
from partflow.label.config import LabelConfig
from partflow.label.links import link_clusters, rows_in_event
from partflow.label.portions import Portions, Truth, portions_of
from partflow.label.targets import class_on_track

TINY = np.finfo(float).tiny
MIN_CALORIMETER_ENERGY = 0.02
"""EM-scale energy above which perfect particle flow sees a particle without a track [GeV]."""


def target_candidates(targets: Collection, tracks: Collection, clusters: Collection) -> Collection:
    """The targets as candidates: the ceiling that the labels themselves set."""
    track_index = np.full(len(targets), -1, dtype=np.int64)
    cluster_index = np.full(len(targets), -1, dtype=np.int64)
    track_index[element_index_of_tracks(tracks, clusters)] = tracks.index_in_event
    cluster_index[element_index_of_clusters(tracks, clusters)] = clusters.index_in_event
    columns = {
        **{name: targets.columns[name] for name in ("pdg_id", "charge", "pt", "eta", "energy")},
        "phi": np.arctan2(targets.sin_phi, targets.cos_phi),
        "probability": np.ones(len(targets)),
        "track_index": track_index,
        "cluster_index": cluster_index,
    }
    return Collection(CANDIDATES, targets.offsets, columns).select(targets.pdg_id != 0)


def sharing_candidates(
    targets: Collection,
    shares: Collection,
    tracks: Collection,
    clusters: Collection,
    hadron_scale: HadronScale,
) -> Collection:
    """Perfect sharing: the targets as elements alone can measure them, and nothing confused.

    A target on a track has the track's momentum. One on a cluster has its share of every
    cluster: a photon's are summed on the EM scale; a neutral hadron's take their part of each
    bin of the clusters' hit energies and are compensated together, as one shower. It points to
    the mean of those clusters' centroids, weighted with these shares, and has no mass. The ceiling
    of whatever reconstructs these elements. `shares` are those of the same labels.
    """
    candidates = target_candidates(targets, tracks, clusters)
    element = np.flatnonzero(targets.pdg_id != 0)
    owner = targets.flat_index(shares.event_index, shares.owner_element)
    cluster_of_element = np.full(len(targets), -1, dtype=np.int64)
    cluster_of_element[element_index_of_clusters(tracks, clusters)] = np.arange(len(clusters))
    is_owned = owner >= 0
    owner, given = owner[is_owned], shares.select(is_owned)
    cluster = cluster_of_element[targets.flat_index(given.event_index, given.cluster_element)]
    part = given.energy_em / clusters.energy_em[cluster]

    def summed(values: Array) -> Array:
        return np.bincount(owner, values[cluster] * part, len(targets))[element]

    em_energy = summed(clusters.energy_em)
    spectrum = np.stack([summed(clusters.columns[name]) for name in HIT_SPECTRUM], axis=1)
    is_em = np.isin(targets.pdg_id[element], (PHOTON, ELECTRON))
    energy = np.where(is_em, em_energy, hadron_scale.energy(spectrum))
    place = (summed(clusters.energy_em * clusters.columns[axis]) for axis in "xyz")
    columns = {**candidates.columns, **_calorimeter_columns(energy, *place)}
    has_track = candidates.track_index >= 0
    track = tracks.flat_index(candidates.event_index, candidates.track_index)[has_track]
    measured = _track_columns(tracks, track, candidates.pdg_id[has_track])
    for name, values in measured.items():
        columns[name][has_track] = values
    return Collection(CANDIDATES, candidates.offsets, columns).select(has_track | (em_energy > 0))


def perfect_candidates(
    particles: Collection,
    tracks: Collection,
    hits: Collection,
    hit_clusters: Collection,
    contributions: Collection,
    track_particles: Collection,
    hadron_scale: HadronScale,
    config: LabelConfig | None = None,
) -> Collection:
    """Perfect particle flow: what this detector measures of each particle, without confusion.

    A particle with a track of its own has the track's momentum and the mass of its class (a
    charged hadron that of the pion). Any other has the energy it left in the calorimeters, in
    clusters or not, at the scale of its class, in the direction of its energy-weighted
    centroid, without mass; below MIN_CALORIMETER_ENERGY it is not seen. Where `config` says so,
    tracks of secondaries stand for their part of a particle; other secondaries count for the
    particle they descend from. Class by truth; the cluster is the one that the particle is the
    target of, otherwise the one that holds most of it.
    """
    counts = _cluster_counts(hit_clusters)
    truth = Truth(particles, tracks, track_particles, hit_clusters, contributions)
    centroids = _centroids(hits, hit_clusters, counts)
    portions = portions_of(truth, counts, centroids, config or LabelConfig())
    placed, lit = portions.particles, portions.contributions
    event = lit.event_index
    particle = rows_in_event(placed.counts, event, lit.particle_index, "particle")
    hit = rows_in_event(hits.counts, event, lit.hit_index, "hit")
    deposits = _Deposits(particle, hit, lit.energy_em.astype(np.float64), len(placed))

    own_class = classes(placed.pdg_id, placed.charge)
    em_energy = deposits.sum(np.ones(len(hits)))
    hadronic_energy = hadron_scale.energy(deposits.bin_sums(hits))
    energy = np.where(np.isin(own_class, (PHOTON, ELECTRON)), em_energy, hadronic_energy)
    x, y, z = (deposits.sum(coordinate) for coordinate in (hits.x, hits.y, hits.z))
    has_track = portions.own_track >= 0
    columns = {
        "pdg_id": np.where(has_track, class_on_track(own_class), own_class),
        "charge": placed.charge.copy(),
        **_calorimeter_columns(energy, x, y, z),
        "probability": np.ones(len(placed)),
        "track_index": np.full(len(placed), -1),
        "cluster_index": _cluster_index(portions, counts, hit_clusters),
    }
    track = portions.own_track[has_track]
    for name, values in _track_columns(tracks, track, own_class[has_track]).items():
        columns[name][has_track] = values
    is_seen = has_track | (em_energy > MIN_CALORIMETER_ENERGY)
    return Collection(CANDIDATES, placed.offsets, columns).select(is_seen)


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
        energy_bins = energy_bin(hits.energy_em, hits.subdetector)[self.hit]
        flat = self.particle * NUM_BINS + energy_bins
        sums = np.bincount(flat, self.energy, self.num_particles * NUM_BINS)
        return sums.reshape(self.num_particles, NUM_BINS)


def _calorimeter_columns(energy: Array, x: Array, y: Array, z: Array) -> dict[str, Array]:
    """Massless particles of `energy` in the direction of (x, y, z), of any length."""
    return {
        "pt": energy * np.hypot(x, y) / np.maximum(np.sqrt(x**2 + y**2 + z**2), TINY),
        "eta": eta_from_momentum(x, y, z),
        "phi": np.arctan2(y, x),
        "energy": energy.astype(np.float64),  # a sum over nothing is an integer to numpy
    }


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
        "track_index": tracks.index_in_event[track],
    }


def _cluster_counts(hit_clusters: Collection) -> Array:
    """Clusters of each event, [event]: none is without a hit, so the highest index tells."""
    counts = np.zeros(hit_clusters.num_events, dtype=np.int64)
    np.maximum.at(counts, hit_clusters.event_index, hit_clusters.cluster_index + 1)
    return counts


def _centroids(hits: Collection, hit_clusters: Collection, counts: Array) -> Array:
    """Energy-weighted mean position of the hits of each cluster, [cluster, 3] (mm)."""
    cluster = rows_in_event(
        counts, hit_clusters.event_index, hit_clusters.cluster_index, "cluster", lowest=-1
    )
    listed = cluster >= 0
    cluster, energy = cluster[listed], hits.energy_em[listed].astype(np.float64)
    total = np.maximum(np.bincount(cluster, energy, counts.sum()), TINY)
    positions = (hits.columns[axis][listed] for axis in "xyz")
    return np.stack([np.bincount(cluster, energy * x, counts.sum()) / total for x in positions], 1)


def _cluster_index(portions: Portions, counts: Array, hit_clusters: Collection) -> Array:
    """Index in its event of the cluster each portion is the target of, or else its best."""
    placed, track = portions.particles, portions.own_track
    links = link_clusters(placed, counts, hit_clusters, portions.contributions)
    assignment = assign(placed, track, links, int(track.max(initial=-1)) + 1, int(counts.sum()))
    cluster = np.where(assignment.cluster >= 0, assignment.cluster, links.best_cluster)
    first = offsets_from_counts(counts)[:-1][placed.event_index]
    return np.where(cluster >= 0, cluster - first, -1)
