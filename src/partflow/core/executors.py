"""Where the tasks of a stage run: in processes of this machine, or on a Ray cluster.

A stage divides its work into tasks that write finished files, one for each shard, and leaves out
those that a former run has finished. It gives the tasks to an executor, so that its output does not
depend on where they run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from partflow.core.errors import ConfigError
from partflow.core.workers import check_workers, in_processes, in_separate_processes

ExecutorName = Literal["local", "ray"]


@runtime_checkable
class Executor(Protocol):
    """Runs the tasks of a stage."""

    def map_tasks(
        self,
        work: Callable[..., Any],
        tasks: Sequence[tuple[Any, ...]],
        preload: str | None = None,
    ) -> Iterator[Any]:
        """Results of `work(*task)` for all `tasks` in the order in which they finish.

        Worker processes may start with the module `preload` imported. An error of `work` ends the
        whole.
        """
        ...

    def try_tasks(
        self,
        work: Callable[..., Any],
        tasks: Sequence[tuple[Any, ...]],
        start: Callable[..., None],
        arguments: tuple[Any, ...] = (),
    ) -> Iterator[tuple[int, Any]]:
        """(index, result) of `work(*task)` in the order in which the `tasks` finish.

        For work that may end its process, see `core.workers.in_separate_processes`.
        """
        ...


@dataclass(frozen=True)
class LocalExecutor:
    """Tasks run in `workers` processes of this machine; with 1 `map_tasks` runs them in this one.

    >>> import math
    >>> list(LocalExecutor().map_tasks(math.isqrt, [(9,), (16,)]))
    [3, 4]
    """

    workers: int = 1

    def __post_init__(self) -> None:
        """Raise ConfigError for fewer than 1 worker."""
        check_workers(self.workers)

    def map_tasks(
        self,
        work: Callable[..., Any],
        tasks: Sequence[tuple[Any, ...]],
        preload: str | None = None,
    ) -> Iterator[Any]:
        """See `core.workers.in_processes`."""
        return in_processes(work, tasks, self.workers, preload)

    def try_tasks(
        self,
        work: Callable[..., Any],
        tasks: Sequence[tuple[Any, ...]],
        start: Callable[..., None],
        arguments: tuple[Any, ...] = (),
    ) -> Iterator[tuple[int, Any]]:
        """See `core.workers.in_separate_processes`."""
        return in_separate_processes(work, tasks, self.workers, start, arguments)


def open_executor(
    name: ExecutorName = "local", workers: int = 1, address: str | None = None
) -> AbstractContextManager[Executor]:
    """The executor `name` as a context, which ends the processes that it started.

    `workers` is the number of processes of this machine. `address` is that of a Ray cluster, whose
    own processes are used instead. Raises ConfigError for an address without Ray, for fewer than 1
    worker, or where Ray is not installed.
    """
    if name == "ray":
        from partflow.core.ray_executor import RayExecutor

        return RayExecutor(workers, address)
    if address is not None:
        raise ConfigError(f"--address {address}: is that of a Ray cluster; give --executor ray too")
    return nullcontext(LocalExecutor(workers))
