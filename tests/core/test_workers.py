"""Work in other processes: the same results, and an error where one dies.

Their work is a function of the standard library, because they cannot import tests.
"""

import math
import os
import subprocess
import sys

import pytest

from partflow.core.errors import ConfigError, PartflowError
from partflow.core.workers import in_processes, in_separate_processes

TASKS = [(9,), (1,), (4,)]


@pytest.mark.parametrize("workers", [1, 2])
def test_results_are_the_same_with_any_number_of_workers(workers):
    assert sorted(in_processes(math.isqrt, TASKS, workers)) == [1, 2, 3]


def test_workers_start_with_the_preloaded_module():
    program = """
from partflow.core.workers import in_processes

if __name__ == "__main__":
    is_loaded = "'colorsys' in __import__('sys').modules"
    print(*in_processes(eval, [(is_loaded,)] * 2, 2, preload="colorsys"))
"""
    command = [sys.executable, "-c", program]
    assert (
        subprocess.run(command, capture_output=True, check=True, text=True).stdout == "True True\n"
    )


def test_a_worker_that_dies_is_an_error():
    with pytest.raises(PartflowError, match="a worker died"):
        list(in_processes(os._exit, TASKS, 2))


def test_zero_workers_are_refused():
    with pytest.raises(ConfigError, match="at least 1"):
        list(in_processes(math.isqrt, TASKS, 0))


PROGRAM = """
import os, signal, sys
from pathlib import Path
from partflow.core.errors import DataError
from partflow.core.workers import Failure, in_separate_processes


def start(greeting):
    os.environ["GREETING"] = greeting


def work(number, folder):
    marker = Path(folder) / f"died-{number}"
    if number == 1 or (number == 2 and not marker.exists()):
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 3:
        raise DataError("event 3 is bad")
    if number == 4 and "full" in sys.argv:
        raise OSError(28, "No space left on device")
    return number, os.environ["GREETING"]


if __name__ == "__main__":
    tasks = [(1 if "hopeless" in sys.argv else number, sys.argv[1]) for number in range(6)]
    for number, result in sorted(in_separate_processes(work, tasks, 2, start, ("hello",))):
        print(number, f"failed: {result.reason}" if isinstance(result, Failure) else result)
"""


def run_program(folder, *arguments):
    """Run PROGRAM, whose tasks die, die once, fail or succeed."""
    file = folder / "program.py"
    file.write_text(PROGRAM)
    command = [sys.executable, file, folder, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_task_that_ends_its_process_twice_fails_alone(tmp_path):
    lines = run_program(tmp_path).stdout.splitlines()
    assert lines == [
        "0 (0, 'hello')",
        "1 failed: its process ended (signal SIGKILL)",
        "2 (2, 'hello')",
        "3 failed: event 3 is bad",
        "4 (4, 'hello')",
        "5 (5, 'hello')",
    ]


def test_other_errors_end_all_tasks(tmp_path):
    answer = run_program(tmp_path, "full")
    assert answer.returncode != 0
    assert "No space left on device" in answer.stderr


def test_tasks_that_all_end_their_process_are_an_error_soon(tmp_path):
    answer = run_program(tmp_path, "hopeless")
    assert answer.returncode != 0
    assert "PartflowError: none of the first 4 tasks succeeded" in answer.stderr


def test_zero_separate_processes_are_refused():
    with pytest.raises(ConfigError, match="at least 1"):
        list(in_separate_processes(math.isqrt, TASKS, 0, print))
