"""The neighbour search against matrices of all distances in double precision."""

import numpy as np
import pytest

from partflow.core.face import BACKWARD_REACH
from partflow.model.neighbour_search import (
    ABSENT_ENERGY,
    CLUSTER_WIDTH,
    CORE_WIDTH,
    LINE_END,
    NEIGHBOUR_REACH,
    SHOWER_RADIUS,
    SHOWER_WIDTH,
    TRACK_WITHOUT_NEIGHBOURS,
    ClusterNeighbours,
    TrackNeighbours,
    find_neighbours,
)


def drawn_event(num_tracks, num_clusters, seed, opening=1.2):
    """Tracks that leave the face in jets of width `opening`, clusters in a calorimeter behind."""
    rng = np.random.default_rng(seed)
    axes = rng.normal(size=(4, 3))

    def directions(number):
        vectors = axes[rng.integers(4, size=number)] + opening * rng.normal(size=(number, 3))
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    face = 1500.0 * directions(num_tracks)
    slope = face / 1500.0 + 0.3 * rng.normal(size=face.shape)
    slope /= np.linalg.norm(slope, axis=1, keepdims=True)
    centroid = rng.uniform(1400.0, 4000.0, (num_clusters, 1)) * directions(num_clusters)
    position = np.concatenate([face, centroid]).astype("f4")
    direction = np.concatenate([slope, np.zeros_like(centroid)]).astype("f4")
    weight = np.exp(rng.uniform(-1, 4, len(position))).astype("f4")
    return position, direction, weight, num_tracks


def gaussian_sum(distance, weight, width):
    return (
        np.where(distance < NEIGHBOUR_REACH, np.exp(-0.5 * (distance / width) ** 2), 0.0) @ weight
    )


def all_pairs(position, direction, weight, num_tracks):
    """`TrackNeighbours` and `ClusterNeighbours` from matrices of all distances."""
    position, direction, weight = (x.astype("f8") for x in (position, direction, weight))
    face, centroid, slope = position[:num_tracks], position[num_tracks:], direction[:num_tracks]
    momentum, energy = weight[:num_tracks], weight[num_tracks:]
    apart = np.linalg.norm(centroid[:, None] - centroid, axis=-1)
    tracks_apart = np.linalg.norm(face[:, None] - face, axis=-1)
    np.fill_diagonal(tracks_apart, NEIGHBOUR_REACH)
    separation = centroid[:, None] - face  # [cluster, track]
    depth = (separation * slope).sum(-1)
    squared = (separation**2).sum(-1) - np.maximum(depth, -BACKWARD_REACH) ** 2
    distance = np.sqrt(np.maximum(squared, 0.0))
    distance[(depth > LINE_END) | (distance >= NEIGHBOUR_REACH)] = np.inf

    def table(rows, columns):
        values = [[row[column.name.lower()] for column in columns] for row in rows]
        return np.array(values).reshape(-1, len(columns))

    closest = distance.argmin(1) if num_tracks else np.zeros(len(energy), int)
    is_in_shower = np.array(
        [num_tracks and distance[j, closest[j]] < SHOWER_RADIUS for j in range(len(energy))], bool
    )
    shower = np.bincount(closest[is_in_shower], energy[is_in_shower], max(num_tracks, 1))
    clusters = []
    for j in range(len(energy)):
        order = [i for i in np.argsort(distance[j]) if np.isfinite(distance[j, i])][:2]
        first, second = (*order, None, None)[:2]
        larger = [
            k for k in range(len(energy)) if energy[k] > energy[j] and apart[j, k] < NEIGHBOUR_REACH
        ]
        next_larger = min(larger, key=lambda k: apart[j, k], default=None)
        clusters.append({
            "track_distance": NEIGHBOUR_REACH if first is None else distance[j, first],
            "track_momentum": ABSENT_ENERGY if first is None else momentum[first],
            "track_depth": 0.0 if first is None else depth[j, first],
            "second_distance": NEIGHBOUR_REACH if second is None else distance[j, second],
            "second_momentum": ABSENT_ENERGY if second is None else momentum[second],
            "core_momentum": gaussian_sum(distance[j], momentum, CORE_WIDTH),
            "shower_momentum": gaussian_sum(distance[j], momentum, SHOWER_WIDTH),
            "rest_of_shower": 0.0 if first is None
            else shower[first] - (energy[j] if distance[j, first] < SHOWER_RADIUS else 0.0),
            "larger_distance": NEIGHBOUR_REACH if next_larger is None else apart[j, next_larger],
            "larger_energy": ABSENT_ENERGY if next_larger is None else energy[next_larger],
            "energy_around": gaussian_sum(apart[j], energy, CLUSTER_WIDTH),
        })  # fmt: skip
    tracks = []
    for i in range(num_tracks):
        j = distance[:, i].argmin() if len(energy) else None
        is_near = j is not None and np.isfinite(distance[j, i])
        tracks.append({
            "cluster_distance": distance[j, i] if is_near else NEIGHBOUR_REACH,
            "cluster_energy": energy[j] if is_near else ABSENT_ENERGY,
            "shower_energy": shower[i],
            "track_distance": min(tracks_apart[i].min(), NEIGHBOUR_REACH),
        })  # fmt: skip
    return table(tracks, TrackNeighbours), table(clusters, ClusterNeighbours)


