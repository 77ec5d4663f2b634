"""Search for the neighbours of each element of an event, over the cells of a grid.

The elements of an event are sorted into the cells of a coarse grid over the detector. All elements
within NEIGHBOUR_REACH of a point lie in the 27 cells around it. For a track the search visits
points along its line beyond the calorimeter's face, so close to each other that the cells around
them hold every cluster within NEIGHBOUR_REACH of the line.

The cost is linear in the number of elements at a fixed density of elements; in a detector of fixed
size the density, and with it the number of neighbours, grows with the event. For events of usual
size the search takes a quarter of the time of matrices of all distances.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.face import BACKWARD_REACH
from partflow.core.records import Array

NEIGHBOUR_REACH = 360.0
"""Distance beyond which elements are no neighbours [mm]: three times the largest Gaussian width
and SHOWER_RADIUS. Elements farther apart belong to different showers."""
LINE_END = 6000.0
"""Depth at which a track's line ends [mm], counted from the calorimeter's face: behind the yoke."""
SHOWER_RADIUS = 120.0
"""Distance from a track's line within which a cluster may belong to the track's shower [mm]."""
CORE_WIDTH, SHOWER_WIDTH = 30.0, 80.0
"""Gaussian widths of the sums of track momentum around a cluster [mm]."""
CLUSTER_WIDTH = 120.0
"""Gaussian width of the sum of cluster energies around a cluster [mm]."""
MAX_WIDTHS = 6.0
"""Distance in Gaussian widths from which on the Gaussian (1e-8 there) is set to 0."""
ABSENT_ENERGY = 1e-3
"""Momentum or energy written for a neighbour that does not exist [GeV]."""

CELL_SIZE = math.hypot(NEIGHBOUR_REACH, NEIGHBOUR_REACH / 2)
"""Edge of a cell [mm]: the distance from a point of the line to a cluster that is NEIGHBOUR_REACH
off the line and half a step of NEIGHBOUR_REACH along it."""
CELLS_PER_AXIS = 24
"""Cells along each axis, centred on the origin; elements outside are put into the outermost."""


class TrackNeighbours(IntEnum):
    """Columns of the neighbours of a track; distances [mm], energies [GeV]."""

    CLUSTER_DISTANCE, CLUSTER_ENERGY, SHOWER_ENERGY, TRACK_DISTANCE = range(4)


class ClusterNeighbours(IntEnum):
    """Columns of the neighbours of a cluster; distances and depths [mm], momenta, energies [GeV].

    `TRACK_*` is the closest track, `SECOND_*` the second closest, `LARGER_*` the closest cluster of
    more energy. `CORE_MOMENTUM`, `SHOWER_MOMENTUM` and `ENERGY_AROUND` are sums weighted with
    Gaussians of the distance. `REST_OF_SHOWER` is the energy of the other clusters of the shower
    of the closest track.
    """

    TRACK_DISTANCE, TRACK_MOMENTUM, TRACK_DEPTH, SECOND_DISTANCE, SECOND_MOMENTUM = range(5)
    CORE_MOMENTUM, SHOWER_MOMENTUM, REST_OF_SHOWER = range(5, 8)
    LARGER_DISTANCE, LARGER_ENERGY, ENERGY_AROUND = range(8, 11)


TRACK_WITHOUT_NEIGHBOURS = (NEIGHBOUR_REACH, ABSENT_ENERGY, 0.0, NEIGHBOUR_REACH)
"""`TrackNeighbours` of a track that has none."""
_NUM_TRACK_COLUMNS, _NUM_CLUSTER_COLUMNS = len(TrackNeighbours), len(ClusterNeighbours)


class _Grid(NamedTuple):
    """Points sorted by the cell that they lie in."""

    starts: Array
    """First sorted point of each cell, and their number at the end, [cell + 1]."""
    point: Array
    """Index of each sorted point among the points as they came, [point]."""
    position: Array
    """Positions of the sorted points [mm], [point, 3]: the inner loops read them in order."""


def find_neighbours(
    events: Array, position: Array, direction: Array, energy: Array, misses_calorimeter: Array
) -> tuple[Array, Array]:
    """Neighbours of the elements of `events` [event, (begin, middle, end)], as in `EventRows`.

    `position` [element, 3] [mm] and `direction` [element, 3] are those at the calorimeter,
    `energy` [element] [GeV] is a track's momentum or a cluster's energy. Tracks that miss the
    calorimeter [element] take no part: they have no neighbours and are no neighbours.

    Returns rows [element, TrackNeighbours] and rows [element, ClusterNeighbours]; only the rows of
    tracks are filled in the first, only those of clusters in the second.
    """
    kept = np.flatnonzero(~misses_calorimeter)
    among_kept = np.concatenate([[0], np.cumsum(~misses_calorimeter)])
    begins, middles, ends = np.ascontiguousarray(among_kept[events].T)
    # Differences are squared in double precision: at two metres float32 would lose millimetres.
    double = (np.asarray(x[kept], dtype=np.float64) for x in (position, direction, energy))
    kept_tracks, kept_clusters = _search_events(begins, middles, ends, *double)
    num_elements = len(misses_calorimeter)
    tracks = np.tile(np.array(TRACK_WITHOUT_NEIGHBOURS, np.float32), (num_elements, 1))
    clusters = np.zeros((num_elements, _NUM_CLUSTER_COLUMNS), np.float32)
    tracks[kept], clusters[kept] = kept_tracks, kept_clusters
    return tracks, clusters


@njit(cache=True)
def _search_events(begins, middles, ends, position, direction, energy):
    """Search in each event, whose tracks are rows `begins:middles` and clusters `middles:ends`."""
    tracks = np.empty((len(position), _NUM_TRACK_COLUMNS), np.float32)
    clusters = np.empty((len(position), _NUM_CLUSTER_COLUMNS), np.float32)
    for event in range(len(begins)):
        begin, middle, end = begins[event], middles[event], ends[event]
        _search_event(
            position[begin:middle], direction[begin:middle], energy[begin:middle],
            position[middle:end], energy[middle:end],
            tracks[begin:middle], clusters[middle:end],
        )  # fmt: skip
    return tracks, clusters


@njit(cache=True)
def _search_event(face, direction, momentum, centroid, energy, tracks, clusters):
    """Fill the rows `tracks` and `clusters` of one event.

    A track has a position on the calorimeter's `face`, a `direction` there and a `momentum`, a
    cluster has a `centroid` and an `energy`.
    """
    grid = _sort_into_cells(centroid)
    clusters[:] = 0.0
    for column in (
        ClusterNeighbours.TRACK_DISTANCE,
        ClusterNeighbours.SECOND_DISTANCE,
        ClusterNeighbours.LARGER_DISTANCE,
    ):
        clusters[:, column] = NEIGHBOUR_REACH
    for column in (
        ClusterNeighbours.TRACK_MOMENTUM,
        ClusterNeighbours.SECOND_MOMENTUM,
        ClusterNeighbours.LARGER_ENERGY,
    ):
        clusters[:, column] = ABSENT_ENERGY
    closest_track = np.full(len(centroid), -1, np.int64)
    for track in range(len(face)):
        distance, cluster = _follow_track(
            track, face[track], direction[track], momentum[track], grid, clusters, closest_track
        )
        tracks[track, TrackNeighbours.CLUSTER_DISTANCE] = distance
        tracks[track, TrackNeighbours.CLUSTER_ENERGY] = (
            energy[cluster] if cluster >= 0 else ABSENT_ENERGY
        )
    _sum_showers(energy, closest_track, tracks, clusters)
    for cluster in range(len(centroid)):
        _search_around_cluster(cluster, centroid[cluster], energy, grid, clusters[cluster])
    grid = _sort_into_cells(face)
    for track in range(len(face)):
        tracks[track, TrackNeighbours.TRACK_DISTANCE] = _nearest_other(track, face[track], grid)


@njit(cache=True)
def _cell(coordinate):
    """Cell of a coordinate [mm] along one axis."""
    return min(max(math.floor(coordinate / CELL_SIZE) + CELLS_PER_AXIS // 2, 0), CELLS_PER_AXIS - 1)


@njit(cache=True)
def _sort_into_cells(points):
    """The `points` [point, 3] sorted by cell; those of one cell keep their order."""
    cells = np.empty(len(points), np.int64)
    starts = np.zeros(CELLS_PER_AXIS**3 + 1, np.int64)
    for i in range(len(points)):
        x, y, z = _cell(points[i, 0]), _cell(points[i, 1]), _cell(points[i, 2])
        cells[i] = (x * CELLS_PER_AXIS + y) * CELLS_PER_AXIS + z
        starts[cells[i] + 1] += 1
    starts = np.cumsum(starts)
    point = np.argsort(cells, kind="mergesort")
    return _Grid(starts, point, points[point])


@njit(cache=True)
def _ranges_around(x, y, z, starts):
    """Ranges [range, (begin, end)] of the sorted points in the 27 cells around (x, y, z).

    Three cells that follow each other along z are one range, so there are nine at most.
    """
    ranges = np.empty((9, 2), np.int64)
    i, j, k = _cell(x), _cell(y), _cell(z)
    low, high = max(k - 1, 0), min(k + 1, CELLS_PER_AXIS - 1)
    count = 0
    for near_i in range(max(i - 1, 0), min(i + 2, CELLS_PER_AXIS)):
        for near_j in range(max(j - 1, 0), min(j + 2, CELLS_PER_AXIS)):
            row = (near_i * CELLS_PER_AXIS + near_j) * CELLS_PER_AXIS
            ranges[count, 0], ranges[count, 1] = starts[row + low], starts[row + high + 1]
            count += 1
    return ranges[:count]


@njit(cache=True)
def _follow_track(track, face, direction, momentum, grid, clusters, closest_track):
    """Add one track to the rows `clusters` of all clusters within NEIGHBOUR_REACH of its line.

    The line is followed in steps of NEIGHBOUR_REACH; a cluster counts at the step nearest to it in
    depth, so once. `closest_track` [cluster] is updated. Returns the distance [mm] and the index
    of the closest cluster, NEIGHBOUR_REACH and -1 without one.
    """
    column = ClusterNeighbours
    closest_distance, closest_cluster = NEIGHBOUR_REACH, -1
    for step in range(int(LINE_END / NEIGHBOUR_REACH) + 1):
        step_depth = step * NEIGHBOUR_REACH
        first = step_depth - 0.5 * NEIGHBOUR_REACH if step > 0 else -np.inf
        last = min(step_depth + 0.5 * NEIGHBOUR_REACH, LINE_END)
        ranges = _ranges_around(
            face[0] + step_depth * direction[0],
            face[1] + step_depth * direction[1],
            face[2] + step_depth * direction[2],
            grid.starts,
        )
        for number in range(len(ranges)):
            for i in range(ranges[number, 0], ranges[number, 1]):
                x = grid.position[i, 0] - face[0]
                y = grid.position[i, 1] - face[1]
                z = grid.position[i, 2] - face[2]
                depth = x * direction[0] + y * direction[1] + z * direction[2]
                if depth < first or depth >= last:
                    continue
                squared = x * x + y * y + z * z - max(depth, -BACKWARD_REACH) ** 2
                if squared >= NEIGHBOUR_REACH * NEIGHBOUR_REACH:
                    continue
                distance = math.sqrt(max(squared, 0.0))
                cluster = grid.point[i]
                if distance < closest_distance:
                    closest_distance, closest_cluster = distance, cluster
                row = clusters[cluster]
                if distance < row[column.TRACK_DISTANCE]:
                    row[column.SECOND_DISTANCE] = row[column.TRACK_DISTANCE]
                    row[column.SECOND_MOMENTUM] = row[column.TRACK_MOMENTUM]
                    row[column.TRACK_DISTANCE] = distance
                    row[column.TRACK_MOMENTUM] = momentum
                    row[column.TRACK_DEPTH] = depth
                    closest_track[cluster] = track
                elif distance < row[column.SECOND_DISTANCE]:
                    row[column.SECOND_DISTANCE] = distance
                    row[column.SECOND_MOMENTUM] = momentum
                row[column.CORE_MOMENTUM] += momentum * _gaussian(distance / CORE_WIDTH)
                row[column.SHOWER_MOMENTUM] += momentum * _gaussian(distance / SHOWER_WIDTH)
    return closest_distance, closest_cluster


@njit(cache=True)
def _sum_showers(energy, closest_track, tracks, clusters):
    """Fill in the energy of each track's shower, and for each cluster that of the others in it."""
    distance = clusters[:, ClusterNeighbours.TRACK_DISTANCE]
    shower_energy = tracks[:, TrackNeighbours.SHOWER_ENERGY]
    shower_energy[:] = 0.0
    for cluster in range(len(energy)):
        if closest_track[cluster] >= 0 and distance[cluster] < SHOWER_RADIUS:
            shower_energy[closest_track[cluster]] += energy[cluster]
    for cluster in range(len(energy)):
        if closest_track[cluster] >= 0:
            in_shower = energy[cluster] if distance[cluster] < SHOWER_RADIUS else 0.0
            clusters[cluster, ClusterNeighbours.REST_OF_SHOWER] = (
                shower_energy[closest_track[cluster]] - in_shower
            )


