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


def test_a_batch_holds_the_elements_of_one_event_after_another(dataset):
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


def test_all_tensors_of_a_batch_move_to_another_device(dataset):
    batch = PackedBatches(dataset)[Selection(0, np.arange(5))]
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


def sampler_of(dataset, **options):
    return BucketBatchSampler(dataset.counts, np.arange(len(dataset)), 200, **options)


@pytest.mark.parametrize("shuffle", [True, False])
def test_every_event_with_elements_is_drawn_once_per_epoch(dataset, shuffle):
    seen = np.concatenate([s.event_index for s in sampler_of(dataset, shuffle=shuffle)])
    assert np.array_equal(np.sort(seen), np.flatnonzero(dataset.counts > 0))
    assert sampler_of(dataset).num_events == len(seen)


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_batch_is_within_the_limit_of_elements_and_nearly_full(dataset, shuffle):
    sizes = [dataset.counts[s.event_index].sum() for s in sampler_of(dataset, shuffle=shuffle)]
    assert max(sizes) <= 200
    # Each is full up to one event of at most 40 elements, except the last one of an epoch.
    assert sorted(sizes)[1] > 200 - 40


def test_an_event_larger_than_the_limit_is_a_batch_of_its_own(dataset):
    sampler = BucketBatchSampler(np.array([3, 50, 4]), np.arange(3), 10, shuffle=False)
    assert [s.event_index.tolist() for s in sampler] == [[0, 2], [1]]


def test_events_of_a_batch_are_sorted_by_size_and_of_similar_size(dataset):
    spreads = []
    for selection in sampler_of(dataset, seed=4):
        sizes = dataset.counts[selection.event_index]
        assert np.all(np.diff(sizes) >= 0)
        spreads.append(np.ptp(sizes))
    assert (
        np.mean(spreads) < 4
    )  # ten events drawn at random from 0 to 40 elements spread over about 33


def test_an_epoch_depends_on_seed_and_epoch_number_alone(dataset):
    def events_of(seed, epoch, epochs_before=()):
        sampler = sampler_of(dataset, seed=seed)
        for before in epochs_before:
            sampler.set_epoch(before)
            list(sampler)
        sampler.set_epoch(epoch)
        return [s.event_index.tolist() for s in sampler]

    assert events_of(1, 3) == events_of(1, 3, epochs_before=(0, 1, 2))
    assert events_of(1, 3) != events_of(1, 2)
    assert events_of(1, 3) != events_of(2, 3)


def test_an_interrupted_epoch_continues_at_the_next_batch(dataset):
    whole, cut = sampler_of(dataset, seed=1), sampler_of(dataset, seed=1)
    whole.set_epoch(2)
    cut.resume(epoch=2, first_batch=5)
    cut.set_epoch(2)  # a trainer sets the epoch again
    assert len(cut) == len(whole) - 5
    rest = [s.event_index.tolist() for s in cut]
    assert rest == [s.event_index.tolist() for s in whole][5:]
    for sampler in (whole, cut):
        sampler.set_epoch(3)
    assert [s.event_index.tolist() for s in cut] == [s.event_index.tolist() for s in whole]


def test_without_shuffling_every_epoch_is_the_same(dataset):
    sampler = sampler_of(dataset, shuffle=False)
    first = [s.event_index.tolist() for s in sampler]
    sampler.set_epoch(1)
    assert first == [s.event_index.tolist() for s in sampler]


def test_a_limit_of_no_elements_is_refused(dataset):
    with pytest.raises(ConfigError, match="max_elements = 0"):
        BucketBatchSampler(dataset.counts, np.arange(3), 0)


def test_a_loader_yields_each_event_with_its_truth(dataset):
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


def test_batches_do_not_depend_on_the_number_of_workers(dataset):
    options = {"max_elements": 500, "seed": 2, "augment": True}
    events = np.arange(100)
    here = list(batch_loader(dataset, events, **options))
    there = list(batch_loader(dataset, events, **options, num_workers=1))
    for one, other in zip(here, there, strict=True):
        assert torch.equal(one.features, other.features)
        assert torch.equal(one.targets, other.targets)


def test_the_augmentation_of_an_event_depends_on_the_epoch_and_not_on_its_batch(dataset):
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


def test_a_loader_of_empty_events_is_refused(tmp_path, make_events, provenance):
    data = pack([make_events([0, 0], 1)], tmp_path / "packed", provenance)
    with pytest.raises(DataError, match="none of the 2 events"):
        batch_loader(data, np.arange(2), 100)
