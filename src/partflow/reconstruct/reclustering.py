"""Track clusters with more energy than the track has momentum are grown again.

Something neutral is in them. Narrower cones may find it: the trial whose track cluster
agrees best with the momentum is taken. If none agrees, the hits nearest to the track's line
are given to the track until E = p, and the rest is a neutral cluster.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from partflow.core.hadron_scale import NUM_BINS, hadronic_energy
from partflow.reconstruct.association import energy_excess
from partflow.reconstruct.cones import grow_cones
from partflow.reconstruct.event import (
    Kind,
    add_cluster,
    attach,
    clear,
    members,
    rising_order,
    update_energy,
)
from partflow.reconstruct.photons import distance_to_line


@njit(cache=True)
def recluster(event, parameters, scale, calo):
    """Grow again every track cluster with too much energy, and split off what is neutral."""
    config = parameters.reclustering
    for t in range(len(event.tracks)):
        cluster, momentum = event.clusters[t], event.tracks[t].momentum
        excess = energy_excess(cluster.energy, momentum, parameters.association)
        is_hadron = cluster.kind == Kind.CHARGED
        if not is_hadron or cluster.num_hits < config.min_hits or excess < config.min_chi:
            continue
        inside = members(event, t)
        hits = event.hits[inside]
        piece, num_pieces, excess = _best_trial(
            hits, event.tracks, t, excess, parameters, scale, calo
        )
        if excess > config.min_chi:
            piece, num_pieces = _split(hits, event.tracks[t], config, scale), np.int64(2)
        if num_pieces > 1:
            _adopt(event, t, inside, piece, num_pieces, scale)


@njit(cache=True)
def _best_trial(hits, tracks, t, excess, parameters, scale, calo):
    """Pieces [hit] of the best narrower growth, piece 0 the track's; how many; its abs(chi).

    One piece with the chi there was, if no trial is better.
    """
    config = parameters.reclustering
    best_piece, best_count, best_excess = np.zeros(len(hits), np.int64), np.int64(1), abs(excess)
    seed = np.full(1, t, np.int64)
    for factor in config.scales:
        piece, count = grow_cones(hits, tracks, seed, factor, parameters.cones, calo)
        trial = _return_small_pieces(
            hits, piece, count, tracks[t].momentum, parameters.association, config, scale
        )
        if trial < best_excess - config.min_gain:
            best_piece, best_count, best_excess = piece, count, trial
    return best_piece, best_count, best_excess


@njit(cache=True)
def _return_small_pieces(hits, piece, count, momentum, association, config, scale):
    """Return to piece 0 the small ones that it has room for, in place; its abs(chi) then."""
    sums = np.zeros((count, NUM_BINS))
    for i in range(len(piece)):
        sums[piece[i], hits[i].energy_bin] += hits[i].energy
    into = np.arange(count)
    energy = hadronic_energy(sums[0], scale)
    for p in range(1, count):
        more = hadronic_energy(sums[p], scale)
        fits = energy_excess(energy + more, momentum, association) < config.piece_max_chi
        if more < config.piece_energy and fits:
            for b in range(NUM_BINS):
                sums[0, b] += sums[p, b]
            energy = hadronic_energy(sums[0], scale)
            into[p] = 0
    for i in range(len(piece)):
        piece[i] = into[piece[i]]
    return abs(energy_excess(energy, momentum, association))


@njit(cache=True)
def _split(hits, track, config, scale):
    """Piece 0 for the hits nearest to the track's line until E = p, piece 1 for the rest."""
    distance = np.empty(len(hits))
    for i in range(len(hits)):
        aside, along = distance_to_line(hits[i].x, hits[i].y, hits[i].z, track)
        distance[i] = aside / (config.split_width + config.split_slope * max(along, 0.0))
    piece = np.ones(len(hits), np.int64)
    sums = np.zeros(NUM_BINS)
    for i in rising_order(distance):
        sums[hits[i].energy_bin] += hits[i].energy
        piece[i] = 0
        if hadronic_energy(sums, scale) > track.momentum:
            break
    return piece


@njit(cache=True)
def _adopt(event, t, inside, piece, num_pieces, scale):
    """Leave piece 0 to track `t`, make a neutral cluster of every other piece with hits."""
    clear(event, t)
    cluster = np.full(num_pieces, -1, np.int64)
    cluster[0] = t
    for a in range(len(inside)):
        if cluster[piece[a]] < 0:
            cluster[piece[a]] = add_cluster(event, np.int64(Kind.NEUTRAL))
        attach(event, inside[a], cluster[piece[a]])
    for p in range(num_pieces):
        if cluster[p] >= 0:
            update_energy(event, cluster[p], scale)
