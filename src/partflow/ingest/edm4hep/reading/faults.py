"""Faults of single events. A bad event is skipped and reported; the rest of its file is read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from partflow.core.records import Array


class Faults:
    """The first fault of each bad event of a range."""

    def __init__(self, num_events: int) -> None:
        self._reasons: dict[int, str] = {}
        self._num_events = num_events

    def add(self, event_index: Array, is_bad: Array, reason: str | Callable[[int], str]) -> None:
        """Mark the events of bad objects as bad.

        `event_index` and `is_bad` are [object]. `reason` may be a function of the first bad row
        of an event. An event that is marked already keeps its first reason.
        """
        bad = np.flatnonzero(is_bad)
        if len(bad) == 0:
            return
        events, first = np.unique(np.asarray(event_index)[bad], return_index=True)
        for event, row in zip(events.tolist(), bad[first].tolist(), strict=True):
            text = reason if isinstance(reason, str) else reason(row)
            self._reasons.setdefault(event, text)

    @property
    def reasons(self) -> dict[int, str]:
        """Reason of each bad event, by its position in the range, in order."""
        return dict(sorted(self._reasons.items()))

    @property
    def good(self) -> Array:
        """Positions of the events without a fault."""
        is_good = np.ones(self._num_events, dtype=bool)
        is_good[list(self._reasons)] = False
        return np.flatnonzero(is_good)
