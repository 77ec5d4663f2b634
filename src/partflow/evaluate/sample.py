"""What an evaluation keeps of its events: flat columns, each row with the event it is from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from partflow.core.records import Array


@dataclass(frozen=True)
class Sample:
    """Columns of equal length; a subclass adds its own beside `event`."""

    event: Array
    """Number of the event in the evaluation, [row]."""

    def select(self, keep: Array) -> Self:
        """The rows for which `keep` [row] is true."""
        return type(self)(*(getattr(self, column.name)[keep] for column in fields(self)))

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """The rows of several samples, one after the other."""
        return cls(*(np.concatenate([getattr(p, c.name) for p in parts]) for c in fields(cls)))

    @property
    def num_events(self) -> int:
        """Number of events that have a row."""
        return len(np.unique(self.event))
