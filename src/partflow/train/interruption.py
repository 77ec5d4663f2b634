"""Interruption of a training run by Ctrl-C or by a scheduler."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self

from partflow.core.progress import say

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Ctrl-C, and what a scheduler sends before it ends a job."""


class Interruption:
    """Notes the first signal, so that the run can end after its step; a second one ends it at once.

    A context manager: it handles the signals inside its block only.
    """

    def __init__(self, is_announced: bool = True) -> None:
        """With `is_announced` it tells the user what happens next."""
        self.was_requested = False
        self._is_announced = is_announced
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # other threads must not
            for number in SIGNALS:
                self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *error: object) -> None:
        self._restore()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """Note the signal, and let the next one end the run at once."""
        self.was_requested = True
        self._restore()
        if self._is_announced:
            say("Stopping after this step; Ctrl-C again stops at once, without saving.")

    def _restore(self) -> None:
        """Give the signals back to whoever handled them before."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
