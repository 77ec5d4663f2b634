"""Reclustering of charged hadrons: clusters with more energy than their track has momentum.

Such a cluster contains neutral particles. Its hits are clustered again in narrower and narrower
cones, and the trial whose track cluster agrees best with the momentum is used. If none agrees, the
hits nearest to the track's line stay with the track until E = p, and all others become a neutral
cluster: Pandora's forced clustering.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from partflow.core.hadron_scale import NUM_BINS, hadronic_energy
from partflow.reconstruct.association import track_cluster_chi
from partflow.reconstruct.cones import grow_cones
from partflow.reconstruct.event_state import (
    ClusterKind,
    add_cluster,
    add_hit,
    clear_cluster,
    distance_to_line,
    hits_of_cluster,
    update_hadronic_energy,
)
from partflow.reconstruct.sorting import stable_argsort


@njit(cache=True)
def recluster(event, parameters, scale, calo):
    """Recluster every charged hadron with too much energy, and split off neutral clusters."""
    config = parameters.reclustering
    for t in range(len(event.tracks)):
        cluster, momentum = event.clusters[t], event.tracks[t].momentum
        chi = track_cluster_chi(cluster.energy_hadronic, momentum, parameters.association)
        is_hadron = cluster.kind == ClusterKind.CHARGED
        if not is_hadron or cluster.num_hits < config.min_hits or chi < config.min_chi:
            continue
        indices = hits_of_cluster(event, t)
        hits = event.hits[indices]
        piece, num_pieces, chi = _best_trial(hits, event.tracks, t, chi, parameters, scale, calo)
        if chi > config.min_chi:
            piece, num_pieces = _force_split(hits, event.tracks[t], config, scale), np.int64(2)
        if num_pieces > 1:
            _apply_pieces(event, t, indices, piece, num_pieces, scale)


@njit(cache=True)
def _best_trial(hits, tracks, t, chi, parameters, scale, calo):
    """The best clustering in narrower cones: piece of each hit [hit], number of pieces, abs(chi).

    Piece 0 is the cluster of track `t`. If no trial improves `chi`, there is one piece.
    """
    config = parameters.reclustering
    best_piece, best_count, best_chi = np.zeros(len(hits), np.int64), np.int64(1), abs(chi)
    seed = np.full(1, t, np.int64)
    for narrowing in config.scales:
        piece, count = grow_cones(hits, tracks, seed, narrowing, parameters.cones, calo)
        trial_chi = _return_small_pieces(
            hits, piece, count, tracks[t].momentum, parameters.association, config, scale
        )
        if trial_chi < best_chi - config.min_gain:
            best_piece, best_count, best_chi = piece, count, trial_chi
    return best_piece, best_count, best_chi


@njit(cache=True)
def _return_small_pieces(hits, piece, count, momentum, association, config, scale):
    """Merge small pieces into piece 0 while chi stays low, in place; returns its abs(chi) then."""
    sums = np.zeros((count, NUM_BINS))
    for i in range(len(piece)):
        sums[piece[i], hits[i].energy_bin] += hits[i].energy_em
    target = np.arange(count)
    energy = hadronic_energy(sums[0], scale)
    for p in range(1, count):
        piece_energy = hadronic_energy(sums[p], scale)
        chi = track_cluster_chi(energy + piece_energy, momentum, association)
        if piece_energy < config.piece_energy and chi < config.piece_max_chi:
            for b in range(NUM_BINS):
                sums[0, b] += sums[p, b]
            energy = hadronic_energy(sums[0], scale)
            target[p] = 0
    for i in range(len(piece)):
        piece[i] = target[piece[i]]
    return abs(track_cluster_chi(energy, momentum, association))


@njit(cache=True)
def _force_split(hits, track, config, scale):
    """Piece of each hit: 0 for the hits nearest to the track's line until E = p, 1 for the rest."""
    distance = np.empty(len(hits))
    for i in range(len(hits)):
        to_line, depth = distance_to_line(hits[i].x, hits[i].y, hits[i].z, track)
        distance[i] = to_line / (config.split_width + config.split_slope * max(depth, 0.0))
    piece = np.ones(len(hits), np.int64)
    sums = np.zeros(NUM_BINS)
    for i in stable_argsort(distance):
        sums[hits[i].energy_bin] += hits[i].energy_em
        piece[i] = 0
        if hadronic_energy(sums, scale) > track.momentum:
            break
    return piece


@njit(cache=True)
def _apply_pieces(event, t, indices, piece, num_pieces, scale):
    """Keep piece 0 of the hits `indices` in the cluster of track `t`.

    Every other piece with hits becomes a neutral cluster.
    """
    clear_cluster(event, t)
    cluster = np.full(num_pieces, -1, np.int64)
    cluster[0] = t
    for a in range(len(indices)):
        if cluster[piece[a]] < 0:
            cluster[piece[a]] = add_cluster(event, np.int64(ClusterKind.NEUTRAL))
        add_hit(event, indices[a], cluster[piece[a]])
    for p in range(num_pieces):
        if cluster[p] >= 0:
            update_hadronic_energy(event, cluster[p], scale)
