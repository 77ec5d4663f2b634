"""Segments of the growing clusters: the hits of one cluster in one layer."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.records import Array

X, Y, Z = range(3)
"""Rows of a position."""

SEGMENT = np.dtype(
    [
        ("x", np.float64),  # energy-weighted centre
        ("y", np.float64),
        ("z", np.float64),
        ("radius", np.float64),  # largest distance of a hit from the centre
        ("cluster", np.int64),
        ("layer", np.int64),
        ("begin", np.int64),  # its hits are `begin` to `end` - 1 of Segments.hit_index
        ("end", np.int64),
    ],
    align=True,
)
"""The hits of one cluster in one layer; lengths in mm."""


class Segments(NamedTuple):
    """All segments so far, and their hits."""

    rows: Array
    """[segment] of SEGMENT."""
    hit_index: Array
    """[hit], indices of the hits, segment by segment."""
    position: Array
    """[X Y Z, hit], positions of the hits in this order [mm]."""
    of_cluster: Array
    """[cluster], the segment of each cluster in the layer that is being closed; -1 otherwise."""


@njit(cache=True, error_model="numpy")
def new_segments(num_hits, num_clusters):
    """Space for the segments of `num_hits` hits in at most `num_clusters` clusters."""
    return Segments(
        np.empty(num_hits, SEGMENT),
        np.empty(num_hits, np.int64),
        np.empty((3, num_hits)),
        np.full(num_clusters, -1, np.int64),
    )


@njit(cache=True, error_model="numpy")
def close_layer(hits, begin, end, cluster, segments, num_segments):
    """Sort the hits `begin` to `end` - 1, those of one layer, into segments by `cluster` [hit].

    The new segments follow the first `num_segments`; returns the new number of segments.
    """
    rows, of_cluster = segments.rows, segments.of_cluster
    first = num_segments
    for i in range(begin, end):
        c = cluster[i]
        if of_cluster[c] < 0:
            of_cluster[c] = num_segments
            rows[num_segments].cluster = c
            rows[num_segments].layer = hits[i].layer
            rows[num_segments].end = 0
            num_segments += 1
        rows[of_cluster[c]].end += 1  # a count, until the positions are known
    position = begin
    for s in range(first, num_segments):
        count = rows[s].end
        rows[s].begin = position
        rows[s].end = position
        position += count
    for i in range(begin, end):
        segment = rows[of_cluster[cluster[i]]]
        a = segment.end
        segments.hit_index[a] = i
        segments.position[X, a] = hits[i].x
        segments.position[Y, a] = hits[i].y
        segments.position[Z, a] = hits[i].z
        segment.end += 1
    for s in range(first, num_segments):
        of_cluster[rows[s].cluster] = -1
        _measure_segment(hits, rows[s], segments.hit_index)
    return num_segments


@njit(cache=True, error_model="numpy")
def _measure_segment(hits, segment, hit_index):
    """Set the centre and the radius of a segment from its hits."""
    total, x, y, z = 0.0, 0.0, 0.0, 0.0
    for a in range(segment.begin, segment.end):
        hit = hits[hit_index[a]]
        total += hit.energy_em
        x += hit.energy_em * hit.x
        y += hit.energy_em * hit.y
        z += hit.energy_em * hit.z
    segment.x, segment.y, segment.z = x / total, y / total, z / total
    square = 0.0
    for a in range(segment.begin, segment.end):
        hit = hits[hit_index[a]]
        dx, dy, dz = hit.x - segment.x, hit.y - segment.y, hit.z - segment.z
        square = max(square, dx * dx + dy * dy + dz * dz)
    segment.radius = math.sqrt(square)
