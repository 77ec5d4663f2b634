"""The state of one event: its hits and tracks, and the clusters as they are so far.

Clusters 0 to `len(tracks)` - 1 belong to the tracks, hits or none; those behind them have no
track. The hits of a cluster are a linked list, and its sums and its box are kept up to date:
no step has to scan an event's hits to learn about one cluster.

The arrays are structured (one row holds all there is to know of a hit): a kernel then takes
four arrays instead of thirty, which is most of its compile time, and touches one cache line.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.hadron_scale import NUM_BINS, hadronic_energy
from partflow.core.records import Array

NO_LAYER = 1 << 30
"""First layer of a cluster without hits."""

HIT = np.dtype(
    [
        *((name, np.float64) for name in ("x", "y", "z", "energy", "theta", "phi")),
        ("layer", np.int32),  # pseudolayer
        ("energy_bin", np.int32),  # of the hadronic scale
        ("cluster", np.int32),  # or -1
        ("next_hit", np.int32),  # the next one of the same cluster, or -1
    ],
    align=True,
)
"""A hit; positions in mm, energies in GeV, angles of the position in rad."""

TRACK = np.dtype(
    [
        *((name, np.float64) for name in ("x", "y", "z", "dx", "dy", "dz", "momentum")),
        ("reaches", np.bool_),
    ],
    align=True,
)
"""A track at the calorimeter face [mm], its unit direction and momentum [GeV] there; where it
does not reach the calorimeter, its position means nothing."""

CLUSTER = np.dtype(
    [
        ("kind", np.int64),
        ("first_hit", np.int64),  # of the linked list, or -1
        ("last_hit", np.int64),
        ("num_hits", np.int64),
        ("first_layer", np.int64),
        ("energy", np.float64),  # hadronic; `update_energy` refreshes it
        ("bin_sums", np.float64, (NUM_BINS,)),  # EM scale, bins of the hadronic scale
        ("moment", np.float64, (3,)),  # sum of energy times position
        ("low", np.float64, (3,)),  # lower corner of the box about its hits
        ("high", np.float64, (3,)),  # upper corner
    ],
    align=True,
)
"""A cluster; energies in GeV, positions in mm."""


class Kind(IntEnum):
    """What a cluster is taken for."""

    CHARGED = 0
    ELECTRON = 1
    PHOTON = 2
    NEUTRAL = 3
    MERGED = 4
    """Its hits went to another cluster."""


class Event(NamedTuple):
    """One event on its way through the chain."""

    hits: Array
    """[hit] of HIT, in the order of reconstruction."""
    tracks: Array
    """[track] of TRACK."""
    clusters: Array
    """[capacity] of CLUSTER."""
    num_clusters: Array
    """[1]: clusters so far; an array, so that the steps can count on."""


@njit(cache=True)
def new_event(hits, tracks):
    """An event with one cluster for each track, and no hit in any.

    A hit founds at most one cluster when cones are grown and one more when they are grown
    again: there is always room.
    """
    capacity = len(tracks) + 2 * len(hits)
    event = Event(hits, tracks, np.empty(capacity, CLUSTER), np.zeros(1, np.int64))
    for i in range(len(hits)):
        hits[i].cluster = -1
        hits[i].next_hit = -1
    for _ in range(len(tracks)):
        add_cluster(event, np.int64(Kind.CHARGED))
    return event


@njit(cache=True)
def add_cluster(event, kind):
    """A new cluster without hits; its number."""
    c = event.num_clusters[0]
    event.num_clusters[0] += 1
    event.clusters[c].kind = kind
    clear(event, c)
    return c


@njit(cache=True)
def clear(event, c):
    """Forget the hits of cluster `c`."""
    cluster = event.clusters[c]
    cluster.first_hit = -1
    cluster.last_hit = -1
    cluster.num_hits = 0
    cluster.first_layer = NO_LAYER
    cluster.energy = 0.0
    for b in range(NUM_BINS):
        cluster.bin_sums[b] = 0.0
    for k in range(3):
        cluster.moment[k] = 0.0
        cluster.low[k] = np.inf
        cluster.high[k] = -np.inf


@njit(cache=True)
def attach(event, i, c):
    """Put hit `i`, which is in no list, into cluster `c`."""
    hit, cluster = event.hits[i], event.clusters[c]
    hit.cluster = c
    hit.next_hit = -1
    if cluster.first_hit < 0:
        cluster.first_hit = i
    else:
        event.hits[cluster.last_hit].next_hit = i
    cluster.last_hit = i
    cluster.num_hits += 1
    cluster.first_layer = min(cluster.first_layer, hit.layer)
    cluster.bin_sums[hit.energy_bin] += hit.energy
    for k, value in enumerate((hit.x, hit.y, hit.z)):
        cluster.moment[k] += hit.energy * value
        cluster.low[k] = min(cluster.low[k], value)
        cluster.high[k] = max(cluster.high[k], value)


@njit(cache=True)
def update_energy(event, c, scale):
    """Hadronic energy of cluster `c` from its bin sums."""
    event.clusters[c].energy = hadronic_energy(event.clusters[c].bin_sums, scale)


@njit(cache=True)
def merge(event, source, target, scale):
    """Give the hits of cluster `source`, which has some, to `target`."""
    hits, giver, taker = event.hits, event.clusters[source], event.clusters[target]
    i = giver.first_hit
    while i >= 0:
        hits[i].cluster = target
        i = hits[i].next_hit
    if taker.first_hit < 0:
        taker.first_hit = giver.first_hit
    else:
        hits[taker.last_hit].next_hit = giver.first_hit
    taker.last_hit = giver.last_hit
    taker.num_hits += giver.num_hits
    taker.first_layer = min(taker.first_layer, giver.first_layer)
    for b in range(NUM_BINS):
        taker.bin_sums[b] += giver.bin_sums[b]
    for k in range(3):
        taker.moment[k] += giver.moment[k]
        taker.low[k] = min(taker.low[k], giver.low[k])
        taker.high[k] = max(taker.high[k], giver.high[k])
    clear(event, source)
    giver.kind = np.int64(Kind.MERGED)
    update_energy(event, target, scale)


@njit(cache=True)
def total_energy(cluster):
    """EM-scale energy of a cluster [GeV]."""
    total = 0.0
    for b in range(NUM_BINS):
        total += cluster.bin_sums[b]
    return total


@njit(cache=True)
def centroid(cluster):
    """Energy-weighted centroid of a cluster with hits [mm]."""
    total = total_energy(cluster)
    return cluster.moment[0] / total, cluster.moment[1] / total, cluster.moment[2] / total


@njit(cache=True)
def rising_order(values):
    """Order of `values` from low to high, equal ones as they are: a merge sort.

    numpy's, which numba has too, takes ten times as long to compile and twice as long to run.
    """
    n = len(values)
    order, merged = np.arange(n), np.empty(n, np.int64)
    width = 1
    while width < n:
        for begin in range(0, n, 2 * width):
            middle, end = min(begin + width, n), min(begin + 2 * width, n)
            left, right = begin, middle
            for k in range(begin, end):
                take_left = left < middle and (
                    right >= end or values[order[left]] <= values[order[right]]
                )
                if take_left:
                    merged[k] = order[left]
                    left += 1
                else:
                    merged[k] = order[right]
                    right += 1
        order, merged = merged, order
        width *= 2
    return order


@njit(cache=True)
def members(event, c):
    """Hits of cluster `c`, in the order of reconstruction."""
    found = np.empty(event.clusters[c].num_hits, np.int64)
    i, k = event.clusters[c].first_hit, 0
    while i >= 0:
        found[k] = i
        k += 1
        i = event.hits[i].next_hit
    return found[rising_order(found.astype(np.float64))]


@njit(cache=True)
def box_distance(one, other):
    """Distance between the boxes of two clusters: none of their hits are nearer [mm]."""
    square = 0.0
    for k in range(3):
        gap = max(one.low[k] - other.high[k], other.low[k] - one.high[k], 0.0)
        square += gap * gap
    return np.sqrt(square)


@njit(cache=True)
def hit_distance(event, c, d, near, far):
    """Distance between the nearest hits of clusters `c` and `d` [mm].

    Exact between `near` and `far`; below `near` any smaller value may be returned, and
    `far` where no pair is nearer.
    """
    hits, other = event.hits, event.clusters[d]
    best = far * far
    i = event.clusters[c].first_hit
    while i >= 0:
        hit = hits[i]
        if _box_square(other, hit) < best:
            j = other.first_hit
            while j >= 0:
                dx, dy, dz = hit.x - hits[j].x, hit.y - hits[j].y, hit.z - hits[j].z
                best = min(best, dx * dx + dy * dy + dz * dz)
                j = hits[j].next_hit
            if best < near * near:
                break
        i = hit.next_hit
    return np.sqrt(best)


@njit(cache=True)
def _box_square(cluster, hit):
    """Squared distance of a hit from the box of a cluster."""
    square = 0.0
    for k, value in enumerate((hit.x, hit.y, hit.z)):
        gap = max(cluster.low[k] - value, value - cluster.high[k], 0.0)
        square += gap * gap
    return square
