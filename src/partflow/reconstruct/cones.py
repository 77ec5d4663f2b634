"""Clusters that grow outwards in cones, from tracks and from hits that no cone reaches.

Layer by layer outwards, by energy within a layer, a hit joins the cluster that needs the
narrowest cone for it: the smallest d_perp/(tangent d_par + pad cell) about the cluster's
direction, seen from any of its hits in the layers before. In the first layers the lines of
the tracks compete. What fits in no cone joins a neighbour in its own layer or founds a
cluster that points away from the origin. After a layer the directions of its clusters
follow their hits. (After the ConeClustering algorithm of Pandora's LCContent.)

All of a cluster's hits in one layer are a segment with a centre and a radius. The segments of
the last layers are the front that a hit looks at, kept as arrays so that one sweep of vector
instructions tells which of them may matter; only a segment whose sphere is within reach of a
cone better than the best so far is opened. The result is that of comparing with every hit, and
hardly any comparison is made.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

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


X, Y, Z, UX, UY, UZ, EXTENT = range(7)
"""Rows of the arrays [row, ...] that are searched with vector instructions: a place [mm], a
direction, and the radius of a segment [mm] or the cone that a hit needs about a line. They are
one array, not seven: a kernel counts references to each that it is given."""


@njit(cache=True, error_model="numpy")
def grow_cones(hits, tracks, seeds, scale, config, calo):
    """Cluster of each hit and the number of clusters.

    `hits` (HIT) are in the order of reconstruction; the tracks `seeds` [seed] own clusters 0
    to len(seeds) - 1, hits or none. `scale` narrows the cones.
    """
    n, capacity = len(hits), len(seeds) + len(hits)
    cluster, slot = np.empty(n, np.int64), np.full(capacity, -1, np.int64)
    segments, cones = np.empty(n, SEGMENT), np.empty(capacity, CONE)
    # segments that a layer looks at, whether each is near; lines of tracks, and their clusters
    front, is_near = np.empty((7, n)), np.empty(n, np.uint8)
    lines, line_cluster = np.empty((7, len(seeds))), np.empty(len(seeds), np.int64)
    member, place = np.empty(n, np.int64), np.empty((3, n))  # hits, segment by segment
    where = np.empty((3, n))
    for i in range(n):
        where[X, i], where[Y, i], where[Z, i] = hits[i].x, hits[i].y, hits[i].z
    for seed in range(len(seeds)):
        track = tracks[seeds[seed]]
        _start_cone(cones[seed], track.x, track.y, track.z, track.dx, track.dy, track.dz)
    num_clusters, oldest, num_segments, begin = np.int64(len(seeds)), 0, np.int64(0), np.int64(0)
    while begin < n:
        layer, end = hits[begin].layer, begin
        while end < n and hits[end].layer == layer:
            end += 1
        while oldest < num_segments and segments[oldest].layer < layer - config.layers_back:
            oldest += 1
        _set_front(front, segments, oldest, num_segments, cones)
        if layer < calo.ecal_groups:
            reach = scale * config.same_layer_ecal * calo.ecal_cell
        else:
            reach = scale * config.same_layer_hcal * calo.hcal_cell
        num_lines = _find_competing(lines, line_cluster, tracks, seeds, cones, layer, config)
        _join_cones(
            where, begin, end, layer, front, is_near, segments[oldest:num_segments], place,
            lines, line_cluster, num_lines, scale, config, calo, cluster,
        )  # fmt: skip
        for i in range(begin, end):
            if cluster[i] < 0:
                j = _neighbour(where, begin, i, reach)
                cluster[i] = cluster[j] if j >= 0 else num_clusters
            if cluster[i] == num_clusters:
                x, y, z = where[X, i], where[Y, i], where[Z, i]
                r = math.sqrt(x * x + y * y + z * z)
                _start_cone(cones[num_clusters], x, y, z, x / r, y / r, z / r)
                num_clusters += 1
        last = num_segments
        num_segments = _close_layer(hits, begin, end, cluster, segments, last, slot, member, place)
        for s in range(last, num_segments):
            _turn_cone(cones[segments[s].cluster], segments[s], config.direction_inertia)
        begin = end
    return cluster, num_clusters


@njit(cache=True, error_model="numpy")
def _set_front(front, segments, oldest, num_segments, cones):
    """Make the segments from `oldest` on the front."""
    for s in range(oldest, num_segments):
        segment, cone, j = segments[s], cones[segments[s].cluster], s - oldest
        front[X, j], front[Y, j], front[Z, j] = segment.x, segment.y, segment.z
        front[UX, j], front[UY, j], front[UZ, j] = cone.ux, cone.uy, cone.uz
        front[EXTENT, j] = segment.radius


@njit(cache=True, error_model="numpy")
def _start_cone(cone, x, y, z, dx, dy, dz):
    """A cone that begins at (x, y, z) in the direction (dx, dy, dz)."""
    cone.x, cone.y, cone.z = x, y, z
    cone.dx, cone.dy, cone.dz = dx, dy, dz
    cone.ux, cone.uy, cone.uz = dx, dy, dz
    cone.last_layer = -1


@njit(cache=True, error_model="numpy")
def _turn_cone(cone, segment, inertia):
    """Point a cone from its start to its newest segment, held back by where it began."""
    x = segment.x - cone.x + inertia * cone.dx
    y = segment.y - cone.y + inertia * cone.dy
    z = segment.z - cone.z + inertia * cone.dz
    r = math.sqrt(x * x + y * y + z * z)
    if r > 0.0:
        cone.ux, cone.uy, cone.uz = x / r, y / r, z / r
    cone.last_layer = segment.layer


@njit(cache=True, error_model="numpy")
def _find_competing(lines, line_cluster, tracks, seeds, cones, layer, config):
    """Fill in the clusters whose track's line still collects hits in this layer; how many."""
    count = 0
    for c in range(len(seeds)):
        cone = cones[c]
        has_hits = cone.last_layer >= 0
        last = config.track_front_layer if has_hits else config.track_last_layer
        if tracks[seeds[c]].reaches and layer <= last:
            lines[X, count], lines[Y, count], lines[Z, count] = cone.x, cone.y, cone.z
            lines[UX, count], lines[UY, count], lines[UZ, count] = cone.dx, cone.dy, cone.dz
            line_cluster[count] = c
            count += 1
    return count


