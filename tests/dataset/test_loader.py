import itertools
import json
import threading
import tracemalloc

import numpy as np
import pytest
import torch

from partflow.core.errors import ConfigError, DataError
from partflow.core.features import ELEMENTS, NUM_FEATURES
from partflow.dataset.augmentation import draw_symmetry, transform_features, transform_met
from partflow.dataset.columns import TargetColumn, column_names
from partflow.dataset.loader import sample_batches, training_batches, validation_batches
from partflow.dataset.mixture import Mixture


@pytest.fixture(scope="module")
def mixture(make_dataset):
    rng = np.random.default_rng(2)
    folders = [
        make_dataset("ttbar", rng.integers(0, 30, 150), 1000, "ttbar"),
        make_dataset("qq", rng.integers(0, 30, 90), 5000, "qq"),
    ]
    return Mixture.open(folders, [1, 2])


def take(number, mixture, max_elements=200, seed=1, augment=False, **options):
    batches = training_batches(mixture, max_elements, seed=seed, augment=augment, **options)
    return list(itertools.islice(batches, number))


def assert_same(one, other):
    for name in ("event_id", "offsets", "features", "event_index", "targets", "gen_met",
                 "process_index", "event_weight", "is_pu"):  # fmt: skip
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    assert one.counts == other.counts


def test_every_event_of_a_batch_has_its_elements_and_its_truth(mixture):
    events = {}
    for source in mixture.sources:
        for event in source.training:
            events[int(source.dataset.event_id[event])] = (source.dataset, event)
    number = mixture.num_batches(0, 200, 1)
    seen = 0
    for batch in take(number, mixture):
        assert len(batch) <= 200
        for i, event_id in enumerate(batch.event_id.tolist()):
            data, event = events[event_id]
            here = slice(batch.offsets[i], batch.offsets[i + 1])
            there = slice(data.offsets[event], data.offsets[event + 1])
            assert np.array_equal(batch.features[here], data.features[there])
            assert np.array_equal(batch.targets[here], data.targets[there])
            assert np.array_equal(batch.gen_met[i], data.gen_met[event])
            process = data.processes[data.process_index[event]]
            assert mixture.processes[batch.process_index[i]] == process
            seen += 1
    assert seen == mixture.num_events


def test_batches_do_not_depend_on_the_number_of_workers(mixture):
    """They are equal across the borders of epochs, too."""
    number = mixture.num_batches(0, 200, 1) + 5
    here = take(number, mixture, augment=True)
    for num_workers in (1, 3):
        there = take(number, mixture, augment=True, num_workers=num_workers)
        for one, other in zip(here, there, strict=True):
            assert_same(one, other)


def test_a_training_continues_at_any_batch_of_any_epoch(mixture):
    per_epoch = [mixture.num_batches(epoch, 200, 1) for epoch in range(2)]
    whole = take(sum(per_epoch) + 3, mixture, augment=True)
    for epoch, first in ((0, 0), (0, 4), (1, 0), (1, per_epoch[1] - 1), (1, per_epoch[1])):
        start = sum(per_epoch[:epoch]) + first
        rest = take(3, mixture, augment=True, epoch=epoch, first_batch=first)
        for one, other in zip(rest, whole[start:], strict=False):
            assert_same(one, other)


@pytest.mark.parametrize("num_ranks", [2, 3, 16])
def test_ranks_read_every_event_of_a_batch_once(mixture, num_ranks):
    """With more ranks than events some read an empty batch, so that no rank waits for another."""
    whole = take(6, mixture, augment=True)
    parts = [take(6, mixture, augment=True, rank=r, num_ranks=num_ranks) for r in range(num_ranks)]
    for number, batch in enumerate(whole):
        of_ranks = [part[number] for part in parts]
        for rank, part in enumerate(of_ranks):
            assert part.event_id.tolist() == batch.event_id[rank::num_ranks].tolist()
            assert len(part.features) == sum(part.counts)
        assert sum(len(part) for part in of_ranks) == len(batch)
    if num_ranks == 16:
        assert any(part.num_events == 0 for of_rank in parts for part in of_rank)


def test_an_event_has_a_new_symmetry_each_time_it_is_used(make_dataset):
    """Also where it is used several times in one epoch."""
    folders = [make_dataset("few", [4] * 10, 10), make_dataset("many", [4] * 90, 1000)]
    mixture = Mixture.open(folders, [1, 1], validation_fraction=0.0)
    data = mixture.sources[0].dataset
    number = mixture.num_batches(0, 40, 3)
    versions = [
        batch.features[batch.offsets[i] : batch.offsets[i + 1]].numpy()
        for batch in take(number, mixture, 40, seed=3, augment=True)
        for i in np.flatnonzero(batch.event_id.numpy() == data.event_id[7])
    ]
    assert len(versions) == 5
    expected = []
    for passed in range(5):
        symmetry = draw_symmetry(data.event_id[[7]], 3, passed)
        original = data.features[data.rows(np.array([7]))]
        expected.append(transform_features(original, symmetry.take(np.zeros(4, int))))
    assert sorted(v.tobytes() for v in versions) == sorted(e.tobytes() for e in expected)


