"""Candidates made from the truth: the targets, perfect sharing, perfect particle flow."""

from __future__ import annotations

import numpy as np

from partflow.core.deposits import Deposits
from partflow.core.features import element_index_of_clusters, element_index_of_tracks
from partflow.core.hadron_scale import NUM_BINS, HadronScale, energy_bin
from partflow.core.kinematics import eta_from_momentum
from partflow.core.particles import CHARGED_HADRON, ELECTRON, MUON, PHOTON, classes, masses
from partflow.core.records import Array, Collection
from partflow.core.schemas import CANDIDATES, HIT_SPECTRUM
from partflow.label.assignment import assign
from partflow.label.config import LabelConfig
from partflow.label.links import link_clusters
from partflow.label.portions import Portions, make_portions
from partflow.label.targets import class_on_track

TINY = np.finfo(float).tiny
MIN_CALORIMETER_ENERGY = 0.02
"""EM-scale energy above which perfect particle flow sees a particle without a track [GeV]."""


def target_candidates(targets: Collection, tracks: Collection, clusters: Collection) -> Collection:
    """The targets as candidates: the limit that the labels themselves set."""
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
    """Perfect sharing: the targets as the elements measure them, with every cluster divided as
    the truth says. It is the limit of any reconstruction of these elements.

    A target on a track has the track's momentum. One on a cluster has its share of every cluster,
    and no mass. Shares of photons are summed on the EM scale. Those of a neutral hadron take their
    part of each bin of the clusters' hit energies and are compensated together, as one shower. The
    direction is that of the mean of the clusters' centroids, weighted with these shares. `shares`
    are those of the same labels.
    """
    candidates = target_candidates(targets, tracks, clusters)
    element = np.flatnonzero(targets.pdg_id != 0)
    shares = shares.select(shares.owner_element >= 0)
    owner = targets.flat_index(shares.event_index, shares.owner_element)
    cluster_of_element = np.full(len(targets), -1, dtype=np.int64)
    cluster_of_element[element_index_of_clusters(tracks, clusters)] = np.arange(len(clusters))
    cluster = cluster_of_element[targets.flat_index(shares.event_index, shares.cluster_element)]
    part = shares.energy_em / clusters.energy_em[cluster]

    def summed(values: Array) -> Array:
        return np.bincount(owner, values[cluster] * part, len(targets))[element]

    em_energy = summed(clusters.energy_em)
    spectrum = np.stack([summed(clusters.columns[name]) for name in HIT_SPECTRUM], axis=1)
    is_em = np.isin(targets.pdg_id[element], (PHOTON, ELECTRON))
    energy = np.where(is_em, em_energy, hadron_scale.energy(spectrum))
    position = (summed(clusters.energy_em * clusters.columns[axis]) for axis in "xyz")
    columns = {**candidates.columns, **_calorimeter_columns(energy, *position)}
    has_track = candidates.track_index >= 0
    track = tracks.flat_index(candidates.event_index, candidates.track_index)[has_track]
    measured = _track_columns(tracks, track, candidates.pdg_id[has_track])
    for name, values in measured.items():
        columns[name][has_track] = values
    return Collection(CANDIDATES, candidates.offsets, columns).select(has_track | (em_energy > 0))


def perfect_candidates(
    particles: Collection,
    tracks: Collection,
    track_particles: Collection,
    hits: Collection,
    deposits: Deposits,
    hadron_scale: HadronScale,
    config: LabelConfig | None = None,
) -> Collection:
    """Perfect particle flow: what this detector measures of each particle, without confusion.

    A particle with a track of its own has the track's momentum and the mass of its class (a
    charged hadron that of the pion). Any other has the energy that it left in the calorimeters, in
    clusters or not, at the scale of its class, in the direction of its energy-weighted centroid,
    without mass; below MIN_CALORIMETER_ENERGY it is not seen. Where `config` says so, secondary
    tracks measure their part of a particle; other secondaries count for the particle they descend
    from. The class is the true one. The cluster is the one that the particle is the target of,
    otherwise the one that holds most of it.
    """
    centroids = _centroids(hits, deposits)
    portions = make_portions(
        particles, tracks, track_particles, deposits, centroids, config or LabelConfig()
    )
    particles, deposits = portions.particles, portions.deposits

    true_class = classes(particles.pdg_id, particles.charge)
    em_energy = _sum_per_particle(deposits, np.ones(len(hits)))
    hadronic_energy = hadron_scale.energy(_bin_sums(deposits, hits))
    energy = np.where(np.isin(true_class, (PHOTON, ELECTRON)), em_energy, hadronic_energy)
    x, y, z = (_sum_per_particle(deposits, hits.columns[axis]) for axis in "xyz")
    has_track = portions.track >= 0
    columns = {
        "pdg_id": np.where(has_track, class_on_track(true_class), true_class),
        "charge": particles.charge.copy(),
        **_calorimeter_columns(energy, x, y, z),
        "probability": np.ones(len(particles)),
        "track_index": np.full(len(particles), -1),
        "cluster_index": _cluster_index(portions),
    }
    track = portions.track[has_track]
    for name, values in _track_columns(tracks, track, true_class[has_track]).items():
        columns[name][has_track] = values
    is_seen = has_track | (em_energy > MIN_CALORIMETER_ENERGY)
    return Collection(CANDIDATES, particles.offsets, columns).select(is_seen)


