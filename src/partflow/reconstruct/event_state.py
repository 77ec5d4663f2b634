"""State of one event during the clustering: its hits, its tracks, and its clusters so far.

Clusters 0 to `len(tracks)` - 1 are those of the tracks, with or without hits; the clusters behind
them have no track. The hits of a cluster form a linked list, and its sums and its bounding box are
updated with every hit: no step has to scan all hits of the event to know one cluster.

The arrays are structured, one row for each hit, track or cluster. A kernel then takes four arrays
instead of thirty, which shortens its compilation, and reads one cache line per hit.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.detector import FACE_NONE
from partflow.core.hadron_scale import ECAL_BIN_EDGES, NUM_BINS, hadronic_energy
from partflow.core.records import Array, Collection
from partflow.reconstruct.sorting import stable_argsort

NO_LAYER = 1 << 30
"""First layer of a cluster without hits."""
_NUM_ECAL_BINS = len(ECAL_BIN_EDGES) + 1  # the ECAL's bins come before the HCAL's

HIT = np.dtype(
    [
        *((name, np.float64) for name in ("x", "y", "z", "energy_em", "theta", "phi")),
        ("layer", np.int32),  # pseudolayer
        ("energy_bin", np.int32),  # bin of the hadronic scale
        ("cluster", np.int32),  # its cluster, or -1
        ("next_hit", np.int32),  # next hit of the same cluster, or -1
    ],
    align=True,
)
"""A hit: position [mm], EM-scale energy [GeV], angles of the position [rad]."""

TRACK = np.dtype(
    [
        *((name, np.float64) for name in ("x", "y", "z", "dx", "dy", "dz", "momentum")),
        ("reaches_calorimeter", np.bool_),
    ],
    align=True,
)
"""State of a track at the calorimeter face: position [mm], unit direction, momentum [GeV]. The
position of a track that does not reach the calorimeter has no meaning."""

CLUSTER = np.dtype(
    [
        ("kind", np.int64),  # a ClusterKind
        ("first_hit", np.int64),  # of the linked list, or -1
        ("last_hit", np.int64),  # of the linked list, or -1
        ("num_hits", np.int64),
        ("first_layer", np.int64),  # innermost pseudolayer with a hit
        ("energy_hadronic", np.float64),  # set by `update_hadronic_energy`
        ("bin_sums", np.float64, (NUM_BINS,)),  # EM-scale energy in the bins of the hadronic scale
        ("moment", np.float64, (3,)),  # sum of EM-scale energy times position
        ("low", np.float64, (3,)),  # lower corner of the bounding box of its hits
        ("high", np.float64, (3,)),  # upper corner of the bounding box
    ],
    align=True,
)
"""A cluster: energies in GeV, lengths in mm."""


class ClusterKind(IntEnum):
    """The particle hypothesis of a cluster."""

    CHARGED = 0
    """Charged hadron or muon; the cluster of a track, possibly without hits."""
    ELECTRON = 1
    PHOTON = 2
    NEUTRAL = 3
    """Neutral hadron."""
    MERGED = 4
    """Empty: its hits went to another cluster."""


class EventState(NamedTuple):
    """One event during the clustering."""

    hits: Array
    """[hit] of HIT, in the order of `pseudolayers.sorted_hits`."""
    tracks: Array
    """[track] of TRACK."""
    clusters: Array
    """[capacity] of CLUSTER."""
    num_clusters: Array
    """[1], number of clusters so far; an array, so that a kernel can increase it."""


def track_states(tracks: Collection) -> Array:
    """States of tracks at the calorimeter face, [track] of TRACK."""
    states = np.empty(len(tracks), dtype=TRACK)
    for name in ("x", "y", "z", "dx", "dy", "dz"):
        states[name] = tracks.columns[f"face_{name}"]
    states["momentum"] = tracks.pt * np.sqrt(1 + tracks.tan_lambda**2)
    states["reaches_calorimeter"] = tracks.face_region != FACE_NONE
    return states


@njit(cache=True)
def new_event_state(hits, tracks):
    """State of an event before the clustering: an empty cluster for each track, unclustered hits.

    The capacity always suffices: a hit starts at most one cluster when cones are grown, and one
    more when they are grown again.
    """
    capacity = len(tracks) + 2 * len(hits)
    event = EventState(hits, tracks, np.empty(capacity, CLUSTER), np.zeros(1, np.int64))
    for i in range(len(hits)):
        hits[i].cluster = -1
        hits[i].next_hit = -1
    for _ in range(len(tracks)):
        add_cluster(event, np.int64(ClusterKind.CHARGED))
    return event


@njit(cache=True)
def add_cluster(event, kind):
    """Append a cluster without hits; returns its index."""
    c = event.num_clusters[0]
    event.num_clusters[0] += 1
    event.clusters[c].kind = kind
    clear_cluster(event, c)
    return c


@njit(cache=True)
def clear_cluster(event, c):
    """Remove all hits from cluster `c`."""
    cluster = event.clusters[c]
    cluster.first_hit = -1
    cluster.last_hit = -1
    cluster.num_hits = 0
    cluster.first_layer = NO_LAYER
    cluster.energy_hadronic = 0.0
    for b in range(NUM_BINS):
        cluster.bin_sums[b] = 0.0
    for k in range(3):
        cluster.moment[k] = 0.0
        cluster.low[k] = np.inf
        cluster.high[k] = -np.inf


@njit(cache=True)
def add_hit(event, i, c):
    """Add hit `i`, which must be in no cluster, to cluster `c`."""
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
    cluster.bin_sums[hit.energy_bin] += hit.energy_em
    for k, value in enumerate((hit.x, hit.y, hit.z)):
        cluster.moment[k] += hit.energy_em * value
        cluster.low[k] = min(cluster.low[k], value)
        cluster.high[k] = max(cluster.high[k], value)


@njit(cache=True)
def update_hadronic_energy(event, c, scale):
    """Set the hadronic energy of cluster `c` from its sums."""
    event.clusters[c].energy_hadronic = hadronic_energy(event.clusters[c].bin_sums, scale)


@njit(cache=True)
def merge_clusters(event, source, target, scale):
    """Move the hits of cluster `source`, which must have some, to cluster `target`."""
    hits, giver, receiver = event.hits, event.clusters[source], event.clusters[target]
    i = giver.first_hit
    while i >= 0:
        hits[i].cluster = target
        i = hits[i].next_hit
    if receiver.first_hit < 0:
        receiver.first_hit = giver.first_hit
    else:
        hits[receiver.last_hit].next_hit = giver.first_hit
    receiver.last_hit = giver.last_hit
    receiver.num_hits += giver.num_hits
    receiver.first_layer = min(receiver.first_layer, giver.first_layer)
    for b in range(NUM_BINS):
        receiver.bin_sums[b] += giver.bin_sums[b]
    for k in range(3):
        receiver.moment[k] += giver.moment[k]
        receiver.low[k] = min(receiver.low[k], giver.low[k])
        receiver.high[k] = max(receiver.high[k], giver.high[k])
    clear_cluster(event, source)
    giver.kind = np.int64(ClusterKind.MERGED)
    update_hadronic_energy(event, target, scale)


@njit(cache=True)
def em_energy(cluster):
    """EM-scale energy of a cluster [GeV]."""
    total = 0.0
    for b in range(NUM_BINS):
        total += cluster.bin_sums[b]
    return total


@njit(cache=True)
def em_energy_in_ecal(cluster):
    """EM-scale energy of a cluster in the ECAL [GeV]."""
    total = 0.0
    for b in range(_NUM_ECAL_BINS):
        total += cluster.bin_sums[b]
    return total


@njit(cache=True)
def centroid(cluster):
    """Energy-weighted centroid (x, y, z) of a cluster with hits [mm]."""
    total = em_energy(cluster)
    return cluster.moment[0] / total, cluster.moment[1] / total, cluster.moment[2] / total


@njit(cache=True)
def hits_of_cluster(event, c):
    """Indices of the hits of cluster `c`, in the order of `pseudolayers.sorted_hits`."""
    indices = np.empty(event.clusters[c].num_hits, np.int64)
    i, k = event.clusters[c].first_hit, 0
    while i >= 0:
        indices[k] = i
        k += 1
        i = event.hits[i].next_hit
    return indices[stable_argsort(indices.astype(np.float64))]


@njit(cache=True)
def box_distance(first, second):
    """Distance between the bounding boxes of two clusters [mm]: no two hits are nearer."""
    square = 0.0
    for k in range(3):
        gap = max(first.low[k] - second.high[k], second.low[k] - first.high[k], 0.0)
        square += gap * gap
    return np.sqrt(square)


@njit(cache=True)
def hit_distance(event, c, d, near, far):
    """Distance between the nearest hits of clusters `c` and `d` [mm].

    Exact between `near` and `far`. Below `near` the search stops early and returns any distance
    below `near`; where no pair is nearer than `far`, it returns `far`.
    """
    hits, other = event.hits, event.clusters[d]
    best = far * far
    i = event.clusters[c].first_hit
    while i >= 0:
        hit = hits[i]
        if _square_to_box(other, hit) < best:
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
def _square_to_box(cluster, hit):
    """Squared distance of a hit from the bounding box of a cluster [mm^2]."""
    square = 0.0
    for k, value in enumerate((hit.x, hit.y, hit.z)):
        gap = max(cluster.low[k] - value, value - cluster.high[k], 0.0)
        square += gap * gap
    return square


@njit(cache=True)
def distance_to_line(x, y, z, track):
    """Distance of a point from the straight line of a track, and its depth along it, both [mm].

    The depth is counted from the calorimeter face, negative in front of it.
    """
    x, y, z = x - track.x, y - track.y, z - track.z
    depth = x * track.dx + y * track.dy + z * track.dz
    return math.sqrt(max(x * x + y * y + z * z - depth * depth, 0.0)), depth
