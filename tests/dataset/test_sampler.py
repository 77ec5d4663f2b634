import hashlib

import numpy as np
import pytest

from partflow.core.errors import ConfigError
from partflow.dataset.sampler import drawn_events, ordered_batches, shuffled_batches

COUNTS = np.random.default_rng(3).integers(1, 41, 380)


def batches_of(is_shuffled, seed=0, epoch=0):
    if is_shuffled:
        return shuffled_batches(COUNTS, 200, seed, epoch)
    return ordered_batches(COUNTS, 200)


def as_lists(batches):
    return [batch.tolist() for batch in batches]


@pytest.mark.parametrize("is_shuffled", [True, False])
def test_every_event_is_in_one_batch(is_shuffled):
    assert np.array_equal(np.sort(np.concatenate(batches_of(is_shuffled))), np.arange(len(COUNTS)))


@pytest.mark.parametrize("is_shuffled", [True, False])
def test_a_batch_is_within_the_limit_of_elements_and_nearly_full(is_shuffled):
    sizes = [COUNTS[batch].sum() for batch in batches_of(is_shuffled)]
    assert max(sizes) <= 200
    # Each is full up to one event of at most 40 elements, except the last one of an epoch.
    assert sorted(sizes)[1] > 200 - 40


def test_an_event_larger_than_the_limit_is_a_batch_of_its_own():
    assert as_lists(ordered_batches(np.array([3, 50, 4]), 10)) == [[0, 2], [1]]


def test_events_of_a_batch_are_sorted_by_size_and_of_similar_size():
    spreads = []
    for batch in batches_of(True, seed=4):
        assert np.all(np.diff(COUNTS[batch]) >= 0)
        spreads.append(np.ptp(COUNTS[batch]))
    # ten events drawn at random from 1 to 40 elements spread over about 33
    assert np.mean(spreads) < 4


def test_an_epoch_depends_on_seed_and_epoch_number():
    first = as_lists(batches_of(True, 1, 3))
    assert first == as_lists(batches_of(True, 1, 3))
    assert first != as_lists(batches_of(True, 1, 2))
    assert first != as_lists(batches_of(True, 2, 3))


def test_the_order_of_events_is_that_of_earlier_versions():
    """A training that an earlier version has begun continues with the same batches."""
    numbers = np.concatenate(batches_of(True, seed=7, epoch=2)).astype("<i8")
    digest = hashlib.blake2b(numbers.tobytes(), digest_size=8).hexdigest()
    assert digest == "a14e2f951c31ea79"


def test_a_limit_of_no_elements_is_refused():
    for draw in (lambda: ordered_batches(COUNTS, 0), lambda: shuffled_batches(COUNTS, 0, 1, 1)):
        with pytest.raises(ConfigError, match="max_elements = 0"):
            draw()


@pytest.mark.parametrize("num_drawn", [1, 3, 7, 10, 13, 20, 25])
def test_all_events_are_used_before_one_is_used_again(num_drawn):
    uses = np.zeros(10, int)
    for epoch in range(12):
        events, passes = drawn_events(10, num_drawn, 5, epoch, 1)
        assert len(events) == num_drawn
        for event, number in zip(events, passes, strict=True):
            assert number == uses[event]
            uses[event] += 1
        assert np.ptp(uses) <= 1


def test_the_order_of_a_pass_depends_on_seed_pass_and_source():
    def order(seed, first_epoch, source):
        parts = [drawn_events(20, 5, seed, first_epoch + i, source)[0] for i in range(4)]
        return np.concatenate(parts).tolist()

    orders = [order(1, 0, 0), order(2, 0, 0), order(1, 4, 0), order(1, 0, 1)]
    assert all(sorted(one) == list(range(20)) for one in orders)
    assert len({tuple(one) for one in orders}) == len(orders)