def test_the_symmetry_of_an_event_does_not_depend_on_its_batch(dataset, read_events):
    symmetry = draw_symmetry(dataset.event_id[[9]], 3, 1)
    expected = transform_met(dataset.gen_met[[9]], symmetry)[0]
    alone = read_events(dataset, [9], 1, augmentation_seed=3)
    together = read_events(dataset, [4, 9], 1, augmentation_seed=3)
    assert torch.equal(alone.features, together.features[together.event_index == 1])
    for seen in (alone.gen_met[0], together.gen_met[1]):
        assert np.array_equal(seen, expected)
    later = read_events(dataset, [9], 2, augmentation_seed=3)
    assert not torch.equal(alone.features, later.features)


def test_validation_batches_hold_all_validation_events_of_each_source_by_size(mixture):
    by_source = validation_batches(mixture, 100)
    assert list(by_source) == ["ttbar", "qq"]
    for source in mixture.sources:
        batches = by_source[source.name]
        ids = np.concatenate([batch.event_id for batch in batches])
        assert sorted(ids) == sorted(source.dataset.event_id[source.validation])
        counts = np.concatenate([batch.counts for batch in batches])
        assert np.all(np.diff(counts) >= 0)
    halves = [validation_batches(mixture, 100, rank, 2) for rank in range(2)]
    for name, batches in by_source.items():
        for number, batch in enumerate(batches):
            for rank in range(2):
                part = halves[rank][name][number]
                assert part.event_id.tolist() == batch.event_id[rank::2].tolist()


def test_a_sample_has_the_proportions_of_the_mixture(mixture):
    batches = list(sample_batches(mixture, 200, num_events=90, seed=4))
    processes = np.concatenate([batch.process_index for batch in batches])
    assert len(processes) == 90
    # two thirds are qq; five standard deviations of a binomial
    assert abs(np.sum(processes == 1) - 60) < 5 * np.sqrt(90 * 2 / 9)
    everything = list(sample_batches(mixture, 200, num_events=10**6, seed=4))
    assert sum(batch.num_events for batch in everything) == mixture.num_events


@pytest.mark.parametrize(
    ("options", "message"),
    [({"max_elements": 0}, "max_elements = 0"),
     ({"rank": 2, "num_ranks": 2}, "rank 2 of 2: ranks count from 0"),
     ({"num_workers": -1}, "loader_workers = -1")],
)  # fmt: skip
def test_arguments_out_of_range_are_refused_before_the_first_batch(mixture, options, message):
    with pytest.raises(ConfigError, match=message):
        training_batches(mixture, **{"max_elements": 9, "seed": 1, "augment": False} | options)


def loader_threads():
    return [t for t in threading.enumerate() if t.name.startswith("loader")]


def test_a_closed_loader_leaves_no_thread(mixture):
    batches = training_batches(mixture, 200, seed=1, augment=True, num_workers=2)
    next(batches)
    assert loader_threads()
    batches.close()
    assert not loader_threads()


@pytest.mark.parametrize("num_workers", [0, 2])
def test_damaged_events_end_the_batches_with_file_and_event(make_dataset, num_workers):
    folder = make_dataset("damaged", [5] * 40, 100)
    path = folder / "packed" / "features.npy"
    path.write_bytes(path.read_bytes()[:-2000] + bytes(2000))
    mixture = Mixture.open([folder], validation_fraction=0.0)
    with pytest.raises(DataError, match=r"damaged/packed/features\.npy: event 13\d: an element"):
        take(20, mixture, 50, num_workers=num_workers)
    assert not loader_threads()


def write_large(folder, num_events, num_elements):
    """A packed data set of equal events, written without holding it in memory."""
    folder.mkdir(parents=True)
    total = num_events * num_elements
    for name, columns in (("features", NUM_FEATURES), ("targets", len(TargetColumn))):
        array = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", "f4", (total, columns))
        if name == "features":
            array[:, 0] = 1
        array.flush()
        del array
    np.save(folder / "offsets.npy", np.arange(num_events + 1) * num_elements)
    np.save(folder / "event_id.npy", np.arange(num_events))
    np.save(folder / "process_index.npy", np.zeros(num_events, np.int64))
    np.save(folder / "gen_met.npy", np.zeros((num_events, 2), np.float32))
    description = {
        "format": 3, "features": ELEMENTS.names, "targets": column_names(TargetColumn),
        "face": {"detector": "clic", "radius": 1500.0, "half_length": 2307.0},
        "elements": "final", "processes": ["toy"], "num_events": num_events,
        "num_elements": total, "num_targets": 0, "num_shares": None,
        "largest_event": num_elements,
    }  # fmt: skip
    (folder / "dataset.json").write_text(json.dumps(description))


def test_an_epoch_needs_a_small_part_of_the_memory_of_its_data(tmp_path):
    """No array of elements is copied as a whole, neither when it is opened nor when it is read."""
    for name in ("first", "second"):
        write_large(tmp_path / name / "packed", 1000, 200)
    size = sum(file.stat().st_size for file in tmp_path.rglob("*.npy"))
    limit = 8_000_000
    assert size > 10 * limit
    tracemalloc.start()
    try:
        mixture = Mixture.open([tmp_path / "first", tmp_path / "second"], [1, 2])
        number = mixture.num_batches(0, 2500, 1)
        batches = training_batches(mixture, 2500, seed=1, augment=True, num_workers=1)
        elements = sum(len(batch) for batch in itertools.islice(batches, number))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert elements == 200 * mixture.num_events
    assert peak < limit
