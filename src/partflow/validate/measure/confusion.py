"""Where the energy goes: by what made it (truth) and by what it was taken for."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from partflow.core.particles import PHOTON as PHOTON_CLASS
from partflow.core.records import Array, Events
from partflow.evaluate.energy_flow import EnergyOrigin, origin_of_particles


class Found(IntEnum):
    """The candidate that a deposit's cluster became: the columns of the matrix."""

    OWN_CHARGED = 0
    """Charged, and its track descends from the same particle."""
    OTHER_CHARGED = 1
    PHOTON = 2
    NEUTRAL_HADRON = 3
    NOTHING = 4
    """No candidate: a prong's cluster, a soft one, or no cluster."""


TRUTH_NAMES = {
    EnergyOrigin.PHOTON: "photon",
    EnergyOrigin.NEUTRAL_HADRON: "neutral hadron",
    EnergyOrigin.WITH_TRACK: "charged with track",
    EnergyOrigin.WITHOUT_TRACK: "charged without track",
}
FOUND_NAMES = {
    Found.OWN_CHARGED: "own charged",
    Found.OTHER_CHARGED: "other charged",
    Found.PHOTON: "photon",
    Found.NEUTRAL_HADRON: "neutral hadron",
    Found.NOTHING: "nothing",
}


def confusion(events: Events) -> Array:
    """EM-scale energy of each event by truth and by the baseline's candidate, [event, 4, 5] (GeV).

    Unlike the prototype's matrix, a secondary counts for the generator particle it descends
    from: a conversion's electrons are photon, and "own" if their tracks became candidates.
    """
    deposits = events.contributions
    truth, found = (
        origin_of_particles(events.particles, events.track_particles),
        found_of_deposits(events),
    )
    particle = events.particles.flat_index(deposits.event_index, deposits.particle_index)
    shape = (len(events), len(EnergyOrigin), len(Found))
    flat = np.ravel_multi_index((deposits.event_index, truth[particle], found), shape)
    return np.bincount(flat, deposits.energy_em, int(np.prod(shape))).reshape(shape)


def found_of_deposits(events: Events) -> Array:
    """Column of the matrix of each deposit (contribution), [deposit]."""
    deposits, candidates = events.contributions, events.baseline
    hit = events.hits.flat_index(deposits.event_index, deposits.hit_index)
    candidate = candidate_of_hits(events)[hit]
    has_candidate = candidate >= 0
    row = candidate[has_candidate]
    is_own = track_particle(events)[row] == deposits.particle_index[has_candidate]
    as_charged = np.where(is_own, Found.OWN_CHARGED, Found.OTHER_CHARGED)
    is_photon = candidates.pdg_id[row] == PHOTON_CLASS
    as_neutral = np.where(is_photon, Found.PHOTON, Found.NEUTRAL_HADRON)
    column = np.full(len(deposits), int(Found.NOTHING))
    column[has_candidate] = np.where(candidates.charge[row] != 0, as_charged, as_neutral)
    return column


def candidate_of_hits(events: Events) -> Array:
    """Row of the candidate that each hit's cluster became, or -1, [hit]."""
    candidates, clusters, listed = events.baseline, events.clusters, events.hit_clusters
    candidate_of_cluster = np.full(len(clusters) + 1, -1)  # the last: no cluster
    cluster = clusters.flat_index(candidates.event_index, candidates.cluster_index)
    candidate_of_cluster[cluster[cluster >= 0]] = np.flatnonzero(cluster >= 0)
    return candidate_of_cluster[clusters.flat_index(listed.event_index, listed.cluster_index)]


def track_particle(events: Events) -> Array:
    """Generator particle (index in its event) of each candidate's track, or -1, [candidate]."""
    candidates, tracks = events.baseline, events.tracks
    particle = np.append(events.track_particles.particle_index, -1)  # the last: no track
    return particle[tracks.flat_index(candidates.event_index, candidates.track_index)]
