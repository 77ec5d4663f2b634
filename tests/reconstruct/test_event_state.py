"""The state of an event: sums, boxes and hit lists of clusters, and the order of the hits."""

import math

import numpy as np
import pytest

from partflow.core.detector import ECAL, HCAL, MUON
from partflow.core.hadron_scale import load_hadron_scale
from partflow.core.known_detectors import CLIC
from partflow.core.records import Collection
from partflow.core.schemas import HITS
from partflow.reconstruct.event_state import (
    TRACK,
    ClusterKind,
    add_cluster,
    add_hit,
    box_distance,
    centroid,
    em_energy,
    hit_distance,
    hits_of_cluster,
    merge_clusters,
    new_event_state,
)
from partflow.reconstruct.pseudolayers import calorimeters, hit_columns, pseudolayer, sorted_hits
from partflow.reconstruct.sorting import stable_argsort

SCALE = load_hadron_scale(CLIC).constants
CALO = calorimeters(CLIC)


@pytest.fixture
def event(toy):
    """Three clusters of twenty hits; the innermost hits are in the last cluster."""
    hits = toy.random_hits(np.random.default_rng(8), 60)
    hits["layer"] = np.arange(60) // 6
    event = new_event_state(hits, np.zeros(1, TRACK))
    for _ in range(2):
        add_cluster(event, int(ClusterKind.NEUTRAL))
    for i in range(60):
        add_hit(event, i, 2 - i // 20)
    return event


def test_a_merged_cluster_has_the_hits_and_sums_of_both(event):
    merge_clusters(event, 2, 1, SCALE)
    inside = hits_of_cluster(event, 1)
    assert inside.tolist() == list(range(40))
    hits, cluster = event.hits[inside], event.clusters[1]
    assert set(hits["cluster"].tolist()) == {1}
    assert em_energy(cluster) == pytest.approx(hits["energy_em"].sum())
    assert centroid(cluster) == pytest.approx(
        [np.average(hits[axis], weights=hits["energy_em"]) for axis in "xyz"]
    )
    assert cluster["low"].tolist() == [hits[axis].min() for axis in "xyz"]
    assert cluster["high"].tolist() == [hits[axis].max() for axis in "xyz"]
    assert cluster["first_layer"] == hits["layer"].min()
    assert cluster["num_hits"] == 40
    assert event.clusters[2]["num_hits"] == 0
    assert event.clusters[2]["kind"] == ClusterKind.MERGED


def test_the_distance_of_two_clusters_is_that_of_their_nearest_hits(event):
    position = np.stack([event.hits[axis] for axis in "xyz"], axis=1)
    nearest = np.linalg.norm(position[40:, None] - position[None, 20:40], axis=2).min()
    assert hit_distance(event, 0, 1, 0.0, 1e5) == pytest.approx(nearest)
    assert hit_distance(event, 0, 1, 0.0, nearest / 2) == pytest.approx(nearest / 2)
    assert hit_distance(event, 0, 1, 2 * nearest, 1e5) < 2 * nearest
    assert box_distance(event.clusters[0], event.clusters[1]) <= nearest


def test_stable_argsort_agrees_with_numpy():
    rng = np.random.default_rng(9)
    for num in (0, 1, 2, 17, 300):
        values = rng.integers(0, 20, num).astype(float)
        assert np.array_equal(stable_argsort(values), np.argsort(values, kind="stable"))


def test_pseudolayers_are_continuous_where_barrel_meets_endcap():
    """A straight line through the corner crosses all of them, in order."""
    theta = math.atan2(CLIC.ecal.inner_radius, CLIC.ecal.endcap_z)
    layers = []
    for depth in np.arange(5.0, 200.0, 10.0):
        radius = CLIC.ecal.inner_radius + depth
        z = radius / math.tan(theta)
        layers.append(pseudolayer(radius, 0.0, z, ECAL, CALO))
    assert layers == sorted(layers)
    assert set(layers) == set(range(min(layers), max(layers) + 1))
    assert pseudolayer(1745.0, 0.0, 0.0, HCAL, CALO) == CLIC.ecal.num_groups
    assert pseudolayer(300.0, 0.0, -2552.0, HCAL, CALO) == CLIC.ecal.num_groups
    assert pseudolayer(4500.0, 0.0, 0.0, MUON, CALO) == -1


def test_hits_are_sorted_outwards_then_by_energy_then_by_position(toy):
    rows = toy.photon(3.0) + toy.hadron()
    hits = toy.hits([*rows[::-1], (np.array([4500.0, 0, 0]), 1.0, MUON)])
    order, result = sorted_hits(hit_columns(hits), 0, len(hits), CALO)
    assert len(result) == len(rows)
    assert len(hits) - 1 not in order
    keys = list(zip(result["layer"], -result["energy_em"], result["x"], result["y"], strict=True))
    assert keys == sorted(keys)
    shuffled = np.random.default_rng(2).permutation(len(hits))
    other = Collection(HITS, hits.offsets, {n: v[shuffled] for n, v in hits.columns.items()})
    _, again = sorted_hits(hit_columns(other), 0, len(hits), CALO)
    assert np.array_equal(again["x"], result["x"])
    assert np.array_equal(again["y"], result["y"])
