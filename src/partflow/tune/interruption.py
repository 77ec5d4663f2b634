"""Ctrl-C during a search."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, Self


class Interruption:
    """Whether the search shall end, because of Ctrl-C or an error in another thread.

    A context manager, which handles Ctrl-C inside its block: KeyboardInterrupt is raised while a
    trial trains, and otherwise only noted, since SQLAlchemy may lose an exception that comes while
    it writes the study. A second Ctrl-C raises it at once.
    """

    def __init__(self) -> None:
        self.is_requested = False
        self._is_raised = False
        self._previous: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # other threads must not
            self._previous = signal.signal(signal.SIGINT, self._on_interrupt)
        return self

    def __exit__(self, *error: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    @contextlib.contextmanager
    def raised(self) -> Iterator[None]:
        """A block in which Ctrl-C raises KeyboardInterrupt."""
        self._is_raised = True
        try:
            self.check()
            yield
        finally:
            self._is_raised = False

    def check(self) -> None:
        """Raise KeyboardInterrupt where the search shall end."""
        if self.is_requested:
            raise KeyboardInterrupt

    def _on_interrupt(self, signal_number: int, frame: FrameType | None) -> None:
        """Note the interruption, and raise it where that is safe."""
        is_second, self.is_requested = self.is_requested, True
        if self._is_raised or is_second:
            raise KeyboardInterrupt
