"""Energy balance: corrections of neutral particles near tracks by E - p of these tracks.

Particle flow relies on the assignment of hits to particles, which is often wrong in the core of a
jet: the cluster of a track contains energy of neutral particles, which is lost, or a piece of a
charged shower is counted again as a neutral particle. In both cases the balance d = E - p of the
tracks nearby is wrong by the same energy; it also fluctuates with the calorimeter's resolution. A
neutral particle near a track is therefore given the part

    w d,   w = k^2/(k^2 + sigma^2),

of the balance, where k is the energy of the neutral particles around the track, taken as uncertain
by a constant fraction of it, and sigma the resolution of a hadron of momentum p: the mean of both
measurements, weighted by their uncertainties. An isolated neutral particle keeps its energy. Where
there are many tracks, tracks and neutral particles together get the energy that the calorimeter
measured. Tracks keep their momenta.

A neutral hadron is fully uncertain, in a wide circle about the track's cluster. A photon is narrow
and less uncertain: only close to the line of a track, where the early shower of a hadron lies on
top of the photon and both make one peak. Pandora has no such step.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.records import Array, Collection
from partflow.reconstruct.clusters import ClusterIdentity
from partflow.reconstruct.event_state import ClusterKind
from partflow.reconstruct.parameters import (
    AssociationConfig,
    EnergyBalanceConfig,
    kernel_constants,
)

MAX_WIDTHS = 3.0
"""Distances beyond so many widths are skipped: their weight is below 0.012."""
MAX_DEPTH = 500.0
"""Length of a track's line before and behind the calorimeter face [mm]: the line would continue to
the far side of the detector."""


class _Clusters(NamedTuple):
    """The clusters of many events; those of event i are the rows from offset i to i + 1."""

    offsets: Array
    kind: Array
    """[cluster], ClusterKind."""
    position: Array
    """[cluster, 3], centroid [mm]."""
    energy: Array
    """[cluster], EM scale for photons, otherwise hadronic [GeV]."""
    balance: Array
    """[cluster], E - p of a charged cluster [GeV]."""
    variance: Array
    """[cluster], squared resolution of a charged cluster [GeV^2]."""
    line: Array
    """[cluster, 6], position at the calorimeter face [mm] and direction of its track."""


def balance_energies(
    tracks: Collection,
    clusters: Collection,
    identity: ClusterIdentity,
    is_kink_daughter: Array,
    config: EnergyBalanceConfig,
    association: AssociationConfig,
) -> Array:
    """Energy of each cluster after the correction of neutral particles, [cluster] (GeV).

    Photons are on the EM scale, all others on the hadronic scale. `identity` is parallel to the
    clusters, `is_kink_daughter` [track] (see `secondary_tracks`) to the tracks.
    """
    momentum = tracks.pt * np.sqrt(1 + tracks.tan_lambda**2)
    is_charged = identity.kind == ClusterKind.CHARGED
    track = tracks.flat_index(clusters.event_index, identity.track_index)[is_charged]
    expected, variance = np.zeros(len(clusters)), np.zeros(len(clusters))
    # The energy of a kink daughter is contained in the momentum of its parent.
    expected[is_charged] = np.where(is_kink_daughter[track], 0.0, momentum[track])
    variance[is_charged] = association.stochastic_term**2 * np.maximum(
        momentum[track], association.min_momentum
    )
    position = np.stack([clusters.columns[axis].astype(np.float64) for axis in "xyz"], axis=1)
    hadronic: Array = clusters.energy_hadronic.astype(np.float64)
    energy = np.where(identity.kind == ClusterKind.PHOTON, clusters.energy_em, hadronic)
    line = np.zeros((len(clusters), 6))
    for k, name in enumerate(("x", "y", "z", "dx", "dy", "dz")):
        line[is_charged, k] = tracks.columns[f"face_{name}"][track]
    arrays = _Clusters(
        clusters.offsets, identity.kind, position, energy, energy - expected, variance, line
    )
    return energy + _shifts(arrays, kernel_constants(config))


@njit(cache=True)
def _shifts(clusters, config):
    """Energy to add to each cluster, [cluster] (GeV); no energy becomes negative."""
    kind, energy, position = clusters.kind, clusters.energy, clusters.position
    radius = np.sqrt((position**2).sum(axis=1))
    shift, weight = np.zeros(len(energy)), np.zeros(len(energy))
    for n in range(len(clusters.offsets) - 1):
        begin, end = clusters.offsets[n], clusters.offsets[n + 1]
        for t in range(begin, end):
            if kind[t] != ClusterKind.CHARGED:
                continue
            total = 0.0
            for c in range(begin, end):
                weight[c] = 0.0
                if kind[c] == ClusterKind.NEUTRAL:
                    width, uncertainty = config.width, config.neutral_uncertainty
                    distance = _projective_distance(position[t], radius[t], position[c], radius[c])
                elif kind[c] == ClusterKind.PHOTON:
                    width, uncertainty = config.photon_width, config.photon_uncertainty
                    distance = _distance_to_line(position[c], clusters.line[t])
                else:
                    continue
                if distance < MAX_WIDTHS * width:
                    nearness = math.exp(-0.5 * (distance / width) ** 2)
                    weight[c] = (uncertainty * energy[c] * nearness) ** 2
                    total += weight[c]
            if total > 0.0:
                part = clusters.balance[t] / (total + clusters.variance[t])
                for c in range(begin, end):
                    shift[c] += part * weight[c]
    for c in range(len(energy)):
        shift[c] = max(shift[c], -energy[c])
    return shift


@njit(cache=True)
def _projective_distance(first, first_radius, second, second_radius):
    """Chord between the directions of two positions times the smaller of their radii [mm]."""
    square = 0.0
    for k in range(3):
        square += (first[k] / first_radius - second[k] / second_radius) ** 2
    return math.sqrt(square) * min(first_radius, second_radius)


@njit(cache=True)
def _distance_to_line(position, line):
    """Distance of a position from the line of a track [mm]; infinite beyond the line's ends."""
    square, depth = 0.0, 0.0
    for k in range(3):
        difference = position[k] - line[k]
        square += difference * difference
        depth += difference * line[3 + k]
    if abs(depth) > MAX_DEPTH:
        return np.inf
    return math.sqrt(max(square - depth * depth, 0.0))