def _sum_per_particle(deposits: Deposits, weight: Array) -> Array:
    """Sum of each particle's deposits, times the `weight` [hit] of their hit, [particle]."""
    weighted = deposits.energy_em * weight[deposits.hit]
    return np.bincount(deposits.particle, weighted, deposits.num_particles)


def _bin_sums(deposits: Deposits, hits: Collection) -> Array:
    """Each particle's energies in the bins of the hadronic scale, [particle, bin].

    The bin is that of the whole hit, as a cluster would be calibrated.
    """
    energy_bins = energy_bin(hits.energy_em, hits.subdetector)[deposits.hit]
    flat = deposits.particle * NUM_BINS + energy_bins
    sums = np.bincount(flat, deposits.energy_em, deposits.num_particles * NUM_BINS)
    return sums.reshape(deposits.num_particles, NUM_BINS)


def _calorimeter_columns(energy: Array, x: Array, y: Array, z: Array) -> dict[str, Array]:
    """Columns of massless candidates of `energy` in the direction of (x, y, z), of any length."""
    return {
        "pt": energy * np.hypot(x, y) / np.maximum(np.sqrt(x**2 + y**2 + z**2), TINY),
        "eta": eta_from_momentum(x, y, z),
        "phi": np.arctan2(y, x),
        "energy": energy.astype(np.float64),  # a sum over nothing is an integer to numpy
    }


def _track_columns(tracks: Collection, track: Array, true_class: Array) -> dict[str, Array]:
    """Columns of candidates of `true_class` that the tracks in rows `track` measure."""
    is_lepton = np.isin(true_class, (ELECTRON, MUON))
    # The number of the class charged hadron is that of the pion, whose mass it is given.
    mass = masses(np.where(is_lepton, true_class, CHARGED_HADRON))
    pt, tan_lambda = tracks.pt[track], tracks.tan_lambda[track]
    return {
        "charge": tracks.charge[track],
        "pt": pt,
        "eta": np.arcsinh(tan_lambda),
        "phi": tracks.phi[track],
        "energy": np.sqrt(pt**2 * (1 + tan_lambda**2) + mass**2),
        "track_index": tracks.index_in_event[track],
    }


def _centroids(hits: Collection, deposits: Deposits) -> Array:
    """Energy-weighted mean position of the hits of each cluster, [cluster, 3] (mm)."""
    is_clustered = deposits.hit_to_cluster >= 0
    cluster, num = deposits.hit_to_cluster[is_clustered], deposits.num_clusters
    energy = hits.energy_em[is_clustered].astype(np.float64)
    total = np.maximum(np.bincount(cluster, energy, num), TINY)
    positions = (hits.columns[axis][is_clustered] for axis in "xyz")
    return np.stack([np.bincount(cluster, energy * x, num) / total for x in positions], 1)


def _cluster_index(portions: Portions) -> Array:
    """Index in its event of the cluster each portion is the target of, or else its best."""
    particles, deposits, track = portions.particles, portions.deposits, portions.track
    links = link_clusters(deposits)
    num_tracks = int(track.max(initial=-1)) + 1
    assignment = assign(particles, track, links, num_tracks, deposits.num_clusters)
    cluster = np.where(assignment.cluster >= 0, assignment.cluster, links.best_cluster)
    first = deposits.cluster_offsets[:-1][particles.event_index]
    return np.where(cluster >= 0, cluster - first, -1)
