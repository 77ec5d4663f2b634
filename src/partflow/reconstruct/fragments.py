"""Fragment removal: neutral clusters and photons that are pieces of a charged shower.

Such a cluster is merged into the cluster of the track. For neutral clusters the evidence is
summed: contact with the track's cluster, energy in a cone about the track's line, a start deep in
the calorimeter, and how much better energy and momentum agree after merging.

Photon-like pieces of a charged shower, from the neutral pions in it, are soft and near the line of
the track, while real photons may be anywhere. The odds that a photon of energy E at the distance d
from the line is such a piece are taken as

    (1 + f) (1 GeV/E) (d_0/(d + r))^n,

where f is the decrease of the track's chi^2 by merging: a track that lacks much energy reaches
farther.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.reconstruct.association import track_cluster_chi
from partflow.reconstruct.event_state import (
    ClusterKind,
    box_distance,
    centroid,
    distance_to_line,
    hit_distance,
    merge_clusters,
)


@njit(cache=True)
def absorb_fragments(event, parameters, scale, calo):
    """Merge each fragment into the cluster of the track with the best score, in a few passes.

    Neutral clusters come before photons: the pieces of a shower should fill the gap between its
    energy and its momentum before a photon nearby does.

    A track whose cluster has not changed since it was compared with a fragment would get the same
    score again, which was too low: from the second pass on only the other tracks are compared.
    """
    num_tracks, num_clusters = len(event.tracks), event.num_clusters[0]
    last_change = np.ones(num_tracks, np.int64)
    last_comparison = np.zeros(num_clusters, np.int64)
    clock = 1
    for _ in range(parameters.fragments.sweeps):
        clock_before = clock
        for kind in (ClusterKind.NEUTRAL, ClusterKind.PHOTON):
            for c in range(num_tracks, num_clusters):
                if event.clusters[c].kind != kind:
                    continue
                t = _best_track(event, c, last_change, last_comparison[c], parameters, calo)
                last_comparison[c] = clock
                if t >= 0:
                    merge_clusters(event, c, t, scale)
                    clock += 1
                    last_change[t] = clock
        if clock == clock_before:
            break


@njit(cache=True)
def _best_track(event, c, last_change, last_comparison, parameters, calo):
    """Track that cluster `c` is a fragment of, or -1."""
    config, association = parameters.fragments, parameters.association
    cluster = event.clusters[c]
    best = 0.0 if cluster.kind == ClusterKind.PHOTON else config.min_score
    best_track = np.int64(-1)
    x, y, z = centroid(cluster)
    for t in range(len(event.tracks)):
        track, charged = event.tracks[t], event.clusters[t]
        is_unchanged = last_change[t] <= last_comparison
        is_charged = charged.kind == ClusterKind.CHARGED
        if is_unchanged or not is_charged or not track.reaches_calorimeter:
            continue
        merged_energy = charged.energy_hadronic + cluster.energy_hadronic
        after = track_cluster_chi(merged_energy, track.momentum, association)
        if after > association.max_chi:
            continue
        dx, dy, dz = x - track.x, y - track.y, z - track.z
        if dx * dx + dy * dy + dz * dz > config.max_distance**2:
            continue
        before = track_cluster_chi(charged.energy_hadronic, track.momentum, association)
        decrease = before * before - after * after
        if cluster.kind == ClusterKind.PHOTON:
            score = _photon_score(event, c, t, decrease, config)
        else:
            limit = config.max_chi_fall
            score = config.chi_score * min(max(decrease, -limit), limit)
            score += _neutral_score(event, c, t, best - score, config, calo)
        if score > best:
            best, best_track = score, np.int64(t)
    return best_track


@njit(cache=True)
def _neutral_score(event, c, t, needed, config, calo):
    """Score of neutral cluster `c` as a fragment of track `t`; -inf where it is below `needed`.

    Without the part of chi^2, which `_best_track` adds.
    """
    cluster = event.clusters[c]
    fraction, distance = _cone_fraction(event, c, t, config)
    if fraction < config.min_cone_fraction and distance > config.max_axis_distance:
        return -np.inf
    score = config.cone_score * fraction
    if cluster.first_layer >= calo.num_ecal_groups:
        score += config.hcal_score
    if cluster.first_layer >= calo.num_ecal_groups + config.deep_layers:
        score += config.deep_score
    if distance > config.aside_distance:
        score += config.aside_score
    if cluster.energy_hadronic < config.soft_energy:
        score += config.soft_score
    max_contact_score = _contact_score(box_distance(cluster, event.clusters[t]), config)
    if score + max_contact_score < needed:
        return -np.inf
    near, far = config.contact_distances[0], 2.0 * config.apart_distance
    return score + _contact_score(hit_distance(event, c, t, near, far), config)


@njit(cache=True)
def _contact_score(distance, config):
    """Score of a neutral cluster for the `distance` between the nearest hits [mm]."""
    for k in range(len(config.contact_distances)):
        if distance < config.contact_distances[k]:
            return config.contact_scores[k]
    return config.apart_score if distance > config.apart_distance else 0.0


@njit(cache=True)
def _photon_score(event, c, t, decrease, config):
    """Logarithm of the odds that photon `c` is a fragment of track `t`; -inf if below 0.

    `decrease` is that of the track's chi^2.
    """
    cluster = event.clusters[c]
    if decrease <= 0.0:
        return -np.inf
    score = math.log((1.0 + decrease) / cluster.energy_hadronic)
    reach = config.photon_distance * math.exp(score / config.photon_distance_power)
    x, y, z = centroid(cluster)
    # The mean distance of the hits is not smaller than that of the centroid.
    if distance_to_line(x, y, z, event.tracks[t])[0] > reach:
        return -np.inf
    _, distance = _cone_fraction(event, c, t, config)
    far = (distance + config.photon_radius) / config.photon_distance
    return score - config.photon_distance_power * math.log(far)


@njit(cache=True)
def _cone_fraction(event, c, t, config):
    """Energy fraction of cluster `c` in the cone about the line of track `t`.

    Also returns the mean distance of its energy from the line [mm].
    """
    hits, track = event.hits, event.tracks[t]
    inside, total, moment = 0.0, 0.0, 0.0
    i = event.clusters[c].first_hit
    while i >= 0:
        hit = hits[i]
        distance, depth = distance_to_line(hit.x, hit.y, hit.z, track)
        total += hit.energy_em
        moment += hit.energy_em * distance
        if depth > 0.0 and distance < config.cone_width + config.cone_slope * depth:
            inside += hit.energy_em
        i = hit.next_hit
    return inside / total, moment / total
