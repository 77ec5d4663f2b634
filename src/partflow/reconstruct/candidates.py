"""Tracks and neutral clusters to particles, by rule.

A track is a charged hadron unless tagged, and its momentum is better than any cluster's. A
neutral cluster is a photon on the EM scale or a neutral hadron on the hadronic scale, and
comes from the origin. Daughters of another track (see `secondaries`) yield nothing: their energy
is in their parent's momentum.
"""

from __future__ import annotations

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
from partflow.reconstruct.event import Kind
from partflow.reconstruct.parameters import CandidateConfig
from partflow.reconstruct.secondaries import Secondaries


def build_candidates(
    tracks: Collection,
    clusters: Collection,
    kind: Array,
    cluster_track: Array,
    is_electron: Array,
    neutral_energy: Array,
    secondaries: Secondaries,
    energy_of_legs: Array,
    config: CandidateConfig,
) -> Collection:
    """Candidates of each event, from its tracks, then from its clusters.

    `kind` (`Kind`), `cluster_track` (index in the event, or -1) and `neutral_energy`, that of a
    cluster if it is a neutral particle (GeV), are parallel to the clusters, `is_electron` and the
    `secondaries` to the tracks. `energy_of_legs` [cluster] (GeV) is counted with tracks already.
    """
    is_electron = is_electron | secondaries.is_leg
    charged = _charged(tracks, clusters, cluster_track, is_electron, secondaries, config)
    neutral = _neutral(clusters, kind, neutral_energy, energy_of_legs, config)
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
    cluster_track: Array,
    is_electron: Array,
    secondaries: Secondaries,
    config: CandidateConfig,
) -> dict[str, Array]:
    """Columns of the candidates from tracks, and their events."""
    electron_mass, muon_mass = masses(np.array([ELECTRON, MUON]))
    is_muon = (tracks.num_yoke_hits >= config.muon_min_yoke_hits) & ~is_electron
    momentum = tracks.pt * np.sqrt(1 + tracks.tan_lambda**2)
    mass = np.select([is_electron, is_muon], [electron_mass, muon_mass], PION_MASS)
    cluster_index = np.full(len(tracks), -1)
    owned = np.flatnonzero(cluster_track >= 0)
    track_row = tracks.offsets[:-1][clusters.event_index[owned]] + cluster_track[owned]
    cluster_index[track_row] = owned - clusters.offsets[:-1][clusters.event_index[owned]]
    kept = ~secondaries.is_daughter
    columns = {
        "event": tracks.event_index,
        "pdg_id": np.select([is_electron, is_muon], [ELECTRON, MUON], CHARGED_HADRON),
        "charge": tracks.charge,
        "pt": tracks.pt,
        "eta": np.arcsinh(tracks.tan_lambda),
        "phi": np.arctan2(np.sin(tracks.phi), np.cos(tracks.phi)),
        "energy": np.hypot(momentum, mass),
        "probability": np.ones(len(tracks)),
        "track_index": np.arange(len(tracks)) - np.repeat(tracks.offsets[:-1], tracks.counts),
        "cluster_index": cluster_index,
    }
    return {name: values[kept] for name, values in columns.items()}


def _neutral(
    clusters: Collection,
    kind: Array,
    neutral_energy: Array,
    energy_of_legs: Array,
    config: CandidateConfig,
) -> dict[str, Array]:
    """Columns of the candidates from clusters, and their events."""
    is_photon = kind == Kind.PHOTON
    energy = neutral_energy * (1.0 - energy_of_legs / clusters.energy_em)
    is_massless = is_photon | (energy < config.massless_below)
    momentum = np.sqrt(np.maximum(energy**2 - np.where(is_massless, 0.0, KAON0_MASS) ** 2, 0.0))
    kept = (is_photon | (kind == Kind.NEUTRAL)) & (energy >= config.min_neutral_energy)
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
        "cluster_index": np.arange(len(clusters))
        - np.repeat(clusters.offsets[:-1], clusters.counts),
    }
    return {name: values[kept] for name, values in columns.items()}
