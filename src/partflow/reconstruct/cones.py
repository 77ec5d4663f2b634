"""Cone clustering, outwards from the tracks and from hits that no cone contains.

Layer by layer outwards, and by falling energy within a layer, a hit joins the cluster that needs
the narrowest cone to contain it: the smallest

    d_perp/(tangent d_par + pad cell size)

about the cluster's direction, with the apex in any of its hits in the layers before. In the first
layers the lines of the tracks compete. A hit that is in no cone joins a neighbour in its own
layer, or starts a cluster that points away from the origin. After each layer the directions of its
clusters are updated. (After the ConeClustering algorithm of Pandora's LCContent.)

The hits of one cluster in one layer form a segment with a centre and a radius. The segments of the
last layers are the front, to which the hits of the next layer are compared. Its positions and
directions are plain arrays, so that one loop with vector instructions finds the segments that may
contain a hit's best partner; the hits of a segment are compared only if its sphere may contain one
with a narrower cone than the best so far. The result is the same as that of comparing with every
hit, with hardly any comparison.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.records import Array
from partflow.reconstruct.segments import close_layer, new_segments

CONE = np.dtype(
    [
        ("ux", np.float64),  # current direction
        ("uy", np.float64),
        ("uz", np.float64),
        ("x", np.float64),  # start
        ("y", np.float64),
        ("z", np.float64),
        ("dx", np.float64),  # initial direction
        ("dy", np.float64),
        ("dz", np.float64),
        ("last_layer", np.int64),  # last layer with a hit, or -1
    ],
    align=True,
)
"""A growing cluster; lengths in mm, directions are unit vectors."""

X, Y, Z, UX, UY, UZ, EXTENT = range(7)
"""Rows of the arrays [row, ...] that are searched with vector instructions: position [mm],
direction, and either the radius of a segment [mm] or d_perp over the width of a track's cone. They
are one array instead of seven because a kernel counts references to each of its arrays."""


class _Front(NamedTuple):
    """The segments to which the hits of a layer are compared."""

    rows: Array
    """[row, segment], position, direction and radius."""
    is_near: Array
    """[segment], whether it may contain the best partner of the present hit."""
    segments: Array
    """[segment] of segments.SEGMENT."""
    position: Array
    """[X Y Z, hit], as in segments.Segments."""


class _TrackLines(NamedTuple):
    """The lines of tracks that compete for the hits of a layer."""

    rows: Array
    """[row, line], start, direction, and d_perp over the width of the cone for the present hit."""
    cluster: Array
    """[line], cluster of the track."""
    num: int


class _Cone(NamedTuple):
    """Size of a cone: its half width at the depth d is tangent d + pad [mm]."""

    tangent: float
    pad: float


class _Layer(NamedTuple):
    """One layer: its hits, `begin` to `end` - 1, and the sizes there."""

    begin: int
    end: int
    cone: _Cone
    track_cone: _Cone
    same_layer_distance: float
    """Distance at which hits of the layer are neighbours [mm]."""


@njit(cache=True, error_model="numpy")
def grow_cones(hits, tracks, seeds, narrowing, config, calo):
    """Cluster of each hit, [hit], and the number of clusters.

    `hits` are [hit] of HIT in the order of `pseudolayers.sorted_hits`, `tracks` [track] of TRACK.
    The tracks `seeds` [seed] have the clusters 0 to len(seeds) - 1, with or without hits.
    `narrowing` multiplies the sizes of the cones of clusters. `config` is a ConeConfig.
    """
    n, capacity = len(hits), len(seeds) + len(hits)
    cluster, cones = np.empty(n, np.int64), np.empty(capacity, CONE)
    segments = new_segments(n, capacity)
    front_rows, is_near = np.empty((7, n)), np.empty(n, np.uint8)
    line_rows, line_cluster = np.empty((7, len(seeds))), np.empty(len(seeds), np.int64)
    position = np.empty((3, n))
    for i in range(n):
        position[X, i], position[Y, i], position[Z, i] = hits[i].x, hits[i].y, hits[i].z
    for seed in range(len(seeds)):
        track = tracks[seeds[seed]]
        _start_cone(cones[seed], track.x, track.y, track.z, track.dx, track.dy, track.dz)
    num_clusters, oldest, num_segments, begin = np.int64(len(seeds)), 0, np.int64(0), np.int64(0)
    while begin < n:
        number, end = hits[begin].layer, begin
        while end < n and hits[end].layer == number:
            end += 1
        layer = _layer_sizes(number, begin, end, narrowing, config, calo)
        while oldest < num_segments and segments.rows[oldest].layer < number - config.layers_back:
            oldest += 1
        _set_front(front_rows, segments.rows, oldest, num_segments, cones)
        front = _Front(front_rows, is_near, segments.rows[oldest:num_segments], segments.position)
        num_lines = _set_lines(line_rows, line_cluster, tracks, seeds, cones, number, config)
        lines = _TrackLines(line_rows, line_cluster, num_lines)
        _join_cones(position, layer, front, lines, config, cluster)
        num_clusters = _join_neighbours(position, layer, cones, num_clusters, cluster)
        last = num_segments
        num_segments = close_layer(hits, begin, end, cluster, segments, last)
        for s in range(last, num_segments):
            _turn_cone(cones[segments.rows[s].cluster], segments.rows[s], config.direction_inertia)
        begin = end
    return cluster, num_clusters


@njit(cache=True, error_model="numpy")
def _layer_sizes(number, begin, end, narrowing, config, calo):
    """The layer `number` with the hits `begin` to `end` - 1."""
    if number < calo.num_ecal_groups:
        cell, tangent, pad = calo.ecal_cell_size, config.tangent_ecal, config.pad_ecal
        same_layer = config.same_layer_ecal
    else:
        cell, tangent, pad = calo.hcal_cell_size, config.tangent_hcal, config.pad_hcal
        same_layer = config.same_layer_hcal
    cone = _Cone(narrowing * tangent, narrowing * cell * pad)
    track_cone = _Cone(config.track_tangent, config.track_pad * cell)
    return _Layer(begin, end, cone, track_cone, narrowing * same_layer * cell)


@njit(cache=True, error_model="numpy")
def _set_front(rows, segments, oldest, num_segments, cones):
    """Fill the rows of the front with the segments from `oldest` on."""
    for s in range(oldest, num_segments):
        segment, cone, j = segments[s], cones[segments[s].cluster], s - oldest
        rows[X, j], rows[Y, j], rows[Z, j] = segment.x, segment.y, segment.z
        rows[UX, j], rows[UY, j], rows[UZ, j] = cone.ux, cone.uy, cone.uz
        rows[EXTENT, j] = segment.radius


@njit(cache=True, error_model="numpy")
def _start_cone(cone, x, y, z, dx, dy, dz):
    """Start a cone at (x, y, z) in the direction (dx, dy, dz)."""
    cone.x, cone.y, cone.z = x, y, z
    cone.dx, cone.dy, cone.dz = dx, dy, dz
    cone.ux, cone.uy, cone.uz = dx, dy, dz
    cone.last_layer = -1


@njit(cache=True, error_model="numpy")
def _turn_cone(cone, segment, inertia):
    """Turn a cone towards its newest segment; `inertia` [mm] weights the initial direction."""
    x = segment.x - cone.x + inertia * cone.dx
    y = segment.y - cone.y + inertia * cone.dy
    z = segment.z - cone.z + inertia * cone.dz
    r = math.sqrt(x * x + y * y + z * z)
    if r > 0.0:
        cone.ux, cone.uy, cone.uz = x / r, y / r, z / r
    cone.last_layer = segment.layer


@njit(cache=True, error_model="numpy")
def _set_lines(rows, line_cluster, tracks, seeds, cones, layer, config):
    """Fill in the lines of the tracks that compete in a layer; returns their number."""
    count = 0
    for c in range(len(seeds)):
        cone = cones[c]
        has_hits = cone.last_layer >= 0
        last = config.track_front_layer if has_hits else config.track_last_layer
        if tracks[seeds[c]].reaches_calorimeter and layer <= last:
            rows[X, count], rows[Y, count], rows[Z, count] = cone.x, cone.y, cone.z
            rows[UX, count], rows[UY, count], rows[UZ, count] = cone.dx, cone.dy, cone.dz
            line_cluster[count] = c
            count += 1
    return count


@njit(cache=True, error_model="numpy")
def _join_cones(position, layer, front, lines, config, cluster):
    """Set the cluster of the hits of a layer to that of the narrowest cone, or to -1.

    A cone is rated by d_perp over its width, below 1 inside it. All hits of a layer are done in
    one call because each call counts references to its arrays.
    """
    rows, is_near, segments, apex = front.rows, front.is_near, front.segments, front.position
    line_rows, line_cluster = lines.rows, lines.cluster
    cone, max_distance = layer.cone, config.max_distance
    num_front, num_lines = np.uint64(len(segments)), np.uint64(lines.num)
    for i in range(layer.begin, layer.end):
        point = (position[X, i], position[Y, i], position[Z, i])
        x, y, z = point
        best, best_cluster = 1.0, np.int64(-1)
        num_near = _find_near(rows, is_near, num_front, point, cone, max_distance)
        j = num_front
        while num_near > 0:  # the last layer first: near hits narrow the search most
            j -= np.uint64(1)
            if not is_near[j]:
                continue
            num_near -= 1
            if best < 1.0 and not _may_improve(rows, j, point, cone, best):
                continue
            ux, uy, uz = rows[UX, j], rows[UY, j], rows[UZ, j]
            for a in range(np.uint64(segments[j].begin), np.uint64(segments[j].end)):
                dx, dy, dz = x - apex[X, a], y - apex[Y, a], z - apex[Z, a]
                square = dx * dx + dy * dy + dz * dz
                d_par = dx * ux + dy * uy + dz * uz
                width = cone.tangent * d_par + cone.pad
                d_perp_square = square - d_par * d_par
                # compared without root and division, which few hits need
                is_better = d_perp_square < best * width * (best * width)
                if is_better & (d_par >= 0.0) & (square <= max_distance * max_distance):
                    best = math.sqrt(max(d_perp_square, 0.0)) / width
                    best_cluster = segments[j].cluster
        if num_lines > 0:
            _rate_lines(line_rows, num_lines, point, layer.track_cone, config.track_backwards)
            for k in range(num_lines):
                if line_rows[EXTENT, k] < best:
                    best, best_cluster = line_rows[EXTENT, k], line_cluster[k]
        cluster[i] = best_cluster


@njit(cache=True, error_model="numpy")
def _find_near(rows, is_near, num, point, cone, max_distance):
    """Set which of `num` segments may have a hit whose cone contains a point; returns how many.

    No branch and an unsigned index, so that the compiler can use vector instructions.
    """
    x, y, z = point
    tangent, pad = cone.tangent, cone.pad
    count = np.int64(0)
    for j in range(num):
        dx, dy, dz, r = x - rows[X, j], y - rows[Y, j], z - rows[Z, j], rows[EXTENT, j]
        square = dx * dx + dy * dy + dz * dz
        d_par = dx * rows[UX, j] + dy * rows[UY, j] + dz * rows[UZ, j]
        width = tangent * (d_par + r) + pad + r
        near = (
            (square <= (max_distance + r) * (max_distance + r))
            & (d_par + r >= 0.0)
            & (square - d_par * d_par <= width * width)
        )
        is_near[j] = near
        count += near
    return count


@njit(cache=True, error_model="numpy")
def _may_improve(rows, j, point, cone, best):
    """Whether segment `j` may have a hit with a better rating than `best` for a point."""
    x, y, z = point
    dx, dy, dz, r = x - rows[X, j], y - rows[Y, j], z - rows[Z, j], rows[EXTENT, j]
    d_par = dx * rows[UX, j] + dy * rows[UY, j] + dz * rows[UZ, j]
    width = best * (cone.tangent * (d_par + r) + cone.pad) + r
    return dx * dx + dy * dy + dz * dz - d_par * d_par <= width * width


@njit(cache=True, error_model="numpy")
def _rate_lines(rows, num, point, cone, backwards):
    """Set d_perp over the cone's width for `num` lines; infinite far in front of their start.

    With vector instructions, as `_find_near`.
    """
    x, y, z = point
    tangent, pad = cone.tangent, cone.pad
    for j in range(num):
        dx, dy, dz = x - rows[X, j], y - rows[Y, j], z - rows[Z, j]
        d_par = dx * rows[UX, j] + dy * rows[UY, j] + dz * rows[UZ, j]
        d_perp = math.sqrt(max(dx * dx + dy * dy + dz * dz - d_par * d_par, 0.0))
        width = tangent * d_par + pad
        rows[EXTENT, j] = d_perp / width if d_par >= -backwards else np.inf


@njit(cache=True, error_model="numpy")
def _join_neighbours(position, layer, cones, num_clusters, cluster):
    """Let the hits of a layer without a cluster join a neighbour in it, or start a cluster.

    Returns the new number of clusters.
    """
    for i in range(layer.begin, layer.end):
        if cluster[i] < 0:
            j = _neighbour(position, layer.begin, i, layer.same_layer_distance)
            cluster[i] = cluster[j] if j >= 0 else num_clusters
        if cluster[i] == num_clusters:
            x, y, z = position[X, i], position[Y, i], position[Z, i]
            r = math.sqrt(x * x + y * y + z * z)
            _start_cone(cones[num_clusters], x, y, z, x / r, y / r, z / r)
            num_clusters += 1
    return num_clusters


@njit(cache=True, error_model="numpy")
def _neighbour(position, begin, i, max_distance):
    """The nearest of the hits `begin` to `i` - 1 to hit `i`, within `max_distance`; or -1."""
    x, y, z = position[X, i], position[Y, i], position[Z, i]
    nearest = _least_square(position, np.uint64(begin), np.uint64(i), x, y, z)
    if nearest < max_distance * max_distance:
        for j in range(begin, i):
            dx, dy, dz = x - position[X, j], y - position[Y, j], z - position[Z, j]
            if dx * dx + dy * dy + dz * dz == nearest:
                return j
    return np.int64(-1)


@njit(cache=True, error_model="numpy")
def _least_square(position, begin, end, x, y, z):
    """Smallest squared distance of the positions `begin` to `end` - 1 from a point [mm^2].

    The bits of a positive float increase with its value, and the compiler finds the smallest
    integer with vector instructions, but not the smallest float.
    """
    least = np.float64(np.inf).view(np.int64)
    for j in range(begin, end):
        dx, dy, dz = x - position[X, j], y - position[Y, j], z - position[Z, j]
        least = min(least, np.float64(dx * dx + dy * dy + dz * dz).view(np.int64))
    return np.int64(least).view(np.float64)
