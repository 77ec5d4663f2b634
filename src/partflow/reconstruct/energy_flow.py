"""Energy flow: neutral particles among tracks share in what energy and momentum disagree on.

Particle flow trusts the assignment of hits. In the core of a jet it is wrong both ways: a
cluster of a track holds energy of neutral particles, which is lost, and a piece of a charged
shower is counted again as a neutral particle. The balance of energy and momentum of the tracks
around knows of both: it is off by the same energy. It also fluctuates with the calorimeter's
resolution. So of the balance d = E - p of a track, a neutral particle nearby is given

    w d,   w = k^2/(k^2 + sigma^2),

where k is the energy of the neutral particles around the track, taken as uncertain by a constant
fraction of it, and sigma the resolution of a hadron of momentum p: the mean of both
measurements, weighted by their uncertainties. Alone in the calorimeter, a neutral particle keeps
its energy; where tracks crowd it, tracks and neutral particles together have the energy that the
calorimeter saw. Tracks keep their momenta.

A neutral hadron is wholly uncertain, in a wide circle about the track's cluster. A photon is
narrow, and less uncertain: only close to the line of a track, where the shower of a hadron that
showers early lies on top of it and both make one peak.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.core.records import Array, Collection
from partflow.reconstruct.event import Kind
from partflow.reconstruct.parameters import AssociationConfig, EnergyFlowConfig

REACH = 3.0
"""Distances beyond so many widths are not looked at: their weight is below 0.012."""
OF_HADRONS, OF_PHOTONS = range(2)
"""Places of what is set for neutral hadrons and for photons."""
MAX_ALONG = 500.0
"""A track's line ends so far from its entry [mm]: it goes on to the far side of the detector."""


def balanced_energies(
    tracks: Collection,
    clusters: Collection,
    kind: Array,
    cluster_track: Array,
    config: EnergyFlowConfig,
    association: AssociationConfig,
    is_daughter: Array,
) -> Array:
    """Energy of each cluster, corrected for neutral ones among tracks [cluster] (GeV).

    A photon's is on the EM scale, all others are on the hadronic scale. `kind` (`Kind`) and
    `cluster_track` (index in the event, or -1) are parallel to the clusters, `is_daughter` (see
    `secondaries`) to the tracks.
    """
    momentum = tracks.pt * np.sqrt(1 + tracks.tan_lambda**2)
    is_charged = kind == Kind.CHARGED
    row = tracks.flat_index(clusters.event_index, cluster_track)
    expected, variance = np.zeros(len(clusters)), np.zeros(len(clusters))
    own = row[is_charged]
    # A daughter's energy is in its parent's momentum already.
    expected[is_charged] = np.where(is_daughter[own], 0.0, momentum[own])
    variance[is_charged] = association.stochastic_term**2 * np.maximum(
        momentum[own], association.min_momentum
    )
    place = np.stack([clusters.columns[axis].astype(np.float64) for axis in "xyz"], axis=1)
    hadronic: Array = clusters.energy_hadronic.astype(np.float64)
    energy = np.where(kind == Kind.PHOTON, clusters.energy_em, hadronic)
    line = np.zeros((len(clusters), 6))
    for k, name in enumerate(("x", "y", "z", "dx", "dy", "dz")):
        line[is_charged, k] = tracks.columns[f"face_{name}"][own]
    return energy + _shifts(
        clusters.offsets,
        place,
        kind,
        energy,
        energy - expected,
        variance,
        line,
        np.array([config.width, config.photon_width]),
        np.array([config.neutral_uncertainty, config.photon_uncertainty]),
    )


@njit(cache=True)
def _shifts(offsets, place, kind, energy, balance, variance, line, width, uncertainty):
    """What each cluster's energy is changed by [cluster]; no energy falls below zero.

    `line` [cluster, 6] is that of a charged cluster's track, `width` and `uncertainty` are those
    of neutral hadrons and of photons.
    """
    radius = np.sqrt((place**2).sum(axis=1))
    shift, weight = np.zeros(len(energy)), np.zeros(len(energy))
    for n in range(len(offsets) - 1):
        begin, end = offsets[n], offsets[n + 1]
        for t in range(begin, end):
            if kind[t] != Kind.CHARGED:
                continue
            total = 0.0
            for c in range(begin, end):
                weight[c] = 0.0
                if kind[c] == Kind.NEUTRAL:
                    own = OF_HADRONS
                    distance = _projective_distance(place[t], radius[t], place[c], radius[c])
                elif kind[c] == Kind.PHOTON:
                    own = OF_PHOTONS
                    distance = _line_distance(place[c], line[t])
                else:
                    continue
                if distance < REACH * width[own]:
                    near = math.exp(-0.5 * (distance / width[own]) ** 2)
                    weight[c] = (uncertainty[own] * energy[c] * near) ** 2
                    total += weight[c]
            if total > 0.0:
                part = balance[t] / (total + variance[t])
                for c in range(begin, end):
                    shift[c] += part * weight[c]
    for c in range(len(energy)):
        shift[c] = max(shift[c], -energy[c])
    return shift


@njit(cache=True)
def _projective_distance(one, radius_one, other, radius_other):
    """Chord between the directions of two places times the smaller of their radii [mm]."""
    square = 0.0
    for k in range(3):
        square += (one[k] / radius_one - other[k] / radius_other) ** 2
    return math.sqrt(square) * min(radius_one, radius_other)


@njit(cache=True)
def _line_distance(place, line):
    """Distance of a place from the line of a track [mm]; infinite far along it."""
    square, along = 0.0, 0.0
    for k in range(3):
        difference = place[k] - line[k]
        square += difference * difference
        along += difference * line[3 + k]
    if abs(along) > MAX_ALONG:
        return np.inf
    return math.sqrt(max(square - along * along, 0.0))
