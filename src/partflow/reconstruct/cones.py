"""Clusters that grow outwards in cones, from tracks and from hits that no cone reaches.

Layer by layer outwards, by energy within a layer, a hit joins the cluster that needs the
narrowest cone for it: the smallest d_perp/(tangent d_par + pad cell) about the cluster's
direction, seen from any of its hits in the layers before. In the first layers the lines of
the tracks compete. What fits in no cone joins a neighbour in its own layer or founds a
cluster that points away from the origin. After a layer the directions of its clusters
follow their hits. (After the ConeClustering algorithm of Pandora's LCContent.)

All of a cluster's hits in one layer are a segment with a centre and a radius. Segments lie
in coarse boxes, newest first, so that a hit looks at those nearby and of the last layers; a
segment whose sphere is out of reach of any cone better than the best so far is not opened.
The result is that of comparing with every hit, and hardly any comparison is made.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.records import Array

MAX_BOXES = 4
"""Boxes along an axis, at most: only the speed depends on it, and 4 is the fastest."""

SEGMENT = np.dtype(
    [
        ("x", np.float64),  # energy-weighted centre
        ("y", np.float64),
        ("z", np.float64),
        ("radius", np.float64),  # largest distance of a hit from the centre
        ("cluster", np.int64),
        ("layer", np.int64),
        ("begin", np.int64),  # its hits are begin to end in `member`
        ("end", np.int64),
        ("older", np.int64),  # the next older segment in the same box, or -1
    ],
    align=True,
)
"""The hits of one cluster in one layer; lengths in mm."""

CONE = np.dtype(
    [
        ("ux", np.float64),  # direction in which it grows
        ("uy", np.float64),
        ("uz", np.float64),
        ("x", np.float64),  # where it began
        ("y", np.float64),
        ("z", np.float64),
        ("dx", np.float64),  # direction in which it began
        ("dy", np.float64),
        ("dz", np.float64),
        ("last_layer", np.int64),  # last layer with a hit, -1 without
    ],
    align=True,
)
"""A growing cluster; lengths in mm, directions are unit vectors."""


class Boxes(NamedTuple):
    """Coarse boxes in space that list segments."""

    low: Array
    """[xyz]: lower corner of the first box [mm]."""
    side: float
    """Side of a box [mm]."""
    newest: Array
    """[x, y, z]: the newest segment in each box, or -1."""
    max_radius: Array
    """[1]: largest radius of a segment so far [mm]."""


@njit(cache=True)
def grow_cones(hits, tracks, seeds, scale, config, calo):
    """Cluster of each hit and the number of clusters.

    `hits` (HIT) are in the order of reconstruction; the tracks `seeds` [seed] own clusters 0
    to len(seeds) - 1, hits or none. `scale` narrows the cones.
    """
    n, capacity = len(hits), len(seeds) + len(hits)
    cluster, member = np.empty(n, np.int64), np.empty(n, np.int64)
    segments, slot = np.empty(n, SEGMENT), np.full(capacity, -1, np.int64)
    boxes = _empty_boxes(hits, config.max_distance)
    cones = np.empty(capacity, CONE)
    for seed in range(len(seeds)):
        track = tracks[seeds[seed]]
        _start_cone(cones[seed], track.x, track.y, track.z, track.dx, track.dy, track.dz)
    competing = np.empty(len(seeds), np.int64)
    num_clusters, num_segments, begin = np.int64(len(seeds)), np.int64(0), np.int64(0)
    while begin < n:
        end = begin
        while end < n and hits[end].layer == hits[begin].layer:
            end += 1
        num_competing = _find_competing(tracks, seeds, cones, hits[begin].layer, config, competing)
        for i in range(begin, end):
            c = _best_cone(
                hits, hits[i], cones, competing[:num_competing], segments, boxes, member, scale,
                config, calo,
            )  # fmt: skip
            if c < 0:
                c = _neighbour(hits[begin:i], hits[i], cluster[begin:i], scale, config, calo)
            if c < 0:
                c = num_clusters
                num_clusters += 1
                hit = hits[i]
                r = math.sqrt(hit.x * hit.x + hit.y * hit.y + hit.z * hit.z)
                _start_cone(cones[c], hit.x, hit.y, hit.z, hit.x / r, hit.y / r, hit.z / r)
            cluster[i] = c
        last = num_segments
        num_segments = _close_layer(hits, begin, end, cluster, segments, last, slot, member)
        for s in range(last, num_segments):
            _put_into_box(boxes, segments, s)
            _turn_cone(cones[segments[s].cluster], segments[s], config.direction_inertia)
        begin = end
    return cluster, num_clusters


@njit(cache=True)
def _empty_boxes(hits, max_distance):
    """Boxes about all hits, about as large as the distance that is searched."""
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for hit in hits:
        for k, value in enumerate((hit.x, hit.y, hit.z)):
            low[k], high[k] = min(low[k], value), max(high[k], value)
    if len(hits) == 0:
        low[:], high[:] = 0.0, 0.0
    side = max(max_distance, np.max(high - low) / MAX_BOXES, 1.0)
    count = ((high - low) / side).astype(np.int64) + 1
    return Boxes(low, side, np.full((count[0], count[1], count[2]), -1, np.int64), np.zeros(1))


@njit(cache=True)
def _put_into_box(boxes, segments, s):
    """List segment `s`, the newest, in the box of its centre."""
    segment, newest = segments[s], boxes.newest
    i = min(max(int((segment.x - boxes.low[0]) / boxes.side), 0), newest.shape[0] - 1)
    j = min(max(int((segment.y - boxes.low[1]) / boxes.side), 0), newest.shape[1] - 1)
    k = min(max(int((segment.z - boxes.low[2]) / boxes.side), 0), newest.shape[2] - 1)
    segment.older = newest[i, j, k]
    newest[i, j, k] = s
    boxes.max_radius[0] = max(boxes.max_radius[0], segment.radius)


@njit(cache=True)
def _start_cone(cone, x, y, z, dx, dy, dz):
    """A cone that begins at (x, y, z) in the direction (dx, dy, dz)."""
    cone.x, cone.y, cone.z = x, y, z
    cone.dx, cone.dy, cone.dz = dx, dy, dz
    cone.ux, cone.uy, cone.uz = dx, dy, dz
    cone.last_layer = -1


@njit(cache=True)
def _turn_cone(cone, segment, inertia):
    """Point a cone from its start to its newest segment, held back by where it began."""
    x = segment.x - cone.x + inertia * cone.dx
    y = segment.y - cone.y + inertia * cone.dy
    z = segment.z - cone.z + inertia * cone.dz
    r = math.sqrt(x * x + y * y + z * z)
    if r > 0.0:
        cone.ux, cone.uy, cone.uz = x / r, y / r, z / r
    cone.last_layer = segment.layer


@njit(cache=True)
def _find_competing(tracks, seeds, cones, layer, config, competing):
    """Fill in the clusters whose track's line still collects hits in this layer; how many."""
    count = 0
    for c in range(len(seeds)):
        has_hits = cones[c].last_layer >= 0
        last = config.track_front_layer if has_hits else config.track_last_layer
        if tracks[seeds[c]].reaches and layer <= last:
            competing[count] = c
            count += 1
    return count