@njit(cache=True, error_model="numpy")
def _join_cones(
    where, begin, end, layer, front, is_near, segments, place,
    lines, line_cluster, num_lines, scale, config, calo, cluster,
):  # fmt: skip
    """Set the cluster of the hits `begin` to `end` of a layer, or -1 where there is none.

    It is the one whose cone, narrower than it may be, has the hit nearest to its axis. `segments`
    are those of the front. All hits in one call: each call counts references to its arrays.
    """
    in_ecal = layer < calo.ecal_groups
    tangent = scale * (config.tangent_ecal if in_ecal else config.tangent_hcal)
    cell = calo.ecal_cell if in_ecal else calo.hcal_cell
    pad = scale * cell * (config.pad_ecal if in_ecal else config.pad_hcal)
    limit, track_pad = config.max_distance, config.track_pad * cell
    num_front = np.uint64(len(segments))
    for i in range(begin, end):
        x, y, z = where[X, i], where[Y, i], where[Z, i]
        best, best_cluster = 1.0, np.int64(-1)
        num_near = _find_near(front, is_near, num_front, x, y, z, tangent, pad, limit)
        j = num_front
        while num_near > 0:  # the last layer first: what lies nearest narrows the search
            j -= np.uint64(1)
            if not is_near[j]:
                continue
            num_near -= 1
            if best < 1.0 and not _may_reach(front, j, x, y, z, best, tangent, pad):
                continue
            ux, uy, uz = front[UX, j], front[UY, j], front[UZ, j]
            for a in range(np.uint64(segments[j].begin), np.uint64(segments[j].end)):
                dx, dy, dz = x - place[X, a], y - place[Y, a], z - place[Z, a]
                square = dx * dx + dy * dy + dz * dz
                along = dx * ux + dy * uy + dz * uz
                width = tangent * along + pad
                aside = square - along * along
                # first without root and division, which few need
                narrower = aside < best * width * (best * width)
                if narrower & (along >= 0.0) & (square <= limit * limit):
                    best, best_cluster = math.sqrt(max(aside, 0.0)) / width, segments[j].cluster
        if num_lines > 0:
            _measure_lines(
                lines, np.uint64(num_lines), x, y, z,
                config.track_backwards, config.track_tangent, track_pad,
            )  # fmt: skip
            for k in range(np.uint64(num_lines)):
                if lines[EXTENT, k] < best:
                    best, best_cluster = lines[EXTENT, k], line_cluster[k]
        cluster[i] = best_cluster


