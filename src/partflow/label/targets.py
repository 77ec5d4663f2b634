"""Targets: the particle that each element should become."""

from __future__ import annotations

import numpy as np

from partflow.core.features import element_index_of_clusters, element_index_of_tracks
from partflow.core.kinematics import eta_from_momentum
from partflow.core.particles import CHARGED_HADRON, ELECTRON, NEUTRAL_HADRON, PHOTON, classes
from partflow.core.records import Array, Collection
from partflow.core.schemas import TARGETS
from partflow.core.truth import STABLE_STATUS
from partflow.label.assignment import Assignment
from partflow.label.links import ClusterLinks
from partflow.label.merging import FourMomenta
from partflow.label.portions import Portions


def class_on_track(pdg_class: Array) -> Array:
    """Class of a particle on a track: a neutral hadron or photon counts as a charged hadron.

    >>> class_on_track(np.array([211, 130, 22, 11, 13])).tolist()
    [211, 211, 211, 11, 13]
    """
    return np.where(np.isin(pdg_class, (NEUTRAL_HADRON, PHOTON)), CHARGED_HADRON, pdg_class)


def class_on_cluster(pdg_class: Array) -> Array:
    """Class of a particle on a cluster: an electron counts as a photon, others as neutral hadrons.

    >>> class_on_cluster(np.array([211, 130, 22, 11, 13])).tolist()
    [130, 130, 22, 22, 130]
    """
    return np.where(np.isin(pdg_class, (ELECTRON, PHOTON)), PHOTON, NEUTRAL_HADRON)


def build_targets(
    portions: Portions,
    tracks: Collection,
    clusters: Collection,
    assignment: Assignment,
    links: ClusterLinks,
    momenta: FourMomenta,
) -> tuple[Collection, Array]:
    """Targets in the order of `core.features.build_elements`, and the portion (row) of each.

    `assignment`, `links` and `momenta` (after merging) are those of the portions. `jet_index` is
    -1 throughout: jets are clustered from the targets. The second result is -1 where an element
    has no particle.
    """
    particle = np.full(len(tracks) + len(clusters), -1, dtype=np.int64)
    element_of_track = element_index_of_tracks(tracks, clusters)
    element_of_cluster = element_index_of_clusters(tracks, clusters)
    on_track, on_cluster = assignment.track >= 0, assignment.cluster >= 0
    particle[element_of_track[assignment.track[on_track]]] = np.flatnonzero(on_track)
    particle[element_of_cluster[assignment.cluster[on_cluster]]] = np.flatnonzero(on_cluster)

    has_particle = particle >= 0
    row = particle[has_particle]
    columns = {f.name: np.zeros(len(particle), dtype=f.dtype) for f in TARGETS.fields}
    columns["jet_index"][:] = -1
    columns["particle_index"][:] = -1

    p = momenta.take(row)
    pt = np.hypot(p.px, p.py)
    phi = np.arctan2(p.py, p.px)
    pdg_class, charge = _class_and_charge(portions.particles, tracks, assignment)
    for name, values in {
        "pdg_id": pdg_class[row],
        "charge": charge[row],
        "pt": pt,
        "eta": eta_from_momentum(p.px, p.py, p.pz),
        "sin_phi": np.sin(phi),
        "cos_phi": np.cos(phi),
        "energy": p.energy,
        "is_pu": portions.particles.is_overlay[row],
        "generator_status": STABLE_STATUS,
        "gp_to_track": on_track[row],
        "gp_to_cluster": links.clustered_energy_em[row],
        "particle_index": portions.parent[row],
    }.items():
        columns[name][has_particle] = values
    return Collection(TARGETS, tracks.offsets + clusters.offsets, columns), particle


def _class_and_charge(
    particles: Collection, tracks: Collection, assignment: Assignment
) -> tuple[Array, Array]:
    """Class and charge each particle has on its element, [particle]."""
    true_class = classes(particles.pdg_id, particles.charge)
    on_track = assignment.track >= 0
    pdg_class = np.where(on_track, class_on_track(true_class), class_on_cluster(true_class))
    track_charge = np.zeros(len(particles), dtype=np.int8)
    track_charge[on_track] = tracks.charge[assignment.track[on_track]]
    # For a neutral particle on a track the charge is that of the track's curvature.
    charge = np.where(particles.charge != 0, particles.charge, track_charge)
    return pdg_class, np.where(on_track, charge, 0)
