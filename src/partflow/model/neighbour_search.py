"""Who is near each element: a search over cells, so that large events cost no more per element.

The elements of an event are put into the cells of a coarse grid over the detector; those within
REACH of a point lie in the 27 cells around it. A track is searched for along its line, from
points that are so close to each other that their cells hold everything within REACH of the line
between them. On events of usual size it is also four times faster than matrices of all distances.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from partflow.core.records import Array

REACH = 360.0
"""Distance beyond which there are no neighbours [mm]: three times the widest of the Gaussians, and
of NEAR. What is further away belongs to another shower, whatever it is."""
LINE_END = 6000.0
"""Depth at which a track's line ends [mm]: behind the yoke, seen from the calorimeter's face."""
BACKWARD_REACH = 50.0
"""How far before the face a track's line still counts [mm]: showers scatter back a little."""
NEAR = 120.0
"""Distance within which a cluster may belong to the shower of a track [mm]."""
CORE_WIDTH, SHOWER_WIDTH = 30.0, 80.0
"""Gaussian widths of the sums of track momentum around a cluster [mm]."""
CLUSTER_WIDTH = 120.0
"""Gaussian width of the sum of cluster energies around a cluster [mm]."""
NEGLIGIBLE = 6.0
"""Widths from which on a Gaussian, 1e-8, is left out."""
ABSENT = 1e-3
"""Momentum or energy of a neighbour that does not exist [GeV]: that of nothing."""

CELL = math.hypot(REACH, REACH / 2)
"""Edge of a cell [mm]: from a point of the line to what is within REACH of the next half step."""
CELLS = 24
"""Cells in each direction, about the origin; what lies outside belongs to the outermost."""

TRACK_COLUMNS = ("cluster_distance", "cluster_energy", "shower_energy", "track_distance")
TRACK_WITHOUT_NEIGHBOURS = (REACH, ABSENT, 0.0, REACH)
CLUSTER_COLUMNS = (
    "track_distance", "track_momentum", "track_depth", "second_distance", "second_momentum",
    "core_momentum", "shower_momentum", "rest_of_shower", "larger_distance", "larger_energy",
    "energy_around",
)  # fmt: skip


@njit(cache=True)
def search_events(begins, middles, ends, position, direction, weight):
    """Neighbours of the elements of events, whose tracks are rows `begins:middles` and whose
    clusters are rows `middles:ends`.

    `position` [element, 3] and `direction` [element, 3] are those at the calorimeter [mm],
    `weight` [element] a track's momentum or a cluster's energy [GeV]. Returns rows
    [element, TRACK_COLUMNS] and [element, CLUSTER_COLUMNS], of which only those of each kind
    are filled.
    """
    of_tracks = np.empty((len(position), 4), np.float32)
    of_clusters = np.empty((len(position), 11), np.float32)
    for event in range(len(begins)):
        begin, middle, end = begins[event], middles[event], ends[event]
        _search_event(
            position[begin:middle], direction[begin:middle], weight[begin:middle],
            position[middle:end], weight[middle:end],
            of_tracks[begin:middle], of_clusters[middle:end],
        )  # fmt: skip
    return of_tracks, of_clusters


@njit(cache=True)
def _search_event(face, direction, momentum, centroid, energy, of_tracks, of_clusters):
    starts, members, placed = _fill(centroid)
    of_clusters[:] = _without_neighbours(len(of_clusters))
    closest_track = np.full(len(centroid), -1, np.int64)
    for track in range(len(face)):
        closest = _follow(
            track, face[track], direction[track], momentum[track],
            starts, members, placed, of_clusters, closest_track,
        )  # fmt: skip
        of_tracks[track, 0] = closest[0]
        of_tracks[track, 1] = energy[int(closest[1])] if closest[1] >= 0 else ABSENT
    _sum_showers(energy, closest_track, of_tracks, of_clusters)
    for cluster in range(len(centroid)):
        _look_around_cluster(
            cluster, centroid[cluster], energy, starts, members, placed, of_clusters
        )
    starts, members, placed = _fill(face)
    for track in range(len(face)):
        of_tracks[track, 3] = _nearest_other(track, face[track], starts, members, placed)


@njit(cache=True)
def _without_neighbours(num_clusters):
    """Rows of clusters that have none."""
    rows = np.zeros((num_clusters, 11), np.float32)
    for column in (0, 3, 8):  # distances: track_, second_, larger_
        rows[:, column] = REACH
    for column in (1, 4, 9):  # momenta and energies of those
        rows[:, column] = ABSENT
    return rows


