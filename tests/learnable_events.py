"""Labelled events of a toy detector that a network can learn, for tests of data set and network.

Tracks are straight and end on a cylinder. The first clusters of an event are those of its tracks;
all others are neutral: photons in the ECAL, hadrons 200 mm deeper whose energy is measured 20 %
too low.
"""

import numpy as np

from partflow.core import schemas
from partflow.core.detector import FACE_BARREL
from partflow.core.features import TRACK, build_elements
from partflow.core.records import Collection, Events, offsets_from_counts

FACE_RADIUS, PHOTON_RADIUS, HADRON_RADIUS = 1500.0, 1560.0, 1760.0
POSITION, DIRECTION = ("face_x", "face_y", "face_z"), ("face_dx", "face_dy", "face_dz")


def make_learnable_events(num_tracks, num_clusters, seed=0):
    """Events with these numbers of tracks and clusters [event]."""
    rng = np.random.default_rng(seed)
    num_tracks, num_clusters = np.asarray(num_tracks), np.asarray(num_clusters)
    tracks, track_eta = make_tracks(num_tracks, rng)
    clusters, cluster_targets = make_clusters(num_clusters, tracks, track_eta, rng)
    elements = build_elements(tracks, clusters)
    targets = make_targets(elements, cluster_targets)
    event, num_events = elements.event_index, len(num_tracks)
    met = {
        "px": np.bincount(event, targets.pt * targets.cos_phi, num_events),
        "py": np.bincount(event, targets.pt * targets.sin_phi, num_events),
    }
    gen_met = filled(schemas.GEN_MET, np.ones(num_events, int), met)
    return Events(
        1000 * seed + np.arange(num_events),
        np.full(num_events, "toy", dtype=object),
        {"elements": elements, "targets": targets, "gen_met": gen_met},
    )


def filled(schema, counts, columns):
    """A collection in which columns that are not given hold zeros."""
    zeros = {name: np.zeros(int(np.sum(counts))) for name in schema.names}
    return Collection(schema, offsets_from_counts(counts), {**zeros, **columns})


def random_momenta(count, rng):
    """Transverse momentum, pseudorapidity and azimuth of `count` particles in the barrel."""
    pt, eta = np.exp(rng.uniform(0, 4, count)), rng.uniform(-0.9, 0.9, count)
    return pt, eta, rng.uniform(-np.pi, np.pi, count)


def at_radius(radius, eta, phi):
    """The point (x, y, z) in a direction at a distance from the beam."""
    return radius * np.cos(phi), radius * np.sin(phi), radius * np.sinh(eta)


def make_tracks(num_tracks, rng):
    """Tracks, and their pseudorapidities."""
    pt, eta, phi = random_momenta(num_tracks.sum(), rng)
    charge = rng.choice([-1, 1], len(pt))
    face = dict(zip(POSITION, at_radius(FACE_RADIUS, eta, phi), strict=True))
    direction = dict(zip(DIRECTION, at_radius(1 / np.cosh(eta), eta, phi), strict=True))
    columns = {
        "charge": charge, "pt": pt, "phi": phi, "tan_lambda": np.sinh(eta), **face, **direction,
        "omega": charge * 1.2e-3 / pt, "radius_of_innermost_hit": np.full(len(pt), 31.0),
        "radius_of_outermost_hit": np.full(len(pt), 1486.0),
        "face_region": np.full(len(pt), FACE_BARREL),
    }  # fmt: skip
    return filled(schemas.TRACKS, num_tracks, columns), eta


def make_clusters(num_clusters, tracks, track_eta, rng):
    """Clusters, and columns [cluster] of their targets: class, pt and energy."""
    index = np.arange(num_clusters.sum()) - np.repeat(
        offsets_from_counts(num_clusters)[:-1], num_clusters
    )
    is_charged = index < np.repeat(tracks.counts, num_clusters)
    track = (index + np.repeat(tracks.offsets[:-1], num_clusters))[is_charged]
    pt, eta, phi = random_momenta(len(index), rng)
    pt[is_charged], eta[is_charged] = tracks.pt[track], track_eta[track]
    phi[is_charged] = tracks.phi[track]
    is_photon = ~is_charged & (rng.uniform(size=len(index)) < 0.5)
    true_energy = pt * np.cosh(eta)
    energy = true_energy * np.where(is_photon, 1.0, 0.8)
    in_ecal = np.where(is_photon, energy, 0.3 * energy)
    in_hcal = np.where(is_photon, 0.0, 0.7 * energy)
    x, y, z = at_radius(np.where(is_photon, PHOTON_RADIUS, HADRON_RADIUS), eta, phi)
    columns = {
        "x": x, "y": y, "z": z, "theta": 2 * np.arctan(np.exp(-eta)), "phi": phi,
        "energy_em": energy, "energy_hadronic": energy * 1.1,
        "energy_em_ecal": in_ecal, "energy_em_hcal": in_hcal,
        "ecal_depth_2": in_ecal, "hcal_depth_1": in_hcal,
        "ecal_hits_4": in_ecal, "hcal_hits_3": in_hcal,
        "width": np.full(len(x), 15.0), "length": np.where(is_photon, 20.0, 90.0),
        "num_hits": 1 + (5 * energy).astype(int),
        "sigma_x": np.full(len(x), 15.0), "sigma_y": np.full(len(x), 15.0),
    }  # fmt: skip
    pdg_id = np.where(is_charged, 0, np.where(is_photon, 22, 130))
    targets = {"pdg_id": pdg_id, "pt": pt, "energy": true_energy}
    return filled(schemas.CLUSTERS, num_clusters, columns), targets


def make_targets(elements, cluster_targets):
    """The target of each element: charged hadrons for tracks, else `cluster_targets`."""
    is_track = elements.type == TRACK
    target = {
        "pdg_id": np.full(len(elements), 211), "charge": np.where(is_track, 1, 0),
        "pt": elements.pt.astype(float), "energy": elements.energy.astype(float),
        "eta": elements.eta, "sin_phi": elements.sin_phi, "cos_phi": elements.cos_phi,
    }  # fmt: skip
    for name, values in cluster_targets.items():
        target[name][~is_track] = values
    for name in ("charge", "pt", "eta", "sin_phi", "cos_phi", "energy"):
        target[name] = np.where(target["pdg_id"] == 0, 0, target[name])
    target |= {name: np.full(len(elements), -1) for name in ("jet_index", "particle_index")}
    return filled(schemas.TARGETS, elements.counts, target)
