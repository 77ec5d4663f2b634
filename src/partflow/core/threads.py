"""Threads: how many there are, and how those of OpenMP wait for each other."""

from __future__ import annotations

import os

SPIN_COUNT = 1000
"""Rounds of a loop in which a thread of OpenMP waits for the others before it sleeps: about a
microsecond. The usual 300,000 take a millisecond, as long as many products of a network. If other
processes use the cores, the thread that it waits for does not run in that time, because the
waiting thread occupies its core."""
_SETTINGS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def available_cores() -> int:
    """Number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def shorten_waiting() -> None:
    """Make the threads of GNU's OpenMP, which torch uses, sleep soon when they wait.

    Has an effect only before torch is imported, in this process and in those that it starts. Does
    nothing where the user has chosen how threads wait (GOMP_SPINCOUNT, OMP_WAIT_POLICY).
    """
    if not any(name in os.environ for name in _SETTINGS):
        os.environ["GOMP_SPINCOUNT"] = str(SPIN_COUNT)
