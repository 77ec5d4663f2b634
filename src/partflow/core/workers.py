"""Work spread over processes: the same result with any number of them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

from partflow.core.errors import ConfigError, PartflowError


def in_processes(
    work: Callable[..., Any],
    tasks: Sequence[tuple[Any, ...]],
    workers: int,
    prepare: Callable[[], object] | None = None,
) -> Iterator[Any]:
    """Results of `work(*task)` as they come, in this process or in `workers` others.

    `prepare` runs once before others start, to compile what each would compile for itself.
    Raises PartflowError where a worker dies.
    """
    check_workers(workers)
    if workers == 1 or len(tasks) < 2:
        yield from (work(*task) for task in tasks)
        return
    if prepare is not None:
        prepare()
    # spawn: a forked child would inherit the threads of Arrow in an unknown state.
    processes = min(workers, len(tasks))
    pool = ProcessPoolExecutor(processes, get_context("spawn"), initializer=_ignore_interrupt)
    try:
        for done in as_completed([pool.submit(work, *task) for task in tasks]):
            yield done.result()
    except BrokenProcessPool as error:
        raise PartflowError(
            "a worker died, perhaps for want of memory; run the same with fewer --workers"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def check_workers(workers: int) -> None:
    """Raise ConfigError unless there is a worker: before a stage begins, not in its middle."""
    if workers < 1:
        raise ConfigError(f"--workers {workers}: give at least 1")


def _ignore_interrupt() -> None:
    """Ctrl-C is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
