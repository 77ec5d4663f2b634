"""The bootstrap replicas behind the inclusive figures: what a later comparison needs of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from partflow.core.errors import InputError
from partflow.core.records import Array

REPLICAS_FILE = "replicas.npz"
SUFFIX = "_replicas"
"""What `response.figure` appends to the name of a figure for the entry with its replicas."""


def separate(figures: Any) -> tuple[Any, dict[str, Array]]:
    """The figures without their replicas, and the replicas [replica] by dotted name.

    Those of figures in bins, which stand in lists, are dropped: they are many, and a comparison
    of hundreds of bins finds differences by chance.

    >>> plain, replicas = separate({"mlpf": {"iqr": 0.1, "iqr_replicas": np.ones(2)}})
    >>> plain, list(replicas)
    ({'mlpf': {'iqr': 0.1}}, ['mlpf.iqr'])
    """
    if isinstance(figures, Mapping):
        plain, found = {}, {}
        for key, value in figures.items():
            if key.endswith(SUFFIX):
                found[key.removesuffix(SUFFIX)] = value
            else:
                plain[key], below = separate(value)
                found |= {f"{key}.{name}": replicas for name, replicas in below.items()}
        return plain, found
    if isinstance(figures, list):
        return [separate(value)[0] for value in figures], {}
    return figures, {}


def write_replicas(path: Path, replicas: Mapping[str, Array]) -> None:
    """Write replicas [replica] by name, in single precision: they only make intervals."""
    stored: dict[str, Any] = {name: v.astype(np.float32) for name, v in replicas.items()}
    np.savez_compressed(path, **stored)


def read_replicas(path: Path) -> dict[str, Array]:
    """Replicas [replica] by name; raises InputError where the file is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name].astype(np.float64) for name in stored.files}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; make the report again") from None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path}: cannot be read ({error}); make the report again") from error


def digest_of_events(event_id: Array, process: Array, gen_met: Array) -> str:
    """Says whether two evaluations are of the same events, in whatever order they came.

    The generated MET [event] (GeV) tells events apart that share an id.
    """
    order = np.lexsort((gen_met, event_id))
    digest = hashlib.blake2b(digest_size=16)
    digest.update(event_id[order].astype("<i8").tobytes())
    digest.update(gen_met[order].astype("<f4").tobytes())
    digest.update("\n".join(map(str, process[order])).encode())
    return digest.hexdigest()