@njit(cache=True)
def _cell(coordinate):
    return min(max(math.floor(coordinate / CELL) + CELLS // 2, 0), CELLS - 1)


@njit(cache=True)
def _fill(points):
    """First place of each cell, [cell + 1], the numbers of the points in the order of their cells,
    and the points in that order, for the inner loops to run along.
    """
    cells = np.empty(len(points), np.int64)
    starts = np.zeros(CELLS**3 + 1, np.int64)
    for i in range(len(points)):
        x, y, z = _cell(points[i, 0]), _cell(points[i, 1]), _cell(points[i, 2])
        cells[i] = (x * CELLS + y) * CELLS + z
        starts[cells[i] + 1] += 1
    starts = np.cumsum(starts)
    members = np.argsort(cells, kind="mergesort")
    return starts, members, points[members]


@njit(cache=True)
def _runs(point_x, point_y, point_z, starts):
    """Begin and end, among the members, of the nine rows of cells around a point."""
    runs = np.empty((9, 2), np.int64)
    x, y, z = _cell(point_x), _cell(point_y), _cell(point_z)
    low, high = max(z - 1, 0), min(z + 1, CELLS - 1)
    count = 0
    for i in range(max(x - 1, 0), min(x + 2, CELLS)):
        for j in range(max(y - 1, 0), min(y + 2, CELLS)):
            row = (i * CELLS + j) * CELLS
            runs[count, 0], runs[count, 1] = starts[row + low], starts[row + high + 1]
            count += 1
    return runs[:count]


@njit(cache=True)
def _follow(track, face, direction, momentum, starts, members, placed, of_clusters, closest):
    """Meet every cluster within REACH of a track's line: distance and number of the nearest.

    Each cluster is met from the one step whose part of the line it stands beside.
    """
    nearest, which = REACH, -1
    for step in range(int(LINE_END / REACH) + 1):
        at = step * REACH
        first = at - 0.5 * REACH if step > 0 else -np.inf
        last = min(at + 0.5 * REACH, LINE_END)
        runs = _runs(
            face[0] + at * direction[0], face[1] + at * direction[1], face[2] + at * direction[2],
            starts,
        )  # fmt: skip
        for run in range(len(runs)):
            for place in range(runs[run, 0], runs[run, 1]):
                x = placed[place, 0] - face[0]
                y = placed[place, 1] - face[1]
                z = placed[place, 2] - face[2]
                depth = x * direction[0] + y * direction[1] + z * direction[2]
                if depth < first or depth >= last:
                    continue
                beside = x * x + y * y + z * z - max(depth, -BACKWARD_REACH) ** 2
                if beside >= REACH * REACH:
                    continue
                distance = math.sqrt(max(beside, 0.0))
                cluster = members[place]
                if distance < nearest:
                    nearest, which = distance, cluster
                row = of_clusters[cluster]
                if distance < row[0]:
                    row[3], row[4] = row[0], row[1]
                    row[0], row[1], row[2] = distance, momentum, depth
                    closest[cluster] = track
                elif distance < row[3]:
                    row[3], row[4] = distance, momentum
                row[5] += momentum * _gaussian(distance / CORE_WIDTH)
                row[6] += momentum * _gaussian(distance / SHOWER_WIDTH)
    return nearest, which


@njit(cache=True)
def _sum_showers(energy, closest_track, of_tracks, of_clusters):
    """Energy of each track's shower, and for each cluster that of the others in its shower."""
    of_tracks[:, 2] = 0.0
    for cluster in range(len(energy)):
        if closest_track[cluster] >= 0 and of_clusters[cluster, 0] < NEAR:
            of_tracks[closest_track[cluster], 2] += energy[cluster]
    for cluster in range(len(energy)):
        if closest_track[cluster] >= 0:
            own = energy[cluster] if of_clusters[cluster, 0] < NEAR else 0.0
            of_clusters[cluster, 7] = of_tracks[closest_track[cluster], 2] - own


@njit(cache=True)
def _look_around_cluster(cluster, centroid, energy, starts, members, placed, of_clusters):
    """The nearest cluster of more energy, and the energy around."""
    own = energy[cluster]
    row = of_clusters[cluster]
    around = 0.0
    runs = _runs(centroid[0], centroid[1], centroid[2], starts)
    for run in range(len(runs)):
        for place in range(runs[run, 0], runs[run, 1]):
            squared = _squared_distance(centroid, placed[place])
            if squared >= REACH * REACH:
                continue
            distance, other = math.sqrt(squared), members[place]
            around += energy[other] * _gaussian(distance / CLUSTER_WIDTH)
            if energy[other] > own and distance < row[8]:
                row[8], row[9] = distance, energy[other]
    row[10] = around


@njit(cache=True)
def _nearest_other(track, face, starts, members, placed):
    """Distance of the nearest other track at the face."""
    nearest = REACH * REACH
    runs = _runs(face[0], face[1], face[2], starts)
    for run in range(len(runs)):
        for place in range(runs[run, 0], runs[run, 1]):
            if members[place] != track:
                nearest = min(nearest, _squared_distance(face, placed[place]))
    return math.sqrt(nearest)


@njit(cache=True)
def _squared_distance(a, b):
    x, y, z = a[0] - b[0], a[1] - b[1], a[2] - b[2]
    return x * x + y * y + z * z


@njit(cache=True)
def _gaussian(x):
    return math.exp(-0.5 * x * x) if x < NEGLIGIBLE else 0.0


def search(
    rows: Array, position: Array, direction: Array, weight: Array, is_lost: Array
) -> tuple[Array, Array]:
    """`search_events` for events with `rows` [event, (begin, middle, end)].

    Tracks that are lost [element] are left out: they have no neighbours and are nobody's.
    """
    kept = np.flatnonzero(~is_lost)
    among_kept = np.concatenate([[0], np.cumsum(~is_lost)])
    begins, middles, ends = np.ascontiguousarray(among_kept[rows].T)
    # Differences are squared in double precision: at two metres float32 would lose millimetres.
    double = (np.asarray(x[kept], dtype=np.float64) for x in (position, direction, weight))
    found = search_events(begins, middles, ends, *double)
    of_tracks = np.tile(np.array(TRACK_WITHOUT_NEIGHBOURS, np.float32), (len(is_lost), 1))
    of_clusters = np.zeros((len(is_lost), len(CLUSTER_COLUMNS)), np.float32)
    of_tracks[kept], of_clusters[kept] = found
    return of_tracks, of_clusters