@njit(cache=True)
def _search_around_cluster(cluster, centroid, energy, grid, row):
    """Fill in the closest cluster of more energy, and the energy around the `centroid`."""
    column = ClusterNeighbours
    energy_around = 0.0
    ranges = _ranges_around(centroid[0], centroid[1], centroid[2], grid.starts)
    for number in range(len(ranges)):
        for i in range(ranges[number, 0], ranges[number, 1]):
            squared = _squared_distance(centroid, grid.position[i])
            if squared >= NEIGHBOUR_REACH * NEIGHBOUR_REACH:
                continue
            distance, other = math.sqrt(squared), grid.point[i]
            energy_around += energy[other] * _gaussian(distance / CLUSTER_WIDTH)
            if energy[other] > energy[cluster] and distance < row[column.LARGER_DISTANCE]:
                row[column.LARGER_DISTANCE], row[column.LARGER_ENERGY] = distance, energy[other]
    row[column.ENERGY_AROUND] = energy_around


@njit(cache=True)
def _nearest_other(track, face, grid):
    """Distance [mm] from a track on the `face` to the nearest other, NEIGHBOUR_REACH at most."""
    nearest = NEIGHBOUR_REACH * NEIGHBOUR_REACH
    ranges = _ranges_around(face[0], face[1], face[2], grid.starts)
    for number in range(len(ranges)):
        for i in range(ranges[number, 0], ranges[number, 1]):
            if grid.point[i] != track:
                nearest = min(nearest, _squared_distance(face, grid.position[i]))
    return math.sqrt(nearest)


@njit(cache=True)
def _squared_distance(a, b):
    """|a - b|^2 of two points."""
    x, y, z = a[0] - b[0], a[1] - b[1], a[2] - b[2]
    return x * x + y * y + z * z


@njit(cache=True)
def _gaussian(x):
    """exp(-x^2 / 2), 0 from MAX_WIDTHS on."""
    return math.exp(-0.5 * x * x) if x < MAX_WIDTHS else 0.0
