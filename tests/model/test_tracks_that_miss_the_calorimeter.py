"""Tracks that miss the calorimeter ("missing" here): they have no neighbours and own nothing."""

import numpy as np
import pytest
import torch

from partflow.core.detector import FACE_BARREL, FACE_ENDCAP, FACE_NONE
from partflow.core.features import ELEMENTS, ExtraFeature
from partflow.core.records import Collection
from partflow.dataset.batches import batch_of_elements
from partflow.model.attention import MAX_PENALTY
from partflow.model.config import ModelConfig
from partflow.model.inputs import misses_calorimeter, track_inputs
from partflow.model.layout import layout
from partflow.model.neighbour_search import ABSENT_ENERGY, NEIGHBOUR_REACH
from partflow.model.neighbourhood import event_distances, neighbourhood
from partflow.model.owners import UNASSIGNED, possible_owners

FACE = slice(ExtraFeature.FACE_X, ExtraFeature.FACE_DZ + 1)
OWNERS = 9


@pytest.fixture(scope="module", params=["some", "all"])
def features(request, batch):
    """Some of the tracks miss the calorimeter, or all."""
    features = batch.features.clone()
    missing = torch.nonzero(batch.is_track).flatten()
    if request.param == "some":
        missing = missing[::3]
    features[missing, ExtraFeature.FACE_REGION] = FACE_NONE
    return features


def moved(features):
    """The missing tracks end elsewhere: at a cluster of their event, or at another track."""
    others = torch.nonzero(features[:, ExtraFeature.FACE_X] != 0).flatten()
    missing = torch.nonzero(misses_calorimeter(features)).flatten()
    features = features.clone()
    features[missing, FACE] = features[others.flip(0)[: len(missing)], FACE]
    features[missing[0], FACE] = features[missing[0] + 13, FACE]  # of the first event
    return features


def test_the_end_of_such_a_track_changes_no_owner_no_neighbour_and_no_distance(features, batch):
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


def test_the_position_of_a_track_that_reaches_the_calorimeter_changes_them(batch):
    """The test above can fail."""
    rows = layout(batch.features, batch.counts)
    elsewhere = batch.features.clone()
    elsewhere[0, FACE] = elsewhere[13, FACE]
    before, after = (neighbourhood(f, rows) for f in (batch.features, elsewhere))
    assert not torch.equal(before.clusters, after.clusters)
    before, after = (possible_owners(f, rows, OWNERS) for f in (batch.features, elsewhere))
    assert before.owner.tolist() != after.owner.tolist()


def test_such_a_track_owns_nothing_and_every_cluster_may_own_itself(features, batch):
    pairs = possible_owners(features, layout(features, batch.counts), OWNERS)
    owners = pairs.owner[pairs.owner != UNASSIGNED]
    assert not bool(misses_calorimeter(features)[owners].any())
    every = torch.nonzero(batch.is_cluster).flatten()
    assert torch.equal(pairs.cluster[pairs.cluster == pairs.owner], every)
    # The other elements are found up to the number of owners.
    possible = [int((~misses_calorimeter(part)).sum()) for part in features.split(batch.counts)]
    expected = [1 + min(OWNERS, possible[event]) for event in batch.event_index[every].tolist()]
    assert torch.bincount(pairs.cluster)[every].tolist() == expected


def test_such_a_track_has_the_inputs_of_one_without_neighbours(features, batch):
    rows = layout(features, batch.counts)
    inputs = neighbourhood(features, rows).tracks[misses_calorimeter(features)[rows.track_rows]]
    assert len(inputs)
    log_reach = np.log1p(NEIGHBOUR_REACH / 10)
    expected = torch.tensor([log_reach, np.log(ABSENT_ENERGY + 0.05), 0.0, log_reach])
    torch.testing.assert_close(inputs[:, [0, 1, 2, 4]], expected.float().expand(len(inputs), 4))


def test_its_own_attention_has_no_distance_term_and_local_heads_give_it_the_least_attention(
    features, batch, random_network
):
    """Compared with a network of the same weights without distance terms."""
    local, plain = random_network(num_layers=1), random_network(num_layers=1, distance_bias=False)
    is_missing_of_event = misses_calorimeter(features).split(batch.counts)
    batch = type(batch)(batch.event_id, batch.offsets, features, batch.event_index, batch.counts)
    with torch.no_grad():
        weights = zip(local.attention_weights(batch), plain.attention_weights(batch), strict=True)
        not_empty = [x for x in is_missing_of_event if len(x)]
        for missing, (with_term, without) in zip(not_empty, weights, strict=True):
            torch.testing.assert_close(with_term[:, :, missing], without[:, :, missing])
            ratio = (with_term / without)[0, 0]  # of the most local head
            others = ~missing
            if missing.any() and others.any():
                to_itself = ratio.diagonal()[others, None]
                penalty = torch.log(to_itself / ratio[others][:, missing])
                torch.testing.assert_close(penalty, torch.full_like(penalty, MAX_PENALTY))


def test_shares_sum_to_one_in_events_with_such_tracks_only(features, batch, random_network):
    network = random_network(head="sharing", num_owners=OWNERS)
    columns = dict(zip(ELEMENTS.names, features.numpy().T, strict=True))
    elements = Collection(ELEMENTS, batch.offsets.numpy(), columns)
    output = network(batch_of_elements(elements, batch.event_id.numpy()))
    share = output.log_share.exp()
    total = torch.zeros(len(batch)).index_add(0, output.pairs.cluster, share)
    torch.testing.assert_close(total, batch.is_cluster.float())
    assert bool(output.log_pt_ratio.isfinite().all() and output.log_energy_ratio.isfinite().all())


def test_the_inputs_say_which_calorimeter_a_track_reaches_and_the_radius_of_its_last_hit(batch):
    tracks = batch.features[:4].clone()
    tracks[:, ExtraFeature.FACE_REGION] = torch.tensor([FACE_NONE, FACE_BARREL, FACE_ENDCAP, 1.0])
    tracks[:, ExtraFeature.RADIUS_OF_OUTERMOST_HIT] = torch.tensor([0.0, 1486.0, 1486.0, 58.0])
    alike = tracks[1].expand(4, -1).clone()
    changed = (ExtraFeature.FACE_REGION, ExtraFeature.RADIUS_OF_OUTERMOST_HIT)
    alike[:, changed] = tracks[:, changed]
    inputs = track_inputs(alike, ModelConfig())
    differing = inputs[:, (inputs != inputs[1]).any(0)]
    expected = torch.tensor(
        [[0.0, 0, 0], [np.log(1486), 1, 0], [np.log(1486), 0, 1], [np.log(58), 1, 0]]
    )
    torch.testing.assert_close(differing, expected.float())
