from dataclasses import replace

import numpy as np
import pytest
import torch

from partflow.core.features import ClusterFeature, ExtraFeature
from partflow.dataset.augmentation import Symmetry, transform_features
from partflow.model.config import ModelConfig
from partflow.model.inputs import cluster_columns, cluster_inputs
from partflow.model.layout import layout
from partflow.model.mlpf import MLPF
from partflow.model.neighbour_search import NEIGHBOUR_REACH
from partflow.model.neighbourhood import (
    NUM_CLUSTER_INPUTS,
    NUM_TRACK_INPUTS,
    event_distances,
    neighbourhood,
    pair_distances,
)

CLOSEST_TRACK, MOMENTUM_OF_CLOSEST_TRACK = 0, 1


def test_the_distance_of_a_cluster_from_a_track_is_that_from_its_line():
    face = torch.tensor([[1500.0, 0.0, 0.0]])
    clusters = torch.tensor(
        [
            [1700.0, 0.0, 0.0],  # on the line, 200 mm deep
            [1700.0, 30.0, 40.0],  # 50 mm off it
            [1480.0, 0.0, 0.0],  # 20 mm in front of the face: backscattered
            [1000.0, 0.0, 0.0],  # far in front of it: in front of the line as well
        ]
    )
    distance, depth = pair_distances(torch.cat([face, clusters]), torch.tensor([[1.0, 0, 0]]), 1)
    expected = [0.0, 50.0, 0.0, (500.0**2 - 50.0**2) ** 0.5]
    torch.testing.assert_close(distance[0, 1:], torch.tensor(expected), atol=0.05, rtol=0)
    torch.testing.assert_close(depth[0], torch.tensor([200.0, 200.0, -20.0, -500.0]))
    assert torch.equal(distance, distance.T)


def test_the_distance_of_two_tracks_or_two_clusters_is_that_of_their_positions():
    positions = torch.tensor([[1500.0, 0, 0], [1500.0, 30.0, 40.0], [0.0, 1600.0, 0], [0, 1600, 9]])
    distance, _ = pair_distances(positions, torch.zeros(2, 3), 2)
    assert distance[0, 1].item() == pytest.approx(50.0)
    assert distance[2, 3].item() == pytest.approx(9.0)


def test_the_track_in_front_of_a_cluster_is_its_closest_track(batch):
    # In these events cluster i of the first event stands behind track i.
    near = neighbourhood(batch.features, layout(batch.features, batch.counts))
    momenta = batch.features[:12, 5]
    expected = torch.log(momenta + 0.05)
    torch.testing.assert_close(near.clusters[:12, MOMENTUM_OF_CLOSEST_TRACK], expected)
    assert near.clusters[:12, CLOSEST_TRACK].max() < near.clusters[12:20, CLOSEST_TRACK].min()


def test_neighbours_that_do_not_exist_have_the_largest_distance(batch):
    near = neighbourhood(batch.features, layout(batch.features, batch.counts))
    without_tracks = near.clusters[20:27]
    expected = torch.full((7,), NEIGHBOUR_REACH / 10).log1p()
    torch.testing.assert_close(without_tracks[:, CLOSEST_TRACK], expected)
    assert near.tracks.shape[1] == NUM_TRACK_INPUTS
    assert near.clusters.shape[1] == NUM_CLUSTER_INPUTS
    assert bool(near.tracks.isfinite().all() and near.clusters.isfinite().all())


def test_a_rotated_and_mirrored_event_has_the_same_neighbourhood(batch):
    per_element = Symmetry(
        np.full(len(batch), 1.1), np.full(len(batch), -1.0), -np.ones(len(batch))
    )
    turned = torch.from_numpy(transform_features(batch.features.numpy(), per_element))
    rows = layout(batch.features, batch.counts)
    before, after = neighbourhood(batch.features, rows), neighbourhood(turned, rows)
    distances = (event_distances(f, rows) for f in (batch.features, turned))
    for a, b in zip(*distances, strict=True):
        torch.testing.assert_close(a, b, atol=0.3, rtol=1e-4)  # mm: float32 at two metres
    # Logarithms of lengths in units of 10 mm.
    torch.testing.assert_close(before.tracks, after.tracks, atol=0.03, rtol=1e-3)
    torch.testing.assert_close(before.clusters, after.clusters, atol=0.03, rtol=1e-3)


def test_depth_counts_from_the_face_of_the_configured_detector(batch):
    clusters = batch.features[layout(batch.features, batch.counts).cluster_rows]
    config = ModelConfig()
    smaller = replace(config, face_radius=config.face_radius - 300.0)
    difference = cluster_inputs(clusters, smaller) - cluster_inputs(clusters, config)
    # Depth is counted in units of 300 mm.
    is_one_deeper = torch.isclose(difference, torch.ones(()), atol=1e-4).all(0)
    assert int(is_one_deeper.sum()) == 1


def test_the_barrel_ends_at_the_endcaps_face_at_all_radii(batch):
    clusters = batch.features[batch.is_cluster][:4].clone()
    place = torch.tensor(
        [[1600.0, 0, 2290], [1600.0, 0, -2320], [300.0, 0, -2320], [3000.0, 0, 2290]]
    )
    for z in (ClusterFeature.Z, ExtraFeature.FACE_Z):
        clusters[:, z - 2 : z + 1] = place
    is_endcap = cluster_columns(clusters, ModelConfig())["is_endcap"]
    assert is_endcap.tolist() == [0.0, 1.0, 1.0, 0.0]


def test_inputs_are_finite_for_a_looper_without_a_face(batch):
    features = batch.features.clone()
    features[0, ExtraFeature.FACE_X : ExtraFeature.FACE_DZ + 1] = 0.0
    model = MLPF(ModelConfig(dim=16, num_layers=1, num_heads=2))
    inputs = model.inputs(features, layout(features, batch.counts))
    assert bool(inputs.tracks.isfinite().all() and inputs.clusters.isfinite().all())
