"""Reads candidates in step with the events they are judged on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from partflow.core.errors import InputError
from partflow.core.records import Array, Events, concatenate_events
from partflow.core.store import iterate_events

_AGAIN = "run `partflow reconstruct` on these events again"


class CandidateStream:
    """Candidates of a file, taken in step with the events, whatever its row groups."""

    def __init__(self, name: str, path: Path) -> None:
        self._where = f"candidates {name} ({path})"
        self._runs = iterate_events(path, "candidates")
        self._held = next(self._runs)  # a file without events gives an empty run

    def take(self, event_id: Array) -> Events:
        """Exactly the next events, whose ids are `event_id` [event]: their candidates, and the
        shares of those that have any.

        Raises InputError where the file holds other events, or fewer.
        """
        held, wanted = [self._held], len(event_id)
        while sum(len(run) for run in held) < wanted:
            run = next(self._runs, None)
            if run is None:
                raise InputError(f"{self._where}: holds fewer events than are judged; {_AGAIN}")
            held.append(run)
        joined = concatenate_events(held)
        if not np.array_equal(joined.event_id[:wanted], event_id):
            raise InputError(f"{self._where}: belongs to other events; {_AGAIN}")
        self._held = joined[wanted : len(joined)]
        return joined[:wanted]

    def expect_end(self) -> None:
        """Raises InputError where candidates of further events are left."""
        if len(self._held) or any(len(run) for run in self._runs):
            raise InputError(f"{self._where}: holds more events than are judged; {_AGAIN}")
