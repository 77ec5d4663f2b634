"""RMS90: spread of the narrowest part of a distribution that holds nine tenths of it.

The measure of jet energy resolution of the linear-collider studies (Thomson, NIM A 611 (2009)
25): robust against tails, and smaller than the Gaussian sigma of the core, by 0.79 for a
Gaussian itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.records import Array
from partflow.evaluate.bootstrap import Bootstrap

PART = 0.9


class Rms90(NamedTuple):
    """Spread and mean of the narrowest 90 %; arrays if of replicas."""

    rms: Array | float
    mean: Array | float


def rms90(values: Array) -> Rms90:
    """RMS and mean of the narrowest interval that holds 90 % of `values` [event].

    NaN for fewer than two. Of equally narrow intervals the lowest counts.

    >>> rms, mean = rms90(np.array([1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0, 4.0, 99.0]))
    >>> round(float(rms), 4), round(float(mean), 4)
    (0.8315, 2.5556)
    """
    return _of_sorted(np.sort(values))


def rms90_replicas(values: Array, bootstrap: Bootstrap) -> Rms90:
    """The same of `values` [event] and of each replica, [1 + replica]."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    found = [_of_sorted(ordered)]
    found += [_of_sorted(np.repeat(ordered, weights[order])) for weights in bootstrap.weights]
    rms, mean = np.array(found, dtype=np.float64).T
    return Rms90(rms, mean)


def _of_sorted(values: Array) -> Rms90:
    inside = int(PART * len(values))
    if inside < 2:
        return Rms90(np.nan, np.nan)
    first = int(np.argmin(values[inside - 1 :] - values[: len(values) - inside + 1]))
    part = values[first : first + inside]
    return Rms90(float(part.std()), float(part.mean()))
