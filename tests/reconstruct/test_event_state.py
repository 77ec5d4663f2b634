"""The state: sums, boxes and lists follow the hits from cluster to cluster."""

import math

import numpy as np
import pytest

from partflow.core.detector import CLIC, ECAL, HCAL, MUON
from partflow.core.hadron_scale import energy_bin, load_hadron_scale
from partflow.core.records import Collection
from partflow.core.schemas import HITS
from partflow.reconstruct.chain import HitColumns
from partflow.reconstruct.event import (
    TRACK,
    Kind,
    add_cluster,
    attach,
    box_distance,
    centroid,
    hit_distance,
    members,
    merge,
    new_event,
    rising_order,
    total_energy,
)
from partflow.reconstruct.pseudolayers import calorimeters, pseudolayer, sorted_hits

SCALE = load_hadron_scale(CLIC).constants
CALO = calorimeters(CLIC)


def columns_of(hits: Collection) -> HitColumns:
    return HitColumns(
        x=hits.x.astype(float),
        y=hits.y.astype(float),
        z=hits.z.astype(float),
        energy=hits.energy_em.astype(float),
        energy_bits=hits.energy_em.view(np.int32),
        subdetector=hits.subdetector,
        energy_bin=energy_bin(hits.energy_em, hits.subdetector).astype(np.int64),
    )


@pytest.fixture
def event(ruler):
    """Three clusters of twenty hits; the innermost ones are in the last."""
    hits = ruler.random_hits(np.random.default_rng(8), 60)
    hits["layer"] = np.arange(60) // 6
    event = new_event(hits, np.zeros(1, TRACK))
    for _ in range(2):
        add_cluster(event, int(Kind.NEUTRAL))
    for i in range(60):
        attach(event, i, 2 - i // 20)
    return event


def test_merging_adds_up_what_the_clusters_hold(event):
    merge(event, 2, 1, SCALE)
    inside = members(event, 1)
    assert inside.tolist() == list(range(40))
    hits, cluster = event.hits[inside], event.clusters[1]
    assert set(hits["cluster"].tolist()) == {1}
    assert total_energy(cluster) == pytest.approx(hits["energy"].sum())
    assert centroid(cluster) == pytest.approx(
        [np.average(hits[axis], weights=hits["energy"]) for axis in "xyz"]
    )
    assert cluster["low"].tolist() == [hits[axis].min() for axis in "xyz"]
    assert cluster["high"].tolist() == [hits[axis].max() for axis in "xyz"]
    assert cluster["first_layer"] == hits["layer"].min()
    assert cluster["num_hits"] == 40
    assert event.clusters[2]["num_hits"] == 0
    assert event.clusters[2]["kind"] == Kind.MERGED


def test_the_distance_of_clusters_is_that_of_their_nearest_hits(event):
    place = np.stack([event.hits[axis] for axis in "xyz"], axis=1)
    pairs = np.linalg.norm(place[40:, None] - place[None, 20:40], axis=2)
    assert hit_distance(event, 0, 1, 0.0, 1e5) == pytest.approx(pairs.min())
    assert hit_distance(event, 0, 1, 0.0, pairs.min() / 2) == pytest.approx(pairs.min() / 2)
    assert hit_distance(event, 0, 1, 2 * pairs.min(), 1e5) < 2 * pairs.min()
    assert box_distance(event.clusters[0], event.clusters[1]) <= pairs.min()


def test_rising_order_is_a_stable_sort():
    rng = np.random.default_rng(9)
    for num in (0, 1, 2, 17, 300):
        values = rng.integers(0, 20, num).astype(float)
        assert np.array_equal(rising_order(values), np.argsort(values, kind="stable"))


def test_pseudolayers_go_on_where_barrel_meets_endcap():
    """A straight line through the corner meets every one of them, in order."""
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


def test_hits_are_sorted_outwards_then_by_energy_then_by_place(ruler):
    rows = ruler.photon(3.0) + ruler.hadron()
    hits = ruler.hits([*rows[::-1], (np.array([4500.0, 0, 0]), 1.0, MUON)])
    order, found = sorted_hits(columns_of(hits), 0, len(hits), CALO)
    assert len(found) == len(rows)
    assert len(hits) - 1 not in order
    keys = list(zip(found["layer"], -found["energy"], found["x"], found["y"], strict=True))
    assert keys == sorted(keys)
    shuffled = np.random.default_rng(2).permutation(len(hits))
    other = Collection(HITS, hits.offsets, {n: v[shuffled] for n, v in hits.columns.items()})
    _, again = sorted_hits(columns_of(other), 0, len(hits), CALO)
    assert np.array_equal(again["x"], found["x"])
    assert np.array_equal(again["y"], found["y"])
