"""Candidates from tracks and neutral clusters.

A track is a charged hadron unless it is tagged as an electron or a muon; the candidate has the
momentum of the track, which is better measured than the energy of any cluster. A neutral cluster is
a photon, with its energy on the EM scale, or a neutral hadron, with its energy on the hadronic
scale; it comes from the origin. Kink daughters (see `secondary_tracks`) give no candidate, because
their energy is contained in the momentum of their parent.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.kinematics import eta_from_theta
from partflow.core.particles import (
    CHARGED_HADRON,
    ELECTRON,
    KAON0_MASS,
    MUON,
    NEUTRAL_HADRON,
    PHOTON,
    PION_MASS,
    masses,
)
from partflow.core.records import Array, Collection, offsets_from_counts
from partflow.core.schemas import CANDIDATES
from partflow.reconstruct.clusters import ClusterIdentity
from partflow.reconstruct.event_state import ClusterKind
from partflow.reconstruct.parameters import CandidateConfig


class TrackTags(NamedTuple):
    """What is known about the tracks, parallel to them."""

    is_electron: Array
    """[track], from the shower in the ECAL or from a conversion."""
    is_kink_daughter: Array
    """[track]."""


def build_candidates(
    tracks: Collection,
    clusters: Collection,
    identity: ClusterIdentity,
    neutral_energy: Array,
    tags: TrackTags,
    config: CandidateConfig,
) -> Collection:
    """CANDIDATES of each event, first from its tracks, then from its clusters.

    `neutral_energy` [cluster] (GeV) is the energy of the candidate if a cluster is a photon or a
    neutral hadron.
    """
    charged = _charged(tracks, clusters, identity, tags, config)
    neutral = _neutral(clusters, identity, neutral_energy, config)
    columns = {name: np.concatenate([charged[name], neutral[name]]) for name in charged}
    event = columns.pop("event")
    order = np.argsort(event, kind="stable")
    counts = np.bincount(event, minlength=tracks.num_events)
    return Collection(
        CANDIDATES,
        offsets_from_counts(counts),
        {name: values[order] for name, values in columns.items()},
    )


def _charged(
    tracks: Collection,
    clusters: Collection,
    identity: ClusterIdentity,
    tags: TrackTags,
    config: CandidateConfig,
) -> dict[str, Array]:
    """Columns of the candidates from tracks, and their events."""
    electron_mass, muon_mass = masses(np.array([ELECTRON, MUON]))
    is_electron = tags.is_electron
    is_muon = (tracks.num_yoke_hits >= config.muon_min_yoke_hits) & ~is_electron
    momentum = tracks.pt * np.sqrt(1 + tracks.tan_lambda**2)
    mass = np.select([is_electron, is_muon], [electron_mass, muon_mass], PION_MASS)
    cluster_index = np.full(len(tracks), -1)
    has_track = identity.track_index >= 0
    track = tracks.flat_index(clusters.event_index, identity.track_index)[has_track]
    cluster_index[track] = clusters.index_in_event[has_track]
    is_candidate = ~tags.is_kink_daughter
    columns = {
        "event": tracks.event_index,
        "pdg_id": np.select([is_electron, is_muon], [ELECTRON, MUON], CHARGED_HADRON),
        "charge": tracks.charge,
        "pt": tracks.pt,
        "eta": np.arcsinh(tracks.tan_lambda),
        "phi": np.arctan2(np.sin(tracks.phi), np.cos(tracks.phi)),
        "energy": np.hypot(momentum, mass),
        "probability": np.ones(len(tracks)),
        "track_index": tracks.index_in_event,
        "cluster_index": cluster_index,
    }
    return {name: values[is_candidate] for name, values in columns.items()}


def _neutral(
    clusters: Collection, identity: ClusterIdentity, energy: Array, config: CandidateConfig
) -> dict[str, Array]:
    """Columns of the candidates from clusters, and their events; `energy` [cluster] (GeV)."""
    is_photon = identity.kind == ClusterKind.PHOTON
    is_neutral = is_photon | (identity.kind == ClusterKind.NEUTRAL)
    is_massless = is_photon | (energy < config.massless_below)
    momentum = np.sqrt(np.maximum(energy**2 - np.where(is_massless, 0.0, KAON0_MASS) ** 2, 0.0))
    is_candidate = is_neutral & (energy >= config.min_neutral_energy)
    columns = {
        "event": clusters.event_index,
        "pdg_id": np.where(is_photon, PHOTON, NEUTRAL_HADRON),
        "charge": np.zeros(len(clusters)),
        "pt": momentum * np.sin(clusters.theta),
        "eta": eta_from_theta(clusters.theta),
        "phi": clusters.phi,
        "energy": energy,
        "probability": np.ones(len(clusters)),
        "track_index": np.full(len(clusters), -1),
        "cluster_index": clusters.index_in_event,
    }
    return {name: values[is_candidate] for name, values in columns.items()}
