"""Shared by the tests of the Geant4 engine's data: a clean environment, stand-in data."""

import importlib.util
from pathlib import Path

import pytest

from partflow.simulate.geant4.data_sets import DATA_FOLDER_VARIABLE, REQUIRED, find_data_sets

collect_ignore = ["geant4_run.py"]  # a script of its own process


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
