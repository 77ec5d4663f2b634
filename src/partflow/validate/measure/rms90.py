"""RMS90: standard deviation of the narrowest interval that contains 90 % of a distribution.

The measure of the jet energy resolution in linear-collider studies (Thomson, NIM A 611 (2009) 25).
It is robust against tails. For a Gaussian it is 0.79 sigma.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.records import Array
from partflow.evaluate.bootstrap import Bootstrap

CONTENT = 0.9
"""Fraction of the distribution in the interval."""


class Rms90(NamedTuple):
    """RMS and mean of the narrowest 90 %: numbers, or arrays [1 + replica]."""

    rms: Array | float
    mean: Array | float


def rms90(values: Array) -> Rms90:
    """RMS and mean of the narrowest interval that holds 90 % of `values` [event].

    NaN for fewer than two values. Of equally narrow intervals the lowest is taken.

    >>> rms, mean = rms90(np.array([1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0, 4.0, 99.0]))
    >>> round(float(rms), 4), round(float(mean), 4)
    (0.8315, 2.5556)
    """
    return _of_sorted(np.sort(values))


def rms90_replicas(values: Array, bootstrap: Bootstrap) -> Rms90:
    """`rms90` of `values` [event] and of each replica."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    replicas = [_of_sorted(ordered)]
    replicas += [_of_sorted(np.repeat(ordered, weights[order])) for weights in bootstrap.weights]
    rms, mean = np.array(replicas, dtype=np.float64).T
    return Rms90(rms, mean)


def _of_sorted(values: Array) -> Rms90:
    """`rms90` of sorted values."""
    num_inside = int(CONTENT * len(values))
    if num_inside < 2:
        return Rms90(np.nan, np.nan)
    first = int(np.argmin(values[num_inside - 1 :] - values[: len(values) - num_inside + 1]))
    inside = values[first : first + num_inside]
    return Rms90(float(inside.std()), float(inside.mean()))
