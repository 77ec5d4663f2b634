"""Random numbers for events that do not depend on batch, order or worker."""

from __future__ import annotations

import numpy as np

from partflow.core.records import Array

_GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, the step of splitmix64
_WORD = 1 << 64


def uniform(event_id: Array, *key: int | Array) -> Array:
    """Uniform random numbers in [0, 1), [event]: a hash of each event's id and of the integers
    `key`, each of which may be an array [event].

    The hash is splitmix64 (Steele, Lea, Flood, OOPSLA 2014), applied once for each part of the
    key.

    >>> uniform(np.array([1, 2]), 7).round(3).tolist() == uniform(np.array([2, 1]), 7).round(
    ...     3
    ... ).tolist()[::-1]
    True
    """
    state = np.asarray(event_id, dtype=np.int64).astype(np.uint64)
    for part in (0, *key):
        if isinstance(part, np.ndarray):
            step = (part.astype(np.uint64) + np.uint64(1)) * np.uint64(_GOLDEN)  # modulo 2^64
        else:
            step = np.array((part + 1) * _GOLDEN % _WORD, dtype=np.uint64)
        state = _mix(state + step)
    return (state >> np.uint64(11)) * 2.0**-53  # the upper 53 bits fill a double


def _mix(x: Array) -> Array:
    """Output function of splitmix64 on uint64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
