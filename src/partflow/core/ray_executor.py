"""Tasks on a Ray cluster. This is the only module that imports Ray, and only when it is used.

Every machine of the cluster needs the same partflow and the same file system: a task is told the
names of its files, and writes them itself. A task whose worker dies, or that fails for a reason
that may be the machine's, is started again, up to `MAX_ATTEMPTS` times; after that it is reported,
when the others are finished.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self

from partflow.core.errors import ConfigError, DataError, PartflowError
from partflow.core.workers import Failure, check_workers, results_of

MAX_ATTEMPTS = 3
"""Times that a task is started before it is reported as failed."""
MAX_NAMED = 3
"""Failed tasks whose reason is in the error message."""
OBJECT_STORE_BYTES = 200_000_000
"""Memory of Ray for the arguments and results of tasks, which are small: data are in files."""
LOCAL_ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # listen on the loopback interface only
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # workers see the accelerators that we see
}
"""Settings of a Ray that we start on this machine, unless the user has set them."""


class WorkerDied(PartflowError):
    """The worker process of a task has ended before the task was finished."""


class RayExecutor:
    """Tasks run on a Ray cluster: at `address`, or with `workers` processes on this machine.

    Ray starts with the first task, and a Ray of this machine ends with the context. Without an
    address that of the environment variable RAY_ADDRESS is used, if there is one. A program that
    has started Ray already keeps it.

    Raises ConfigError where Ray is not installed, or for fewer than 1 worker.
    """

    def __init__(self, workers: int = 1, address: str | None = None) -> None:
        check_workers(workers)
        if importlib.util.find_spec("ray") is None:
            raise ConfigError('--executor ray: needs Ray; pip install "partflow[ray]"')
        self._workers = workers
        self._address = address or os.environ.get("RAY_ADDRESS")
        self._folder = os.getcwd()
        self._lock = threading.Lock()
        self._temporary: Path | None = None
        self._is_ours = self._is_started = False
        self._mailbox: Any = None
        self._calls: set[Any] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the Ray that this executor started; running tasks are lost."""
        if self._is_started:
            import ray

            if self._is_ours:
                ray.shutdown()
            else:
                ray.kill(self._mailbox)
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary, self._mailbox = None, None
        self._is_ours = self._is_started = False

    def map_tasks(
        self,
        work: Callable[..., Any],
        tasks: Sequence[tuple[Any, ...]],
        preload: str | None = None,
    ) -> Iterator[Any]:
        """Results of `work(*task)` for all `tasks` in the order in which they finish.

        Ray's workers import what they need with their first task, whatever `preload` is. Raises
        PartflowError for tasks that failed, after all others are finished, and at once an error
        of partflow that a task raised.
        """
        failures: dict[int, str] = {}
        for number, result in self._results(work, tasks, (), MAX_ATTEMPTS):
            if isinstance(result, Failure):
                failures[number] = result.reason
            else:
                yield result
        if failures:
            named = [f"task {n}: {failures[n]}" for n in sorted(failures)[:MAX_NAMED]]
            raise PartflowError(
                f"{len(failures)} of {len(tasks)} tasks failed {MAX_ATTEMPTS} times "
                f"({'; '.join(named)}); the others are kept: run the same command again"
            )

    def try_tasks(
        self,
        work: Callable[..., Any],
        tasks: Sequence[tuple[Any, ...]],
        start: Callable[..., None],
        arguments: tuple[Any, ...] = (),
    ) -> Iterator[tuple[int, Any]]:
        """(index, result) of `work(*task)` in the order in which the `tasks` finish.

        A task that fails has a Failure, see `core.workers.in_separate_processes`. `start` is not
        called: Ray keeps what its workers print.
        """
        return self._results(work, tasks, (DataError,), 2)

    def call(
        self,
        work: Callable[..., Any],
        arguments: tuple[Any, ...],
        answer: Callable[[Any], Any],
        num_cpus: int = 1,
        num_gpus: int = 0,
    ) -> Any:
        """The result of `work(*arguments, ask)` on a worker, where `ask(x)` is `answer(x)` here.

        Several threads may call at the same time. Raises WorkerDied where the worker died, and the
        error of `work`.
        """
        ray = self.start()
        channel = os.urandom(8).hex()
        task = _remote(_perform, num_cpus, num_gpus).remote(
            self._folder, _with_mailbox, (work, arguments, self._mailbox, channel)
        )
        self._calls.add(task)
        question = self._mailbox.next_question.remote(channel)
        try:
            while True:
                ready, _ = ray.wait([task, question], num_returns=1)
                if task in ready:
                    return _unpacked(ray.get(task))
                number, value = ray.get(question)
                question = self._mailbox.next_question.remote(channel)
                self._mailbox.answer.remote(number, answer(value))
        except ray.exceptions.RayTaskError as error:
            raise PartflowError(str(_why_it_died(error))) from error
        except ray.exceptions.RayError as error:
            raise WorkerDied(f"a worker of Ray ended: {_why_it_died(error)}") from error
        finally:
            self._calls.discard(task)
            ray.cancel(question)

    def cancel_calls(self) -> None:
        """End the workers of all calls, which raise WorkerDied then."""
        if self._calls:
            import ray

            for task in list(self._calls):
                ray.cancel(task, force=True)

    def num_slots(self, num_cpus: int = 1, num_gpus: int = 0) -> int:
        """Number of tasks with so many cores and GPUs each that run at the same time."""
        resources = self.start().cluster_resources()
        slots = resources.get("CPU", 1.0) // num_cpus
        if num_gpus:
            slots = min(slots, resources.get("GPU", 0.0) // num_gpus)
        return max(1, int(slots))

    def has_gpu(self) -> bool:
        """Whether the cluster has a GPU that Ray knows of."""
        return bool(self.start().cluster_resources().get("GPU", 0.0))

    def start(self) -> Any:
        """The module `ray`, connected to the cluster.

        Raises PartflowError where it does not answer.
        """
        with self._lock:
            if not self._is_started:
                for name, value in LOCAL_ENVIRONMENT.items():
                    if self._address is None:
                        os.environ.setdefault(name, value)
                import ray

                if not ray.is_initialized():
                    self._connect(ray)
                self._mailbox = ray.remote(_Mailbox).options(num_cpus=0).remote()
                self._is_started = True
        import ray

        return ray

    def _connect(self, ray: Any) -> None:
        """Start Ray on this machine, or connect to the cluster."""
        quiet = {"log_to_driver": False, "configure_logging": False}
        self._is_ours = True
        logging.getLogger("ray").setLevel(logging.ERROR)  # no notes on its defaults
        try:
            if self._address is not None:
                ray.init(address=self._address, **quiet)
                return
            # In a folder of its own, which is deleted: Ray would leave its messages in /tmp/ray.
            self._temporary = Path(tempfile.mkdtemp(prefix="ray-"))
            ray.init(
                address="local",
                num_cpus=self._workers,
                object_store_memory=OBJECT_STORE_BYTES,
                include_dashboard=False,
                _temp_dir=str(self._temporary),
                **quiet,
            )
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            ray.shutdown()
            where = f"at {self._address}" if self._address else "on this machine"
            reason = str(error).strip().splitlines()[0] if str(error) else type(error).__name__
            raise PartflowError(f"Ray cannot be used {where}: {reason}") from error

    def _results(
        self,
        work: Callable[..., Any],
        tasks: Sequence[tuple[Any, ...]],
        reported: tuple[type[Exception], ...],
        max_attempts: int,
    ) -> Iterator[tuple[int, Any]]:
        """(index, result or Failure) of the tasks in the order in which they finish."""
        if not tasks:
            return
        self.start()
        perform = _remote(_perform)

        def schedule(task: tuple[Any, ...]) -> Future[Any]:
            future: Future[Any] = perform.remote(self._folder, work, task).future()
            return future

        num_at_once = 2 * self.num_slots()
        for number, result in results_of(
            schedule, tasks, num_at_once, _why_it_died, max_attempts=max_attempts
        ):
            if isinstance(result, Failure):
                yield number, result
                continue
            try:
                yield number, _unpacked(result)
            except reported as error:
                yield number, Failure(str(error))


class _Mailbox:
    """Questions of running tasks to the program that started them, and the answers.

    A Ray actor, whose methods run concurrently in one thread.
    """

    def __init__(self) -> None:
        import asyncio

        self._new_queue, self._new_event = asyncio.Queue, asyncio.Event
        self._questions: dict[str, Any] = {}
        self._answers: dict[str, tuple[Any, list[Any]]] = {}

    async def ask(self, channel: str, question: Any) -> Any:
        """The answer to a question."""
        number, event = os.urandom(8).hex(), self._new_event()
        answer: list[Any] = []
        self._answers[number] = event, answer
        await self._channel(channel).put((number, question))
        await event.wait()
        return answer[0]

    async def next_question(self, channel: str) -> tuple[str, Any]:
        """The next question of a task, with its number."""
        number, question = await self._channel(channel).get()
        return number, question

    async def answer(self, number: str, value: Any) -> None:
        """Answer a question."""
        event, answer = self._answers.pop(number)
        answer.append(value)
        event.set()

    def _channel(self, name: str) -> Any:
        return self._questions.setdefault(name, self._new_queue())


def _remote(function: Callable[..., Any], num_cpus: int = 1, num_gpus: int = 0) -> Any:
    """The function for Ray, which itself starts no task twice: `results_of` counts the attempts."""
    import ray

    return ray.remote(function).options(num_cpus=num_cpus, num_gpus=num_gpus, max_retries=0)


def _perform(
    folder: str, work: Callable[..., Any], task: tuple[Any, ...]
) -> tuple[Any, PartflowError | None]:
    """On a worker: the result of a task, or the error of partflow that it raised.

    File names are relative to the `folder` of the program that started the task.
    """
    os.chdir(folder)
    try:
        return work(*task), None
    except PartflowError as error:
        return None, error


def _with_mailbox(
    work: Callable[..., Any], arguments: tuple[Any, ...], mailbox: Any, channel: str
) -> Any:
    """On a worker: the result of a task that asks questions."""
    import ray

    return work(*arguments, lambda question: ray.get(mailbox.ask.remote(channel, question)))


def _unpacked(outcome: tuple[Any, PartflowError | None]) -> Any:
    """The result in what `_perform` returned; raises its error."""
    result, error = outcome
    if error is not None:
        raise error
    return result


def _why_it_died(error: BaseException) -> str | None:
    """In plain words why a task on Ray ended without a result; None for other errors."""
    import ray

    if isinstance(error, ray.exceptions.RayTaskError):
        return f"{type(error.cause).__name__}: {error.cause}".strip().splitlines()[0]
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return "its machine ran out of memory"
    if isinstance(error, ray.exceptions.RayError):
        return f"its worker died ({type(error).__name__})"
    return None
