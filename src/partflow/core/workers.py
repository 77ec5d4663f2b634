"""Work spread over processes: the same result with any number of them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.context import BaseContext
from typing import Any

from partflow.core.errors import ConfigError, PartflowError


def in_processes(
    work: Callable[..., Any],
    tasks: Sequence[tuple[Any, ...]],
    workers: int,
    preload: str | None = None,
) -> Iterator[Any]:
    """Results of `work(*task)` as they come, in this process or in `workers` others.

    The module `preload` is imported once for all workers: what it brings about there (imports,
    compiled kernels) each of them has from its beginning. Only the first call of a program can
    ask for one, because later ones find the server of workers running. Raises PartflowError
    where a worker dies.
    """
    check_workers(workers)
    if workers == 1 or len(tasks) < 2:
        yield from (work(*task) for task in tasks)
        return
    pool = ProcessPoolExecutor(
        min(workers, len(tasks)), _context(preload), initializer=_ignore_interrupt
    )
    try:
        for done in as_completed([pool.submit(work, *task) for task in tasks]):
            yield done.result()
    except BrokenProcessPool as error:
        raise PartflowError(
            "a worker died, perhaps for want of memory; run the same with fewer --workers"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _context(preload: str | None) -> BaseContext:
    """How workers are started: never forked from this process, whose threads (of Arrow, of the
    progress bar) they would inherit in an unknown state, but from a server that has none.
    """
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    if preload is not None:
        context.set_forkserver_preload([preload])
    return context


def check_workers(workers: int) -> None:
    """Raise ConfigError unless there is a worker: before a stage begins, not in its middle."""
    if workers < 1:
        raise ConfigError(f"--workers {workers}: give at least 1")


def _ignore_interrupt() -> None:
    """Ctrl-C is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
