"""Candidates of a file, read in step with their events."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from partflow.core.errors import InputError
from partflow.core.records import Array, Events, concatenate_events
from partflow.core.store import iterate_events

_ADVICE = "run `partflow reconstruct` on these events again"


class CandidateStream:
    """Reads the candidate set `name` from a file in chunks of any size, whatever its row groups."""

    def __init__(self, name: str, path: Path) -> None:
        self._where = f"candidates {name} ({path})"
        self._chunks = iterate_events(path, "candidates")
        self._pending = next(self._chunks)  # a file without events gives an empty chunk
        """Events that were read and not yet taken."""

    def take(self, event_id: Array) -> Events:
        """The next events of the file: candidates, and shares if the file has them.

        Raises InputError unless their ids are `event_id` [event].
        """
        chunks, num_events = [self._pending], len(event_id)
        while sum(len(chunk) for chunk in chunks) < num_events:
            chunk = next(self._chunks, None)
            if chunk is None:
                raise InputError(f"{self._where}: holds fewer events than are judged; {_ADVICE}")
            chunks.append(chunk)
        joined = concatenate_events(chunks)
        if not np.array_equal(joined.event_id[:num_events], event_id):
            raise InputError(f"{self._where}: belongs to other events; {_ADVICE}")
        self._pending = joined[num_events : len(joined)]
        return joined[:num_events]

    def expect_end(self) -> None:
        """Raise InputError where the file holds further events."""
        if len(self._pending) or any(len(chunk) for chunk in self._chunks):
            raise InputError(f"{self._where}: holds more events than are judged; {_ADVICE}")
