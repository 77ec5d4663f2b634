"""Neutral clusters and photons that are a piece of a charged shower return to its track.

Evidence is added up: contact with the track's cluster, energy in a cone about its line, a
start deep in the calorimeter, and how much better energy and momentum agree afterwards.

Photon-like pieces of a charged shower, from the neutral pions in it, are soft and near the
track's line, while real photons lie anywhere. The odds that a photon of energy E at a distance d
from the line is such a piece are taken as

    (1 + f) (1 GeV/E) (d_0/(d + r))^n,

where f is the fall of chi^2 that it brings the track: a track that lacks much energy looks farther.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.reconstruct.association import energy_excess
from partflow.reconstruct.event import Kind, box_distance, centroid, hit_distance, merge
from partflow.reconstruct.photons import distance_to_line


@njit(cache=True)
def absorb_fragments(event, parameters, scale, calo):
    """Merge each fragment into the track cluster with the best score, in a few sweeps.

    Neutral clusters come before photons: a shower's own pieces should fill the gap between its
    energy and the momentum before a photon nearby is taken for one.

    A track whose cluster has not changed since a fragment was compared with it would score
    the same again, too little: from the second sweep on only the others are looked at.
    """
    num_tracks, size = len(event.tracks), event.num_clusters[0]
    changed = np.ones(num_tracks, np.int64)
    compared = np.zeros(size, np.int64)
    clock = 1
    for _ in range(parameters.fragments.sweeps):
        clock_before = clock
        for kind in (Kind.NEUTRAL, Kind.PHOTON):
            for c in range(num_tracks, size):
                if event.clusters[c].kind != kind:
                    continue
                t = _best_track(event, c, changed, compared[c], parameters, calo)
                compared[c] = clock
                if t >= 0:
                    merge(event, c, t, scale)
                    clock += 1
                    changed[t] = clock
        if clock == clock_before:
            break


@njit(cache=True)
def _best_track(event, c, changed, compared, parameters, calo):
    """Track that cluster `c` is a fragment of, or -1."""
    config, association = parameters.fragments, parameters.association
    cluster = event.clusters[c]
    best = 0.0 if cluster.kind == Kind.PHOTON else config.min_score
    best_track = np.int64(-1)
    x, y, z = centroid(cluster)
    for t in range(len(event.tracks)):
        track, charged = event.tracks[t], event.clusters[t]
        if changed[t] <= compared or charged.kind != Kind.CHARGED or not track.reaches:
            continue
        after = energy_excess(charged.energy + cluster.energy, track.momentum, association)
        if after > association.max_chi:
            continue
        dx, dy, dz = x - track.x, y - track.y, z - track.z
        if dx * dx + dy * dy + dz * dz > config.max_distance**2:
            continue
        before = energy_excess(charged.energy, track.momentum, association)
        fall = before * before - after * after
        if cluster.kind == Kind.PHOTON:
            score = _photon_score(event, c, t, fall, config)
        else:
            score = config.chi_score * min(max(fall, -config.max_chi_fall), config.max_chi_fall)
            score += _neutral_score(event, c, t, best - score, config, calo)
        if score > best:
            best, best_track = score, np.int64(t)
    return best_track


@njit(cache=True)
def _neutral_score(event, c, t, needed, config, calo):
    """Score of neutral cluster `c` as a fragment of track `t`; -inf where below `needed`."""
    cluster = event.clusters[c]
    fraction, distance = _cone_fraction(event, c, t, config)
    if fraction < config.min_cone_fraction and distance > config.max_axis_distance:
        return -np.inf
    score = config.cone_score * fraction
    if cluster.first_layer >= calo.ecal_groups:
        score += config.hcal_score
    if cluster.first_layer >= calo.ecal_groups + config.deep_layers:
        score += config.deep_score
    if distance > config.aside_distance:
        score += config.aside_score
    if cluster.energy < config.soft_energy:
        score += config.soft_score
    at_best = _contact_score(box_distance(cluster, event.clusters[t]), config)
    if score + at_best < needed:
        return -np.inf
    nearest, farthest = config.contact_distances[0], 2.0 * config.apart_distance
    return score + _contact_score(hit_distance(event, c, t, nearest, farthest), config)


@njit(cache=True)
def _contact_score(distance, config):
    """Score of a neutral cluster for the distance between nearest hits."""
    for k in range(len(config.contact_distances)):
        if distance < config.contact_distances[k]:
            return config.contact_scores[k]
    return config.apart_score if distance > config.apart_distance else 0.0


@njit(cache=True)
def _photon_score(event, c, t, fall, config):
    """Logarithm of the odds that photon `c` is a fragment of track `t`; -inf if below 0.

    `fall` is that of the track's chi^2.
    """
    cluster = event.clusters[c]
    if fall <= 0.0:
        return -np.inf
    score = math.log((1.0 + fall) / cluster.energy)
    reach = config.photon_distance * math.exp(score / config.photon_distance_power)
    x, y, z = centroid(cluster)
    if distance_to_line(x, y, z, event.tracks[t])[0] > reach:  # the mean distance is no less
        return -np.inf
    _, distance = _cone_fraction(event, c, t, config)
    far = (distance + config.photon_radius) / config.photon_distance
    return score - config.photon_distance_power * math.log(far)


@njit(cache=True)
def _cone_fraction(event, c, t, config):
    """Energy fraction of cluster `c` in the cone about track `t`; mean distance from its line."""
    hits, track = event.hits, event.tracks[t]
    inside, total, moment = 0.0, 0.0, 0.0
    i = event.clusters[c].first_hit
    while i >= 0:
        hit = hits[i]
        distance, along = distance_to_line(hit.x, hit.y, hit.z, track)
        total += hit.energy
        moment += hit.energy * distance
        if along > 0.0 and distance < config.cone_width + config.cone_slope * along:
            inside += hit.energy
        i = hit.next_hit
    return inside / total, moment / total
