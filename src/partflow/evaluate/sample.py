"""The per-object data that an evaluation keeps of its events: flat columns of equal length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

from partflow.core.records import Array


@dataclass(frozen=True)
class Sample:
    """Columns of equal length; a subclass adds columns to `event`."""

    event: Array
    """Number of the event in the evaluation, [row]."""


AnySample = TypeVar("AnySample", bound=Sample)


def select(sample: AnySample, keep: Array) -> AnySample:
    """The rows for which `keep` [row] is true."""
    return type(sample)(*(getattr(sample, column.name)[keep] for column in fields(sample)))


def join(parts: Sequence[AnySample]) -> AnySample:
    """The rows of one or more samples of one type, one after the other."""
    columns = [column.name for column in fields(parts[0])]
    return type(parts[0])(*(np.concatenate([getattr(p, c) for p in parts]) for c in columns))
