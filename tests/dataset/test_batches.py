import numpy as np
import pytest
import torch

from partflow.core.errors import ConfigError, DataError
from partflow.core.features import build_elements
from partflow.core.records import Collection
from partflow.core.schemas import CLUSTERS, TRACKS
from partflow.dataset.augmentation import draw_symmetry, transform_met
from partflow.dataset.batches import (
    BucketBatchSampler,
    LabelledBatch,
    PackedBatches,
    Selection,
    batch_loader,
    batch_of_elements,
)
from partflow.dataset.packing import pack


def test_a_batch_holds_the_elements_of_its_events_one_after_the_other(dataset):
    events = np.array([7, 300, 12])
    batch = PackedBatches(dataset)[Selection(0, events)]
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
    assert len(batch) == len(batch.features) == sum(batch.counts)


def test_an_empty_event_has_no_rows_in_a_batch(dataset):
    empty = int(np.flatnonzero(dataset.counts == 0)[0])
    batch = PackedBatches(dataset)[Selection(0, np.array([empty, 1, empty]))]
    assert batch.num_events == 3
    assert batch.counts == (0, dataset.counts[1], 0)
    assert torch.all(batch.event_index == 1)
    alone = PackedBatches(dataset)[Selection(0, np.array([empty]))]
    assert len(alone) == 0


def test_each_element_is_a_track_or_a_cluster(dataset):
    batch = PackedBatches(dataset)[Selection(0, np.arange(20))]
    assert torch.equal(batch.is_track, ~batch.is_cluster)
    assert batch.is_track.any()
    assert batch.is_cluster.any()


def test_a_batch_moves_as_a_whole(dataset):
    batch = PackedBatches(dataset)[Selection(0, np.arange(5))]
    moved = batch.to("meta")
    assert moved.features.device.type == moved.gen_met.device.type == "meta"
    assert moved.counts == batch.counts
    assert type(moved) is LabelledBatch


def test_elements_for_inference_make_a_batch_without_truth():
    tracks, clusters = Collection.empty(TRACKS, 3), Collection.empty(CLUSTERS, 3)
    batch = batch_of_elements(build_elements(tracks, clusters), np.array([5, 6, 7]))
    assert batch.event_id.tolist() == [5, 6, 7]
    assert batch.counts == (0, 0, 0)
    assert not hasattr(batch, "targets")


def sampler_of(dataset, **options):
    return BucketBatchSampler(dataset.counts, np.arange(len(dataset)), 200, **options)


@pytest.mark.parametrize("shuffle", [True, False])
def test_every_event_with_elements_comes_once_an_epoch(dataset, shuffle):
    seen = np.concatenate([s.events for s in sampler_of(dataset, shuffle=shuffle)])
    assert np.array_equal(np.sort(seen), np.flatnonzero(dataset.counts > 0))
    assert sampler_of(dataset).num_events == len(seen)


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_batch_stays_within_its_budget_and_is_nearly_full(dataset, shuffle):
    sizes = [dataset.counts[s.events].sum() for s in sampler_of(dataset, shuffle=shuffle)]
    assert max(sizes) <= 200
    # Each is full up to one event of at most 40 elements; only the last of a pass is a rest.
    assert sorted(sizes)[1] > 200 - 40


def test_an_event_larger_than_the_budget_stands_alone(dataset):
    sampler = BucketBatchSampler(np.array([3, 50, 4]), np.arange(3), 10, shuffle=False)
    assert [s.events.tolist() for s in sampler] == [[0, 2], [1]]


def test_events_of_a_batch_stand_by_size_and_are_of_similar_size(dataset):
    spreads = []
    for selection in sampler_of(dataset, seed=4):
        sizes = dataset.counts[selection.events]
        assert np.all(np.diff(sizes) >= 0)
        spreads.append(np.ptp(sizes))
    assert np.mean(spreads) < 4  # drawn blindly from 0 to 40, about ten events spread over 33


