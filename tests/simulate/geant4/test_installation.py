"""`partflow geant4 install` downloads what is missing, completely or not at all.

The downloader of geant4_pybind is replaced by a module of the same name that imitates it.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from partflow.cli.geant4 import geant4
from partflow.core.errors import ConfigError, InputError
from partflow.simulate.geant4.data_sets import REQUIRED, download_folder, find_data_sets
from tests.simulate.geant4.fake_data import VERSIONS, put_data_sets

FAKE = '''
"""Imitates how geant4_pybind downloads its data sets when it is imported."""
import os
import pathlib

DATA_SETS = {data_sets!r}
FAILING, PARTIAL = {failing!r}, {partial!r}

assert "GEANT4_DATA_DIR" not in os.environ
assert os.environ["CI"] == "true"
folder = pathlib.Path.home() / ".geant4_pybind"
for variable, (name, files) in DATA_SETS.items():
    if variable not in os.environ and not (folder / name).exists():
        print("Downloading data file:", name, flush=True)
        if name == FAILING:
            raise OSError("the network is unreachable")
        for file in files[:-1] if name == PARTIAL else files:
            path = folder / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("1")
'''


@pytest.fixture
def fake_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`fake_download(failing="", partial="")` replaces the downloader of geant4_pybind."""
    known = {
        data_set.variable: (data_set.name + VERSIONS[data_set.name], data_set.needed_files)
        for data_set in REQUIRED
    }
    known["G4NEUTRONHPDATA"] = ("G4NDL4.7.1", ("not needed",))
    modules = tmp_path / "modules"
    modules.mkdir()
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(modules), os.environ.get("PYTHONPATH", "")])
    )

    def replace(failing: str = "", partial: str = "") -> None:
        text = FAKE.format(data_sets=known, failing=failing, partial=partial)
        (modules / "geant4_pybind.py").write_text(text)

    replace()
    return replace


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: text)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


ALL = sorted(name + version for name, version in VERSIONS.items())


def test_it_says_what_it_will_download_and_asks(
    fake_download: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    answer(monkeypatch, "n")
    geant4("install")
    printed = capfd.readouterr().out
    assert "G4EMLOW, G4PARTICLEXS, G4ENSDFSTATE, PhotonEvaporation (362 MB" in printed
    assert "https://cern.ch/geant4-data/datasets" in printed
    assert str(download_folder()) in printed
    assert "Nothing was downloaded." in printed
    assert not download_folder().exists()


def test_without_an_answer_it_ends_in_one_line(
    fake_download: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_input(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", no_input)
    with pytest.raises(ConfigError, match="give --yes"):
        geant4("install")


def test_it_downloads_the_needed_data_sets_and_no_others(
    fake_download: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    answer(monkeypatch, "y")
    geant4("install")
    assert names_in(download_folder()) == ALL
    assert capfd.readouterr().out.endswith("Geant4's data sets are complete.\n")
    assert find_data_sets(stand_in=False).folders["G4LEDATA"].name == "G4EMLOW8.8"


def test_the_folder_may_be_chosen(
    fake_download: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "data"
    geant4("install", folder=folder, yes=True)
    assert names_in(folder) == ALL
    assert f"export GEANT4_DATA_DIR={folder}" in capfd.readouterr().out
    assert not download_folder().exists()
    monkeypatch.setenv("GEANT4_DATA_DIR", str(folder))
    assert find_data_sets(stand_in=False).folders["G4LEDATA"].parent == folder


def test_only_what_is_missing_is_downloaded(
    fake_download: Callable[..., None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = put_data_sets(download_folder())
    (folder / "G4PARTICLEXS4.2" / "neutron" / "el26").unlink()
    geant4("install", yes=True)
    printed = capfd.readouterr().out
    assert printed.count("Downloading") == 1
    assert "Downloading data file: G4PARTICLEXS4.2" in printed
    find_data_sets(stand_in=False)
    geant4("install")
    assert capfd.readouterr().out == "Geant4's data sets are complete.\n"


def test_a_failed_download_leaves_only_complete_data_sets(
    fake_download: Callable[..., None],
) -> None:
    fake_download(failing="G4PARTICLEXS4.2")
    with pytest.raises(InputError, match=r"G4PARTICLEXS: the download from .* failed"):
        geant4("install", yes=True)
    assert names_in(download_folder()) == ["G4EMLOW8.8"]
    fake_download()
    geant4("install", yes=True)
    assert names_in(download_folder()) == ALL


def test_a_partial_download_is_not_kept(fake_download: Callable[..., None]) -> None:
    fake_download(partial="G4EMLOW8.8")
    with pytest.raises(InputError, match=r"G4EMLOW: the download from .* is not complete"):
        geant4("install", yes=True)
    assert names_in(download_folder()) == []


def test_a_variable_that_hides_the_download_is_named(
    fake_download: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("G4LEDATA", str(tmp_path))
    with pytest.raises(ConfigError, match="unset G4LEDATA"):
        geant4("install", yes=True)


def test_the_status_shows_every_data_set(
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = put_data_sets(download_folder())
    (folder / "G4ENSDFSTATE3.0" / "ENSDFSTATE.dat").unlink()
    geant4("status")
    printed = capfd.readouterr().out
    assert "geant4-pybind 0.1" in printed
    assert f"G4EMLOW: {folder / 'G4EMLOW8.8'}" in printed
    assert "G4ENSDFSTATE: without ENSDFSTATE.dat" in printed
    assert "stand-in data" in printed
