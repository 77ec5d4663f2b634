"""Stable sorts for kernels.

numpy's argsort, which numba supports too, takes ten times as long to compile and twice as long to
run.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def stable_argsort(values):
    """Indices that sort `values` upwards; equal values keep their order (merge sort)."""
    n = len(values)
    order, merged = np.arange(n), np.empty(n, np.int64)
    width = 1
    while width < n:
        for begin in range(0, n, 2 * width):
            middle, end = min(begin + width, n), min(begin + 2 * width, n)
            left, right = begin, middle
            for k in range(begin, end):
                take_left = left < middle and (
                    right >= end or values[order[left]] <= values[order[right]]
                )
                if take_left:
                    merged[k] = order[left]
                    left += 1
                else:
                    merged[k] = order[right]
                    right += 1
        order, merged = merged, order
        width *= 2
    return order


@njit(cache=True)
def sort_by_digit(order, key, base):
    """Sort the indices `order` by `key` modulo `base`, stably: one pass of a radix sort.

    `base` is a power of 2, or larger than every key. Four passes take a third of the time of a
    comparison sort.
    """
    begin = np.zeros(base + 1, np.int64)
    for i in order:
        begin[key[i] % base + 1] += 1
    for k in range(base):
        begin[k + 1] += begin[k]
    result = np.empty_like(order)
    for i in order:
        digit = key[i] % base
        result[begin[digit]] = i
        begin[digit] += 1
    return result