def searched(*events, misses_calorimeter=None):
    sizes = [(len(weight), num_tracks) for _, _, weight, num_tracks in events]
    ends = np.cumsum([n for n, _ in sizes])
    rows = np.array([(e - n, e - n + t, e) for e, (n, t) in zip(ends, sizes, strict=True)])
    joined = [np.concatenate([event[column] for event in events]) for column in range(3)]
    if misses_calorimeter is None:
        misses_calorimeter = np.zeros(ends[-1], bool)
    of_tracks, of_clusters = find_neighbours(rows.reshape(-1, 3), *joined, misses_calorimeter)
    return [(of_tracks[b:m], of_clusters[m:e]) for b, m, e in rows]


@pytest.mark.parametrize(
    ("num_tracks", "num_clusters", "opening"),
    [(50, 90, 0.3), (150, 150, 1.2), (0, 30, 0.3), (30, 0, 0.3), (1, 1, 0.01), (5, 300, 3.0)],
)
def test_the_search_agrees_with_matrices_of_all_distances(num_tracks, num_clusters, opening):
    event = drawn_event(num_tracks, num_clusters, seed=num_tracks, opening=opening)
    ((of_tracks, of_clusters),) = searched(event)
    expected_tracks, expected_clusters = all_pairs(*event)
    np.testing.assert_allclose(of_tracks, expected_tracks, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(of_clusters, expected_clusters, rtol=1e-5, atol=1e-5)


def test_the_drawn_events_have_near_and_absent_neighbours():
    expected = all_pairs(*drawn_event(50, 90, seed=50, opening=0.3))[1]
    closest = expected[:, ClusterNeighbours.TRACK_DISTANCE]
    assert np.any(closest < SHOWER_RADIUS) and np.any(
        (closest > SHOWER_RADIUS) & (closest < NEIGHBOUR_REACH)
    )
    assert np.any(closest == NEIGHBOUR_REACH) or np.any(
        expected[:, ClusterNeighbours.LARGER_DISTANCE] == NEIGHBOUR_REACH
    )


def test_an_element_outside_the_grid_is_searched_for_as_well():
    position, direction, weight, num_tracks = drawn_event(20, 40, seed=3)
    position[30:34] = [1e6, -1e6, 3e4] + 100.0 * np.arange(4)[:, None]
    ((of_tracks, of_clusters),) = searched((position, direction, weight, num_tracks))
    expected_tracks, expected_clusters = all_pairs(position, direction, weight, num_tracks)
    np.testing.assert_allclose(of_tracks, expected_tracks, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(of_clusters, expected_clusters, rtol=1e-5, atol=1e-5)


def test_events_do_not_affect_each_other():
    events = [drawn_event(10, 20, seed) for seed in range(3)]
    together = searched(*events)
    for event, (of_tracks, of_clusters) in zip(events, together, strict=True):
        ((alone_tracks, alone_clusters),) = searched(event)
        np.testing.assert_array_equal(of_tracks, alone_tracks)
        np.testing.assert_array_equal(of_clusters, alone_clusters)


def test_the_search_ignores_tracks_that_miss_the_calorimeter():
    events = [drawn_event(12, 20, seed, opening=0.3) for seed in range(3)]
    # The first tracks of each event: some, none, all.
    misses_calorimeter = np.arange(3 * 32) % 32 < np.repeat([5, 0, 12], 32)
    results = searched(*events, misses_calorimeter=misses_calorimeter)
    for number, (of_tracks, of_clusters) in zip((5, 0, 12), results, strict=True):
        np.testing.assert_array_equal(
            of_tracks[:number], np.tile(np.float32(TRACK_WITHOUT_NEIGHBOURS), (number, 1))
        )
        position, direction, weight, num_tracks = events.pop(0)
        ((alone_tracks, alone_clusters),) = searched(
            (position[number:], direction[number:], weight[number:], num_tracks - number)
        )
        np.testing.assert_array_equal(of_tracks[number:], alone_tracks)
        np.testing.assert_array_equal(of_clusters, alone_clusters)
