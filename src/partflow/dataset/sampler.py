"""Which events an epoch uses, and how they are cut into batches.

Everything follows from the seed and the number of the epoch, so that an interrupted training can
continue at any batch and all processes of a training know all batches.
"""

from __future__ import annotations

import numpy as np

from partflow.core.errors import ConfigError
from partflow.core.records import Array

POOL_BATCHES = 50
"""Batches in a pool: events are shuffled, cut into pools, and sorted by size within each pool."""
_PASS_KEY = 0x9A55  # makes the order of a pass independent of the order of an epoch


def drawn_events(
    num_events: int, num_drawn: int, seed: int, epoch: int, source_index: int
) -> tuple[Array, Array]:
    """The `num_drawn` events that an epoch uses of a source with `num_events` events.

    The epochs together follow a sequence of passes. A pass has every event once, in an order drawn
    from `seed`, its number and `source_index`. So all events are used before one is used again.

    Returns:
        Index of each event, and number of the pass that it belongs to.

    >>> [drawn_events(3, 2, 1, epoch, 0)[1].tolist() for epoch in range(3)]
    [[0, 0], [0, 1], [1, 1]]
    """
    start, stop = epoch * num_drawn, (epoch + 1) * num_drawn
    events, passes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for number in range(start // num_events, -(-stop // num_events)):
        first = max(start - number * num_events, 0)
        last = min(stop - number * num_events, num_events)
        order = np.arange(num_events)
        if last - first < num_events:
            rng = np.random.default_rng([seed, number, source_index, _PASS_KEY])
            order = rng.permutation(num_events)[first:last]
        events.append(order)
        passes.append(np.full(len(order), number))
    return np.concatenate(events), np.concatenate(passes)


def shuffled_batches(counts: Array, max_elements: int, seed: int, epoch: int) -> list[Array]:
    """Batches of events of similar size in random order: the events of each, by size.

    Args:
        counts: Elements of each event, [event]; not 0.
        max_elements: Largest number of elements in a batch; a larger event is a batch of its own.
        seed: Seed of the order.
        epoch: Number of the epoch; each has another order.

    Raises:
        ConfigError: `max_elements` is not positive.
    """
    _check_limit(max_elements)
    rng = np.random.default_rng([seed, epoch])
    drawn = rng.permutation(len(counts))
    pool = np.cumsum(counts[drawn]) // (POOL_BATCHES * max_elements)
    order = drawn[np.lexsort((counts[drawn], pool))]
    batches = _cut(order, counts[order], max_elements)
    batches = [batches[i] for i in rng.permutation(len(batches))]
    return [batch[np.argsort(counts[batch], kind="stable")] for batch in batches]


def ordered_batches(counts: Array, max_elements: int) -> list[Array]:
    """Batches from the smallest event to the largest; arguments as of `shuffled_batches`."""
    _check_limit(max_elements)
    order = np.argsort(counts, kind="stable")
    return _cut(order, counts[order], max_elements)


def _check_limit(max_elements: int) -> None:
    """Raise ConfigError unless `max_elements` is positive."""
    if max_elements < 1:
        raise ConfigError(f"max_elements = {max_elements}; it must be positive")


def _cut(order: Array, counts: Array, max_elements: int) -> list[Array]:
    """Cut `order` into parts of at most `max_elements`; `counts` are those of `order`."""
    ends = np.cumsum(counts)
    parts: list[Array] = []
    start, done = 0, 0
    while start < len(order):
        stop = max(int(np.searchsorted(ends, done + max_elements, side="right")), start + 1)
        parts.append(order[start:stop])
        start, done = stop, int(ends[stop - 1])
    return parts