@njit(cache=True, error_model="numpy")
def _find_near(front, is_near, num, x, y, z, tangent, pad, limit):
    """Note which segments may have a hit whose cone is narrow enough; how many do.

    No branch and an unsigned index, so that the compiler can use vector instructions.
    """
    count = np.int64(0)
    for j in range(num):
        dx, dy, dz, r = x - front[X, j], y - front[Y, j], z - front[Z, j], front[EXTENT, j]
        square = dx * dx + dy * dy + dz * dz
        along = dx * front[UX, j] + dy * front[UY, j] + dz * front[UZ, j]
        width = tangent * (along + r) + pad + r
        near = (
            (square <= (limit + r) * (limit + r))
            & (along + r >= 0.0)
            & (square - along * along <= width * width)
        )
        is_near[j] = near
        count += near
    return count


@njit(cache=True, error_model="numpy")
def _may_reach(front, j, x, y, z, best, tangent, pad):
    """Whether a segment that is near may still have a hit that needs a narrower cone."""
    dx, dy, dz, r = x - front[X, j], y - front[Y, j], z - front[Z, j], front[EXTENT, j]
    along = dx * front[UX, j] + dy * front[UY, j] + dz * front[UZ, j]
    width = best * (tangent * (along + r) + pad) + r
    return dx * dx + dy * dy + dz * dz - along * along <= width * width


@njit(cache=True, error_model="numpy")
def _measure_lines(lines, num, x, y, z, backwards, tangent, pad):
    """Width of the cone that a hit needs over that of each line, infinite in front of its start.

    As `_find_near`, for vector instructions.
    """
    for j in range(num):
        dx, dy, dz = x - lines[X, j], y - lines[Y, j], z - lines[Z, j]
        along = dx * lines[UX, j] + dy * lines[UY, j] + dz * lines[UZ, j]
        aside = math.sqrt(max(dx * dx + dy * dy + dz * dz - along * along, 0.0))
        width = tangent * along + pad
        lines[EXTENT, j] = aside / width if along >= -backwards else np.inf


@njit(cache=True, error_model="numpy")
def _neighbour(where, begin, i, reach):
    """The nearest of the hits from `begin` to `i`, the same layer's, within `reach`; or -1."""
    x, y, z = where[X, i], where[Y, i], where[Z, i]
    nearest = _least_square(where, np.uint64(begin), np.uint64(i), x, y, z)
    if nearest < reach * reach:
        for j in range(begin, i):
            dx, dy, dz = x - where[X, j], y - where[Y, j], z - where[Z, j]
            if dx * dx + dy * dy + dz * dz == nearest:
                return j
    return np.int64(-1)


@njit(cache=True, error_model="numpy")
def _least_square(where, begin, end, x, y, z):
    """Least squared distance [mm^2] of the places `begin` to `end` from a point.

    The bits of a positive float rise with it; the compiler finds the least integer with vector
    instructions, but not the least float.
    """
    least = np.float64(np.inf).view(np.int64)
    for j in range(begin, end):
        dx, dy, dz = x - where[X, j], y - where[Y, j], z - where[Z, j]
        least = min(least, np.float64(dx * dx + dy * dy + dz * dz).view(np.int64))
    return np.int64(least).view(np.float64)


@njit(cache=True, error_model="numpy")
def _close_layer(hits, begin, end, cluster, segments, num_segments, slot, member, place):
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
        a = segment.end
        member[a] = i
        place[X, a], place[Y, a], place[Z, a] = hits[i].x, hits[i].y, hits[i].z
        segment.end += 1
    for s in range(first, num_segments):
        slot[segments[s].cluster] = -1
        _measure_segment(hits, segments[s], member)
    return num_segments


@njit(cache=True, error_model="numpy")
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
