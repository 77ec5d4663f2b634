"""Work in other processes: the same results, and an error where one dies.

Their work is a function of the standard library, because they cannot import tests.
"""

import math
import os
import subprocess
import sys

import pytest

from partflow.core.errors import ConfigError, PartflowError
from partflow.core.workers import in_processes

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
