"""The bootstrap replicas of the inclusive metrics, which a comparison of two reports needs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from partflow.core.errors import InputError
from partflow.core.records import Array

REPLICAS_FILE = "replicas.npz"
REPLICAS_SUFFIX = "_replicas"
"""What `response.metric` appends to a metric's name for the entry with its replicas."""


def separate(metrics: Any) -> tuple[Any, dict[str, Array]]:
    """Separate metrics from their replicas: the metrics, and replicas [replica] by dotted name.

    Replicas of metrics in bins, which are lists, are dropped: among hundreds of bins a comparison
    finds differences by chance.

    >>> plain, replicas = separate({"mlpf": {"iqr": 0.1, "iqr_replicas": np.ones(2)}})
    >>> plain, list(replicas)
    ({'mlpf': {'iqr': 0.1}}, ['mlpf.iqr'])
    """
    if isinstance(metrics, Mapping):
        plain, replicas = {}, {}
        for key, value in metrics.items():
            if key.endswith(REPLICAS_SUFFIX):
                replicas[key.removesuffix(REPLICAS_SUFFIX)] = value
            else:
                plain[key], inner_replicas = separate(value)
                replicas |= {f"{key}.{name}": values for name, values in inner_replicas.items()}
        return plain, replicas
    if isinstance(metrics, list):
        return [separate(value)[0] for value in metrics], {}
    return metrics, {}


def write_replicas(path: Path, replicas: Mapping[str, Array]) -> None:
    """Write replicas [replica] by name, in single precision, which suffices for intervals."""
    stored: dict[str, Any] = {name: v.astype(np.float32) for name, v in replicas.items()}
    np.savez_compressed(path, **stored)


def read_replicas(path: Path) -> dict[str, Array]:
    """Read replicas [replica] by name; raises InputError if the file is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name].astype(np.float64) for name in stored.files}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run `partflow evaluate` again") from None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); run `partflow evaluate` again"
        ) from error


def digest_of_events(event_id: Array, process: Array, gen_met: Array) -> str:
    """Hash of a set of events, whatever their order: equal if two reports are of the same events.

    All arguments are [event]. The generated MET [GeV] distinguishes events that share an id.
    """
    order = np.lexsort((gen_met, event_id))
    digest = hashlib.blake2b(digest_size=16)
    digest.update(event_id[order].astype("<i8").tobytes())
    digest.update(gen_met[order].astype("<f4").tobytes())
    digest.update("\n".join(map(str, process[order])).encode())
    return digest.hexdigest()
