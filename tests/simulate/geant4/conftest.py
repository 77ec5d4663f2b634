"""Shared by the tests of the Geant4 engine's data: a clean environment, stand-in data."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from partflow.simulate.geant4.data_sets import DATA_FOLDER_VARIABLE, REQUIRED, find_data_sets

collect_ignore = ["engine_run.py", "geant4_run.py", "geometry_run.py"]  # scripts


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip all tests of this folder where Geant4 is not installed."""
    if importlib.util.find_spec("geant4_pybind") is None:
        skip = pytest.mark.skip(reason='no geant4_pybind: pip install "partflow[geant4]"')
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def _no_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No Geant4 data in the environment or in the home folder; what a test sets is undone."""
    for variable in (DATA_FOLDER_VARIABLE, "CI", *(data_set.variable for data_set in REQUIRED)):
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that has the stand-in data, for PARTFLOW_CACHE_DIR."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARTFLOW_CACHE_DIR", str(folder))
        find_data_sets(stand_in=True)
    return folder


@pytest.fixture(scope="session")
def run_script(cache: Path) -> Callable[..., dict[str, Any]]:
    """Runs a script of this folder in a process of its own; what it prints after RESULT."""

    def run(name: str, *arguments: str) -> dict[str, Any]:
        environment = {
            **os.environ,
            "PARTFLOW_CACHE_DIR": str(cache),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        answer = subprocess.run(
            [sys.executable, Path(__file__).with_name(name), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert answer.returncode == 0, answer.stdout[-3000:] + answer.stderr[-3000:]
        result: dict[str, Any] = json.loads(answer.stdout.partition("RESULT ")[2])
        return result

    return run