def test_an_epoch_follows_from_seed_and_number_alone(dataset):
    def events_of(seed, epoch, epochs_before=()):
        sampler = sampler_of(dataset, seed=seed)
        for before in epochs_before:
            sampler.set_epoch(before)
            list(sampler)
        sampler.set_epoch(epoch)
        return [s.events.tolist() for s in sampler]

    assert events_of(1, 3) == events_of(1, 3, epochs_before=(0, 1, 2))
    assert events_of(1, 3) != events_of(1, 2)
    assert events_of(1, 3) != events_of(2, 3)


def test_a_training_goes_on_where_it_stopped(dataset):
    whole, cut = sampler_of(dataset, seed=1), sampler_of(dataset, seed=1)
    whole.set_epoch(2)
    cut.resume(epoch=2, first_batch=5)
    cut.set_epoch(2)  # a trainer announces the epoch again
    assert len(cut) == len(whole) - 5
    rest = [s.events.tolist() for s in cut]
    assert rest == [s.events.tolist() for s in whole][5:]
    for sampler in (whole, cut):
        sampler.set_epoch(3)
    assert [s.events.tolist() for s in cut] == [s.events.tolist() for s in whole]


def test_without_shuffling_every_epoch_is_the_same(dataset):
    sampler = sampler_of(dataset, shuffle=False)
    first = [s.events.tolist() for s in sampler]
    sampler.set_epoch(1)
    assert first == [s.events.tolist() for s in sampler]


def test_a_budget_of_nothing_is_refused(dataset):
    with pytest.raises(ConfigError, match="max_elements = 0"):
        BucketBatchSampler(dataset.counts, np.arange(3), 0)


def test_a_loader_gives_each_event_with_its_truth(dataset):
    training, _ = dataset.split(0.2)
    loader = batch_loader(dataset, training, 300, seed=1)
    by_id = {int(i): n for n, i in enumerate(dataset.event_id)}
    seen = 0
    for batch in loader:
        for i, event in enumerate(by_id[i] for i in batch.event_id.tolist()):
            here = slice(batch.offsets[i], batch.offsets[i + 1])
            there = slice(dataset.offsets[event], dataset.offsets[event + 1])
            assert np.array_equal(batch.targets[here], dataset.targets[there])
            seen += 1
    assert seen == np.count_nonzero(dataset.counts[training])
    assert len(list(loader)) == len(loader)


def test_workers_change_nothing(dataset):
    options = {"max_elements": 500, "seed": 2, "augment": True}
    events = np.arange(100)
    here = list(batch_loader(dataset, events, **options))
    there = list(batch_loader(dataset, events, **options, num_workers=1))
    for one, other in zip(here, there, strict=True):
        assert torch.equal(one.features, other.features)
        assert torch.equal(one.targets, other.targets)


def test_an_event_is_augmented_alike_in_any_batch_and_anew_in_every_epoch(dataset):
    batches = PackedBatches(dataset, augmentation_seed=3)
    symmetry = draw_symmetry(dataset.event_id[[9]], seed=3, epoch=1)
    expected = transform_met(dataset.gen_met[[9]], symmetry)[0]
    alone = batches[Selection(1, np.array([9]))]
    together = batches[Selection(1, np.array([4, 9]))]
    assert torch.equal(alone.features, together.features[together.event_index == 1])
    for seen in (alone.gen_met[0], together.gen_met[1]):
        assert np.array_equal(seen, expected)
    later = batches[Selection(2, np.array([9]))]
    assert not torch.equal(alone.features, later.features)
    plain = PackedBatches(dataset)[Selection(1, np.array([9]))]
    assert torch.equal(
        plain.features, torch.from_numpy(dataset.features[dataset.rows(np.array([9]))])
    )


def test_a_data_set_of_empty_events_cannot_be_trained_on(tmp_path, make_events, record):
    data = pack([make_events([0, 0], 1)], tmp_path / "packed", record)
    with pytest.raises(DataError, match="none of the 2 events"):
        batch_loader(data, np.arange(2), 100)
