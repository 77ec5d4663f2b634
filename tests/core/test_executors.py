"""Where tasks run: in processes of this machine, or on a Ray cluster with the same results.

Work on Ray is of the standard library or of partflow, because its workers cannot import tests.
"""

import importlib.util
import math
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from partflow.core import ray_executor
from partflow.core.errors import ConfigError, InputError, PartflowError
from partflow.core.executors import LocalExecutor, open_executor
from partflow.core.ray_executor import RayExecutor, WorkerDied
from partflow.core.workers import Failure

TASKS = [(9,), (1,), (4,)]
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="no Ray")


@pytest.fixture(scope="module")
def ray():
    """An executor with a Ray of two workers."""
    with RayExecutor(workers=2) as executor:
        executor.start()
        yield executor


def kill_the_first_worker(folder):
    """Kill the first worker of Ray that runs a task; returns a thread, and a list of its victim."""
    killed = []

    def watch():
        until = time.monotonic() + 60
        while not killed and time.monotonic() < until:
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    command = (process / "cmdline").read_bytes()
                    is_ours = (process / "cwd").resolve() == Path(folder).resolve()
                except OSError:
                    continue
                if command.startswith(b"ray::_perform") and is_ours:
                    os.kill(int(process.name), signal.SIGKILL)
                    killed.append(int(process.name))
                    return
            time.sleep(0.01)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread, killed


def test_local_tasks_run_in_this_process_or_in_others():
    for workers in (1, 2):
        with open_executor("local", workers) as executor:
            assert sorted(executor.map_tasks(math.isqrt, TASKS)) == [1, 2, 3]


def test_an_address_without_ray_is_refused():
    with pytest.raises(ConfigError, match="is that of a Ray cluster; give --executor ray too"):
        open_executor("local", 1, "host:6379")


@pytest.mark.parametrize("executor", [LocalExecutor, RayExecutor])
def test_zero_workers_are_refused(executor):
    with pytest.raises(ConfigError, match="at least 1"):
        executor(0)


def test_ray_that_is_not_installed_is_refused(monkeypatch):
    monkeypatch.setattr(ray_executor.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r'pip install "partflow\[ray\]"'):
        open_executor("ray")


@needs_ray
def test_ray_is_not_started_before_the_first_task():
    import ray

    was_running = ray.is_initialized()
    with open_executor("ray") as executor:
        assert list(executor.map_tasks(math.isqrt, [])) == []
    assert ray.is_initialized() == was_running


@needs_ray
@pytest.mark.slow
def test_ray_gives_the_results_of_all_tasks(ray):
    assert sorted(ray.map_tasks(math.isqrt, TASKS)) == [1, 2, 3]


@needs_ray
@pytest.mark.slow
def test_tasks_find_files_relative_to_the_folder_of_the_program(ray):
    assert list(ray.map_tasks(os.getcwd, [()])) == [os.getcwd()]


@needs_ray
@pytest.mark.slow
def test_an_error_of_partflow_ends_the_tasks_at_once(ray):
    from partflow.core.store import shards

    with pytest.raises(InputError, match="nowhere"):
        list(ray.map_tasks(shards, [(Path("nowhere"), "events")]))


@needs_ray
@pytest.mark.slow
def test_a_task_whose_worker_dies_is_started_again(ray):
    thread, killed = kill_the_first_worker(os.getcwd())
    results = list(ray.map_tasks(time.sleep, [(1.5,), (1.5,)]))
    thread.join()
    assert killed
    assert results == [None, None]


@needs_ray
@pytest.mark.slow
def test_tasks_that_fail_again_and_again_are_reported_when_the_others_are_finished(ray):
    results = ray.map_tasks(math.isqrt, [(9,), (-1,), (4,)])
    finished = [next(results), next(results)]
    assert sorted(finished) == [2, 3]
    message = r"1 of 3 tasks failed 3 times \(task 1: ValueError: isqrt\(\) .*nonnegative\)"
    with pytest.raises(PartflowError, match=message):
        next(results)


@needs_ray
@pytest.mark.slow
def test_tasks_that_may_fail_have_a_failure(ray):
    results = dict(ray.try_tasks(math.isqrt, [(9,), (-1,)], print))
    assert results[0] == 3
    assert isinstance(results[1], Failure)


@needs_ray
@pytest.mark.slow
def test_a_call_can_ask_the_program_that_started_it(ray):
    # map(ask, [3, 4]) on a worker, and the answers of this process, summed up there
    assert ray.call(sum_of_answers(), ([3, 4],), lambda x: x * x) == 25


def sum_of_answers():
    """`lambda values, ask: sum(map(ask, values))`, which Ray sends to its workers by value."""
    return eval("lambda values, ask: sum(map(ask, values))", {"__name__": "__main__"})


@needs_ray
@pytest.mark.slow
def test_a_call_whose_worker_dies_is_an_error(ray):
    thread, killed = kill_the_first_worker(os.getcwd())
    sleep = eval("lambda ask: __import__('time').sleep(20)", {"__name__": "__main__"})
    with pytest.raises(WorkerDied, match="a worker of Ray ended"):
        ray.call(sleep, (), print)
    thread.join()
    assert killed
