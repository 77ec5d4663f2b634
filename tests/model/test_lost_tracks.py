"""Tracks that do not reach the calorimeter: in the event, but at no place in it."""

import numpy as np
import pytest
import torch

from partflow.core.detector import FACE_BARREL, FACE_ENDCAP, FACE_NONE
from partflow.core.features import ELEMENTS, ExtraFeature
from partflow.core.records import Collection
from partflow.dataset.batches import batch_of_elements
from partflow.model.attention import MAX_PENALTY
from partflow.model.config import ModelConfig
from partflow.model.inputs import is_lost, track_inputs
from partflow.model.layout import layout
from partflow.model.neighbour_search import ABSENT, REACH
from partflow.model.neighbourhood import event_distances, neighbourhood
from partflow.model.owners import NOBODY, possible_owners

FACE = slice(ExtraFeature.FACE_X, ExtraFeature.FACE_DZ + 1)
OWNERS = 9


@pytest.fixture(scope="module", params=["some", "all"])
def features(request, batch):
    """Some of the tracks are lost, or all."""
    features = batch.features.clone()
    lost = torch.nonzero(batch.is_track).flatten()
    if request.param == "some":
        lost = lost[::3]
    features[lost, ExtraFeature.FACE_REGION] = FACE_NONE
    return features


def moved(features):
    """The lost tracks end elsewhere: each where a cluster of its event, or another track, is."""
    others = torch.nonzero(features[:, ExtraFeature.FACE_X] != 0).flatten()
    lost = torch.nonzero(is_lost(features)).flatten()
    features = features.clone()
    features[lost, FACE] = features[others.flip(0)[: len(lost)], FACE]
    features[lost[0], FACE] = features[lost[0] + 13, FACE]  # of the first event
    return features


def test_where_a_lost_track_ends_changes_no_owner_no_neighbour_and_no_distance(features, batch):
    rows = layout(features, batch.counts)
    elsewhere = moved(features)
    assert not torch.equal(elsewhere, features)
    before, after = (possible_owners(f, rows, OWNERS) for f in (features, elsewhere))
    assert torch.equal(before.cluster, after.cluster) and torch.equal(before.owner, after.owner)
    before, after = (neighbourhood(f, rows) for f in (features, elsewhere))
    assert torch.equal(before.tracks, after.tracks)
    assert torch.equal(before.clusters, after.clusters)
    before, after = (event_distances(f, rows) for f in (features, elsewhere))
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_track_that_reaches_the_calorimeter_does_change_them(batch):
    """The test above would see it."""
    rows = layout(batch.features, batch.counts)
    elsewhere = batch.features.clone()
    elsewhere[0, FACE] = elsewhere[13, FACE]
    before, after = (neighbourhood(f, rows) for f in (batch.features, elsewhere))
    assert not torch.equal(before.clusters, after.clusters)
    before, after = (possible_owners(f, rows, OWNERS) for f in (batch.features, elsewhere))
    assert before.owner.tolist() != after.owner.tolist()


def test_a_lost_track_may_own_nothing_and_every_cluster_still_itself(features, batch):
    pairs = possible_owners(features, layout(features, batch.counts), OWNERS)
    owners = pairs.owner[pairs.owner != NOBODY]
    assert not bool(is_lost(features)[owners].any())
    every = torch.nonzero(batch.is_cluster).flatten()
    assert torch.equal(pairs.cluster[pairs.cluster == pairs.owner], every)
    # Who is left is found up to the same number.
    left = [int((~is_lost(part)).sum()) for part in features.split(batch.counts)]
    expected = [1 + min(OWNERS, left[event]) for event in batch.event_index[every].tolist()]
    assert torch.bincount(pairs.cluster)[every].tolist() == expected


def test_a_lost_track_has_the_inputs_of_one_without_neighbours(features, batch):
    rows = layout(features, batch.counts)
    near = neighbourhood(features, rows).tracks[is_lost(features)[rows.track_rows]]
    assert len(near)
    nobody = torch.tensor([np.log1p(REACH / 10), np.log(ABSENT + 0.05), 0.0, np.log1p(REACH / 10)])
    torch.testing.assert_close(near[:, [0, 1, 2, 4]], nobody.float().expand(len(near), 4))


def test_a_lost_track_hears_all_alike_and_heads_that_feel_distance_do_not_hear_it(
    features, batch, random_network
):
    """Beside the same network without distances, whose weights are the same."""
    near, plain = random_network(num_layers=1), random_network(num_layers=1, distance_bias=False)
    lost_of_event = is_lost(features).split(batch.counts)
    batch = type(batch)(batch.event_id, batch.offsets, features, batch.event_index, batch.counts)
    with torch.no_grad():
        maps = zip(near.attention(batch), plain.attention(batch), strict=True)
        for lost, (felt, unfelt) in zip([x for x in lost_of_event if len(x)], maps, strict=True):
            torch.testing.assert_close(felt[:, :, lost], unfelt[:, :, lost])
            odds = (felt / unfelt)[0, 0]  # of the most local head
            others = ~lost
            if lost.any() and others.any():
                to_itself = odds.diagonal()[others, None]
                penalty = torch.log(to_itself / odds[others][:, lost])
                torch.testing.assert_close(penalty, torch.full_like(penalty, MAX_PENALTY))


def test_events_of_lost_tracks_alone_are_shared_out(features, batch, random_network):
    network = random_network(head="sharing", num_owners=OWNERS)
    columns = dict(zip(ELEMENTS.names, features.numpy().T, strict=True))
    elements = Collection(ELEMENTS, batch.offsets.numpy(), columns)
    output = network(batch_of_elements(elements, batch.event_id.numpy()))
    share = output.log_share.exp()
    total = torch.zeros(len(batch)).index_add(0, output.pairs.cluster, share)
    torch.testing.assert_close(total, batch.is_cluster.float())
    assert bool(output.log_pt_ratio.isfinite().all() and output.log_energy_ratio.isfinite().all())


def test_the_network_is_told_what_a_track_reaches_and_where_it_was_last_seen(batch):
    tracks = batch.features[:4].clone()
    tracks[:, ExtraFeature.FACE_REGION] = torch.tensor([FACE_NONE, FACE_BARREL, FACE_ENDCAP, 1.0])
    tracks[:, ExtraFeature.RADIUS_OF_OUTERMOST_HIT] = torch.tensor([0.0, 1486.0, 1486.0, 58.0])
    alike = tracks[1].expand(4, -1).clone()
    told = (ExtraFeature.FACE_REGION, ExtraFeature.RADIUS_OF_OUTERMOST_HIT)
    alike[:, told] = tracks[:, told]
    inputs = track_inputs(alike, ModelConfig())
    differing = inputs[:, (inputs != inputs[1]).any(0)]
    expected = torch.tensor(
        [[0.0, 0, 0], [np.log(1486), 1, 0], [np.log(1486), 0, 1], [np.log(58), 1, 0]]
    )
    torch.testing.assert_close(differing, expected.float())