@njit(cache=True)
def _best_cone(hits, hit, cones, competing, segments, boxes, member, scale, config, calo):
    """Cluster whose cone, narrower than it may be, has the hit nearest to its axis; or -1."""
    in_ecal = hit.layer < calo.ecal_groups
    tangent = scale * (config.tangent_ecal if in_ecal else config.tangent_hcal)
    cell = calo.ecal_cell if in_ecal else calo.hcal_cell
    pad = scale * cell * (config.pad_ecal if in_ecal else config.pad_hcal)
    best, best_cluster = 1.0, np.int64(-1)
    limit, newest = config.max_distance, boxes.newest
    reach = limit + boxes.max_radius[0]
    first_i, last_i = _box_range(hit.x, reach, boxes.low[0], boxes.side, newest.shape[0])
    first_j, last_j = _box_range(hit.y, reach, boxes.low[1], boxes.side, newest.shape[1])
    first_k, last_k = _box_range(hit.z, reach, boxes.low[2], boxes.side, newest.shape[2])
    for i in range(first_i, last_i + 1):
        for j in range(first_j, last_j + 1):
            for k in range(first_k, last_k + 1):
                s = newest[i, j, k]
                while s >= 0 and segments[s].layer >= hit.layer - config.layers_back:
                    segment, cone = segments[s], cones[segments[s].cluster]
                    s = segment.older
                    if not _may_reach(hit, segment, cone, best, tangent, pad, limit):
                        continue
                    for a in range(segment.begin, segment.end):
                        if _is_narrower(hit, hits[member[a]], cone, best, tangent, pad, limit):
                            best = _cone_ratio(hit, hits[member[a]], cone, tangent, pad)
                            best_cluster = segment.cluster
    for c in competing:
        cone = cones[c]
        dx, dy, dz = hit.x - cone.x, hit.y - cone.y, hit.z - cone.z
        along = dx * cone.dx + dy * cone.dy + dz * cone.dz
        if along < -config.track_backwards:
            continue
        aside = math.sqrt(max(dx * dx + dy * dy + dz * dz - along * along, 0.0))
        ratio = aside / (config.track_tangent * along + config.track_pad * cell)
        if ratio < best:
            best, best_cluster = ratio, c
    return best_cluster


