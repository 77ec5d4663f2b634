"""Work in several processes; the result does not depend on their number."""

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
    """Results of `work(*task)` for all `tasks` in the order in which they finish, computed in this
    process (`workers` = 1) or in others.

    The module `preload` is imported once for all workers, which then start with its imports and
    compiled kernels. It has an effect in the first call of a program only: the server that starts
    the workers is running in later ones. Raises ConfigError for fewer than 1 worker, PartflowError
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
            "a worker died, perhaps from lack of memory; run the same with fewer --workers"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _context(preload: str | None) -> BaseContext:
    """How workers are started: not forked from this process, because they would inherit its threads
    (of Arrow, of the progress bar) in an unknown state, but from a server without threads.
    """
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    if preload is not None:
        context.set_forkserver_preload([preload])
    return context


def check_workers(workers: int) -> None:
    """Raise ConfigError for fewer than 1 worker; stages call it before they begin."""
    if workers < 1:
        raise ConfigError(f"--workers {workers}: give at least 1")


def _ignore_interrupt() -> None:
    """Leave Ctrl-C to the parent process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
