import numpy as np
import pytest

from partflow.core.cluster_shapes import cluster_shapes
from partflow.core.detector import ECAL, HCAL, MUON
from partflow.core.hadron_scale import energy_bin
from partflow.core.known_detectors import CLD, CLIC
from partflow.core.records import Collection
from partflow.core.schemas import (
    CLUSTER_SHAPE,
    CLUSTERS,
    DEPTH_PROFILE,
    HIT_SPECTRUM,
    HITS,
)


def hits_at(position, energy, subdetector):
    position = np.asarray(position, dtype=float).reshape(-1, 3)
    columns = {f.name: np.zeros(len(position)) for f in HITS.fields}
    columns |= {axis: position[:, i] for i, axis in enumerate("xyz")}
    columns |= {"energy_em": energy, "subdetector": subdetector}
    return Collection(HITS, np.array([0, len(position)]), columns)


def random_hits(rng, number=300):
    """Hits of ECAL and HCAL in all directions, in barrel and endcaps."""
    direction = rng.normal(size=(number, 3))
    direction /= np.abs(direction).max(axis=1, keepdims=True)
    subdetector = rng.choice([ECAL, HCAL], number)
    depth = np.where(
        subdetector == ECAL, rng.uniform(0, 202, number), rng.uniform(240, 1830, number)
    )
    radius = np.hypot(direction[:, 0], direction[:, 1])
    reach = np.minimum((1500 + depth) / radius, (2307 + depth) / np.abs(direction[:, 2]))
    return hits_at(direction * reach[:, None], rng.exponential(0.3, number), subdetector)


def shapes(hits, cluster, number, detector=CLIC):
    return cluster_shapes(hits, np.asarray(cluster), number, detector)


def test_the_columns_are_those_of_the_schema():
    assert set(CLUSTER_SHAPE) <= set(CLUSTERS.names)
    assert tuple(shapes(hits_at([], [], []), [], 0)) == CLUSTER_SHAPE


@pytest.mark.parametrize("names", [DEPTH_PROFILE, HIT_SPECTRUM])
def test_profile_and_spectrum_sum_to_the_energy_in_each_calorimeter(names):
    rng = np.random.default_rng(1)
    hits, cluster = random_hits(rng), rng.integers(-1, 9, 300)
    shape = shapes(hits, cluster, 9)
    for part, number in (("ecal", ECAL), ("hcal", HCAL)):
        inside = (hits.subdetector == number) & (cluster >= 0)
        expected = np.bincount(cluster[inside], hits.energy_em[inside], 9)
        total = sum(shape[name] for name in names if name.startswith(part))
        assert total == pytest.approx(expected)
        assert np.all(expected > 0)


def test_a_hit_counts_in_its_bin_of_software_compensation():
    energy = np.array([0.02, 0.05, 0.2, 0.9, 0.1, 0.2, 0.5, 2.0])
    subdetector = np.repeat([ECAL, HCAL], 4)
    place = np.where((subdetector == ECAL)[:, None], [1550.0, 0, 0], [1800.0, 0, 0])
    shape = shapes(hits_at(place, energy, subdetector), np.arange(8), 8)
    spectrum = np.stack([shape[name] for name in HIT_SPECTRUM], axis=1)
    assert np.argmax(spectrum, axis=1).tolist() == list(range(8))
    assert energy_bin(energy, subdetector).tolist() == list(range(8))


@pytest.mark.parametrize(
    ("depth", "name"),
    [(0, "ecal_depth_1"), (39, "ecal_depth_1"), (42, "ecal_depth_2"), (82, "ecal_depth_3"),
     (125, "ecal_depth_4"), (201, "ecal_depth_4"), (241, "hcal_depth_1"), (440, "hcal_depth_1"),
     (460, "hcal_depth_2"), (780, "hcal_depth_3"), (1200, "hcal_depth_4")],
)  # fmt: skip
@pytest.mark.parametrize("place", ["barrel", "endcap"])
def test_a_hit_counts_in_the_part_of_the_depth_where_it_lies(depth, name, place):
    """Edges: 40.4, 80.8, 121.2 mm of the ECAL's 202 mm; 240 + 212, 530, 954 mm in the HCAL."""
    point = [[1500.0 + depth, 0, 0]] if place == "barrel" else [[300.0, 0, -2307.0 - depth]]
    subdetector = [ECAL if name.startswith("ecal") else HCAL]
    shape = shapes(hits_at(point, [1.0], subdetector), [0], 1)
    assert [n for n in DEPTH_PROFILE if shape[n][0] == 1] == [name]
    assert shape["first_depth"] == pytest.approx(depth)


def test_depth_is_measured_from_the_face_of_the_given_detector():
    shape = shapes(hits_at([[2160.0, 0, 0]], [1.0], [ECAL]), [0], 1, CLD)
    assert shape["first_depth"] == pytest.approx(10)
    assert shape["ecal_depth_1"] == 1


def test_length_is_along_the_line_from_the_origin_and_width_is_perpendicular_to_it():
    axis, across = np.array([0.6, 0.0, 0.8]), np.array([0.8, 0.0, -0.6])
    points = [2000 * axis + 30 * axis, 2000 * axis - 30 * axis,
              2000 * axis + 12 * across, 2000 * axis - 12 * across]  # fmt: skip
    shape = shapes(hits_at(points, np.full(4, 0.5), [ECAL] * 4), np.zeros(4, int), 1)
    assert shape["length"] == pytest.approx(30 / np.sqrt(2), rel=1e-4)
    assert shape["width"] == pytest.approx(12 / np.sqrt(2), rel=1e-4)
    assert shape["max_hit_fraction"] == pytest.approx(0.25)
    assert shape["core_fraction"] == 1.0


def test_the_core_ends_at_a_moliere_radius_from_the_axis():
    radius = CLIC.ecal.moliere_radius
    points = [[1600.0, 0, 0], [1600.0, 0.98 * radius, 0], [1600.0, -1.02 * radius, 0]]
    # The centroid stays in the middle: the two outer hits have nearly the same energy.
    shape = shapes(hits_at(points, [2.0, 0.51, 0.49], [ECAL] * 3), np.zeros(3, int), 1)
    assert shape["core_fraction"] == pytest.approx(2.51 / 3, rel=1e-6)


def test_shapes_do_not_change_when_the_event_is_rotated_and_mirrored():
    rng = np.random.default_rng(2)
    hits, cluster = random_hits(rng), rng.integers(0, 9, 300)
    moved = {**hits.columns}
    moved["x"] = np.cos(0.7) * hits.x + np.sin(0.7) * hits.y
    moved["y"] = np.sin(0.7) * hits.x - np.cos(0.7) * hits.y
    moved["z"] = -hits.z
    before, after = (shapes(h, cluster, 9) for h in (hits, Collection(HITS, hits.offsets, moved)))
    for name in CLUSTER_SHAPE:
        # Positions have single precision, and no hit is near an edge of a part.
        assert after[name] == pytest.approx(before[name], rel=1e-5, abs=1e-3), name


def test_clusters_without_hits_or_energy_have_no_shape():
    shape = shapes(hits_at([[1600.0, 0, 0]], [0.0], [MUON]), [1], 3)
    for name, values in shape.items():
        expected = [0, 100, 0] if name == "first_depth" else [0, 0, 0]
        assert values.tolist() == expected
