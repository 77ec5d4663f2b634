"""Work in several processes; the result does not depend on their number."""

from __future__ import annotations

import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    as_completed,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.context import BaseContext
from typing import Any, NamedTuple

from partflow.core.errors import ConfigError, DataError, PartflowError


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


class Failure(NamedTuple):
    """A task that has no result."""

    reason: str


def in_separate_processes(
    work: Callable[..., Any],
    tasks: Sequence[tuple[Any, ...]],
    workers: int,
    start: Callable[..., None],
    arguments: tuple[Any, ...] = (),
) -> Iterator[tuple[int, Any]]:
    """(index, result) of `work(*task)` in the order in which the `tasks` finish.

    For work that may end its process: the process is replaced, the task tried once more, and after
    that its result is a Failure; all other tasks go on. So is the result of a task that raises
    DataError; other errors end the whole. Each process calls `start(*arguments)` first. Raises
    ConfigError for fewer than 1 worker, PartflowError if none of the first tasks succeeds.
    """
    from pebble import ProcessExpired, ProcessPool

    check_workers(workers)
    pool = ProcessPool(
        max(1, min(workers, len(tasks))),
        initializer=_start_quietly,
        initargs=(start, arguments),
        context=_context(None),
    )

    def schedule(task: tuple[Any, ...]) -> Future[Any]:
        future: Future[Any] = pool.schedule(work, args=task)
        return future

    def how_it_ended(error: BaseException) -> str | None:
        if not isinstance(error, ProcessExpired):
            return None
        return f"its process ended ({_exit_status(error.exitcode)})"

    try:
        yield from results_of(schedule, tasks, 2 * workers, how_it_ended, (DataError,))
        pool.close()
    except BaseException:
        pool.stop()
        raise
    finally:
        pool.join()


def results_of(
    schedule: Callable[[tuple[Any, ...]], Future[Any]],
    tasks: Sequence[tuple[Any, ...]],
    num_at_once: int,
    how_it_ended: Callable[[BaseException], str | None],
    reported: tuple[type[Exception], ...] = (),
    max_attempts: int = 2,
) -> Iterator[tuple[int, Any]]:
    """(index, result) of the `tasks` in the order in which they finish; some have a Failure.

    Args:
        schedule: Starts a task in another process.
        tasks: The tasks.
        num_at_once: Largest number of tasks that are started and not finished.
        how_it_ended: Why an error of a task ended its process; None for an error of the work.
        reported: Errors of the work that are the Failure of their task; others end the whole.
        max_attempts: Number of times that a task is started if its process ends.

    Raises:
        PartflowError: None of the first tasks succeeds.
    """
    waiting = deque(enumerate(tasks))
    running: dict[Future[Any], int] = {}
    num_ends: Counter[int] = Counter()
    num_done = 0
    while waiting or running:
        while waiting and len(running) < num_at_once:
            number, task = waiting.popleft()
            running[schedule(task)] = number
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            number = running.pop(future)
            try:
                result = future.result()
            except reported as error:
                result = Failure(str(error))
            except Exception as error:
                reason = how_it_ended(error)
                if reason is None:
                    raise
                num_ends[number] += 1
                if num_ends[number] < max_attempts:
                    waiting.appendleft((number, tasks[number]))
                    continue
                result = Failure(reason)
            num_done += not isinstance(result, Failure)
            if num_done == 0 and len(num_ends) >= _MAX_HOPELESS:
                reason = result.reason
                raise PartflowError(f"none of the first {len(num_ends)} tasks succeeded: {reason}")
            yield number, result


_MAX_HOPELESS = 4
"""Tasks that may end their process before any has succeeded."""


def _exit_status(exit_code: int) -> str:
    """Plain words for the exit status of a process."""
    if exit_code < 0:
        return f"signal {signal.Signals(-exit_code).name}"
    return f"status {exit_code}"


def _start_quietly(start: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Prepare a new process: Ctrl-C is the parent's, then what the work needs."""
    _ignore_interrupt()
    start(*arguments)


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
