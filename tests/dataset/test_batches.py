import numpy as np
import torch

from partflow.core.features import build_elements
from partflow.core.records import Collection
from partflow.core.schemas import CLUSTERS, TRACKS
from partflow.dataset.batches import LabelledBatch, batch_of_elements


def test_a_batch_holds_the_elements_of_one_event_after_another(dataset, read_events):
    events = np.array([7, 300, 12])
    batch = read_events(dataset, events)
    assert isinstance(batch, LabelledBatch)
    assert batch.event_id.tolist() == dataset.event_id[events].tolist()
    assert batch.counts == tuple(dataset.counts[events])
    assert batch.num_events == 3
    for i, event in enumerate(events):
        here = slice(batch.offsets[i], batch.offsets[i + 1])
        there = slice(dataset.offsets[event], dataset.offsets[event + 1])
        assert np.array_equal(batch.features[here], dataset.features[there])
        assert np.array_equal(batch.targets[here], dataset.targets[there])
        assert np.all(batch.event_index[here].numpy() == i)
        assert np.array_equal(batch.gen_met[i], dataset.gen_met[event])
        assert batch.process_index[i] == dataset.process_index[event]
    assert batch.event_weight.tolist() == [1.0, 1.0, 1.0]
    assert len(batch) == len(batch.features) == sum(batch.counts)


def test_an_empty_event_has_no_rows_in_a_batch(dataset, read_events):
    empty = int(np.flatnonzero(dataset.counts == 0)[0])
    batch = read_events(dataset, np.array([empty, 1, empty]))
    assert batch.num_events == 3
    assert batch.counts == (0, dataset.counts[1], 0)
    assert torch.all(batch.event_index == 1)
    alone = read_events(dataset, np.array([empty]))
    assert len(alone) == 0


def test_each_element_is_a_track_or_a_cluster(dataset, read_events):
    batch = read_events(dataset, np.arange(20))
    assert torch.equal(batch.is_track, ~batch.is_cluster)
    assert batch.is_track.any()
    assert batch.is_cluster.any()


def test_all_tensors_of_a_batch_move_to_another_device(dataset, read_events):
    batch = read_events(dataset, np.arange(5))
    moved = batch.to("meta")
    assert moved.features.device.type == moved.gen_met.device.type == "meta"
    assert moved.counts == batch.counts
    assert type(moved) is LabelledBatch


def test_a_batch_for_reconstruction_holds_no_truth():
    tracks, clusters = Collection.empty(TRACKS, 3), Collection.empty(CLUSTERS, 3)
    batch = batch_of_elements(build_elements(tracks, clusters), np.array([5, 6, 7]))
    assert batch.event_id.tolist() == [5, 6, 7]
    assert batch.counts == (0, 0, 0)
    assert not hasattr(batch, "targets")