@njit(cache=True)
def _box_range(value, reach, low, side, count):
    """First and last box along an axis within `reach` of a coordinate."""
    first = min(max(int((value - reach - low) / side), 0), count - 1)
    last = min(max(int((value + reach - low) / side), 0), count - 1)
    return first, last


@njit(cache=True)
def _may_reach(hit, segment, cone, best, tangent, pad, limit):
    """Whether some hit of a segment might need a narrower cone than `best` for a hit."""
    dx, dy, dz = hit.x - segment.x, hit.y - segment.y, hit.z - segment.z
    square, radius = dx * dx + dy * dy + dz * dz, segment.radius
    along = dx * cone.ux + dy * cone.uy + dz * cone.uz
    width = best * (tangent * (along + radius) + pad) + radius
    return (
        square <= (limit + radius) * (limit + radius)
        and along + radius >= 0.0
        and square - along * along <= width * width
    )


@njit(cache=True)
def _is_narrower(hit, other, cone, best, tangent, pad, limit):
    """Whether `_cone_ratio` of two hits is below `best`; without its root and division."""
    dx, dy, dz = hit.x - other.x, hit.y - other.y, hit.z - other.z
    square = dx * dx + dy * dy + dz * dz
    along = dx * cone.ux + dy * cone.uy + dz * cone.uz
    width = best * (tangent * along + pad)
    return (along >= 0.0) & (square <= limit * limit) & (square - along * along < width * width)


@njit(cache=True)
def _cone_ratio(hit, other, cone, tangent, pad):
    """Width of the cone that a hit needs, seen from another, over tangent d_par + pad."""
    dx, dy, dz = hit.x - other.x, hit.y - other.y, hit.z - other.z
    along = dx * cone.ux + dy * cone.uy + dz * cone.uz
    square = dx * dx + dy * dy + dz * dz - along * along
    return math.sqrt(max(square, 0.0)) / (tangent * along + pad)


@njit(cache=True)
def _neighbour(earlier, hit, cluster, scale, config, calo):
    """Cluster of the nearest of the `earlier` hits of the same layer, if near; or -1."""
    if hit.layer < calo.ecal_groups:
        reach = scale * config.same_layer_ecal * calo.ecal_cell
    else:
        reach = scale * config.same_layer_hcal * calo.hcal_cell
    best, best_cluster = reach * reach, np.int64(-1)
    for j in range(len(earlier)):
        dx, dy, dz = hit.x - earlier[j].x, hit.y - earlier[j].y, hit.z - earlier[j].z
        square = dx * dx + dy * dy + dz * dz
        if square < best:
            best, best_cluster = square, cluster[j]
    return best_cluster


@njit(cache=True)
def _close_layer(hits, begin, end, cluster, segments, num_segments, slot, member):
    """Sort the hits `begin` to `end` of a layer into segments; the new number of segments.

    `slot` [cluster] is -1 everywhere, before and after.
    """
    first = num_segments
    for i in range(begin, end):
        c = cluster[i]
        if slot[c] < 0:
            slot[c] = num_segments
            segments[num_segments].cluster = c
            segments[num_segments].layer = hits[i].layer
            segments[num_segments].end = 0
            num_segments += 1
        segments[slot[c]].end += 1  # a count, until the positions are known
    position = begin
    for s in range(first, num_segments):
        count = segments[s].end
        segments[s].begin = position
        segments[s].end = position
        position += count
    for i in range(begin, end):
        segment = segments[slot[cluster[i]]]
        member[segment.end] = i
        segment.end += 1
    for s in range(first, num_segments):
        slot[segments[s].cluster] = -1
        _measure_segment(hits, segments[s], member)
    return num_segments


@njit(cache=True)
def _measure_segment(hits, segment, member):
    """Set centre and radius of a segment from its hits."""
    total, x, y, z = 0.0, 0.0, 0.0, 0.0
    for a in range(segment.begin, segment.end):
        hit = hits[member[a]]
        total += hit.energy
        x += hit.energy * hit.x
        y += hit.energy * hit.y
        z += hit.energy * hit.z
    segment.x, segment.y, segment.z = x / total, y / total, z / total
    square = 0.0
    for a in range(segment.begin, segment.end):
        hit = hits[member[a]]
        dx, dy, dz = hit.x - segment.x, hit.y - segment.y, hit.z - segment.z
        square = max(square, dx * dx + dy * dy + dz * dz)
    segment.radius = math.sqrt(square)
