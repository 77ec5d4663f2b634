"""Geant4's data are found and checked before Geant4 is imported."""

import importlib.metadata
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from partflow.core.errors import ConfigError
from partflow.simulate.geant4.data_sets import (
    REQUIRED,
    DataSets,
    download_folder,
    find_data_sets,
    require_geant4,
    use,
)
from tests.simulate.geant4.fake_data import put_data_sets


def test_data_are_found_where_geant4_pybind_downloads_them() -> None:
    put_data_sets(download_folder())
    found = find_data_sets(stand_in=False)
    assert found.folders["G4LEDATA"] == download_folder().resolve() / "G4EMLOW8.8"
    assert found.description() == {
        "is_stand_in": False,
        "G4LEDATA": "G4EMLOW8.8",
        "G4PARTICLEXSDATA": "G4PARTICLEXS4.2",
        "G4ENSDFSTATEDATA": "G4ENSDFSTATE3.0",
        "G4LEVELGAMMADATA": "PhotonEvaporation6.1.2",
    }


def test_the_common_variable_goes_before_the_download_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_data_sets(download_folder())
    folder = put_data_sets(tmp_path / "data")
    monkeypatch.setenv("GEANT4_DATA_DIR", str(folder))
    found = find_data_sets(stand_in=False)
    assert {path.parent for path in found.folders.values()} == {folder}


def test_the_variable_of_a_data_set_goes_before_the_common_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEANT4_DATA_DIR", str(put_data_sets(tmp_path / "data")))
    other = put_data_sets(tmp_path / "other") / "G4EMLOW8.8"
    monkeypatch.setenv("G4LEDATA", str(other))
    found = find_data_sets(stand_in=False)
    assert found.folders["G4LEDATA"] == other
    assert found.folders["G4PARTICLEXSDATA"].parent == tmp_path / "data"


def test_the_newest_of_several_versions_is_taken() -> None:
    folder = put_data_sets(download_folder())
    (folder / "G4EMLOW8.8").rename(folder / "G4EMLOW8.10")
    put_data_sets(folder)
    assert find_data_sets(stand_in=False).folders["G4LEDATA"].name == "G4EMLOW8.10"


def test_missing_data_are_reported_in_one_line_with_the_next_step() -> None:
    with pytest.raises(ConfigError) as caught:
        find_data_sets(stand_in=False)
    message = str(caught.value)
    assert "\n" not in message
    assert "G4EMLOW, G4PARTICLEXS, G4ENSDFSTATE, PhotonEvaporation not in" in message
    assert str(download_folder()) in message
    assert "partflow geant4 install" in message
    assert "--stand-in-data" in message


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("G4EMLOW8.8/brem_SB/br26", "G4EMLOW without brem_SB/br26 in"),
        ("G4EMLOW8.8/epics2017/phot/pe-low-92.dat", "without epics2017/phot/pe-low-92.dat"),
        ("G4PARTICLEXS4.2/neutron/el26", "G4PARTICLEXS without neutron/el26"),
        ("G4ENSDFSTATE3.0/ENSDFSTATE.dat", "G4ENSDFSTATE without ENSDFSTATE.dat"),
        ("PhotonEvaporation6.1.2/z26.a56", "PhotonEvaporation without z26.a56"),
    ],
)
@pytest.mark.parametrize("is_empty", [False, True])
def test_partial_data_are_refused(missing: str, message: str, is_empty: bool) -> None:
    file = put_data_sets(download_folder()) / missing
    file.unlink()
    if is_empty:
        file.touch()
    with pytest.raises(ConfigError, match=message):
        find_data_sets(stand_in=False)


def test_a_variable_that_points_nowhere_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    put_data_sets(download_folder())
    monkeypatch.setenv("G4PARTICLEXSDATA", "/no/such/folder")
    with pytest.raises(ConfigError, match=r"no folder /no/such/folder \(G4PARTICLEXSDATA\)"):
        find_data_sets(stand_in=False)
    monkeypatch.delenv("G4PARTICLEXSDATA")
    monkeypatch.setenv("GEANT4_DATA_DIR", "/no/such/folder")
    with pytest.raises(ConfigError, match=r"not in /no/such/folder \(GEANT4_DATA_DIR\)"):
        find_data_sets(stand_in=False)


def test_stand_ins_are_not_taken_for_geant4s_data(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARTFLOW_CACHE_DIR", str(cache))
    stand_ins = find_data_sets(stand_in=True)
    assert stand_ins.description() == {"is_stand_in": True, "formula_version": 1}
    for variable, folder in stand_ins.folders.items():  # as a child process would see them
        monkeypatch.setenv(variable, str(folder))
    with pytest.raises(ConfigError, match=r"PhotonEvaporation only as stand-in in .*stand-in-1"):
        find_data_sets(stand_in=False)


def test_data_sets_can_be_sent_to_another_process() -> None:
    put_data_sets(download_folder())
    found = find_data_sets(stand_in=False)
    assert pickle.loads(pickle.dumps(found)) == found


def data_sets_in(folder: Path, is_stand_in: bool = False) -> DataSets:
    """Data sets of a folder, without a look at their files."""
    folders = {data_set.variable: folder / data_set.name for data_set in REQUIRED}
    return DataSets(folders, is_stand_in)


def test_use_sets_the_variables_and_prevents_a_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.delitem(sys.modules, "geant4_pybind", raising=False)
    use(data_sets_in(tmp_path))
    for data_set in REQUIRED:
        assert os.environ[data_set.variable] == str(tmp_path / data_set.name)
    assert os.environ["GEANT4_DATA_DIR"] == str(tmp_path)
    assert "CI" not in os.environ


def test_a_second_use_after_the_import_must_be_of_the_same_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "geant4_pybind", raising=False)
    use(data_sets_in(tmp_path))
    monkeypatch.setitem(sys.modules, "geant4_pybind", pytest)
    use(data_sets_in(tmp_path))
    with pytest.raises(ConfigError, match="imported with other data"):
        use(data_sets_in(tmp_path / "other"))


@pytest.mark.parametrize("version", ["0.1.2", "0.2.0", "1.0"])
def test_an_unsupported_version_is_refused(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    with pytest.raises(ConfigError, match=rf"geant4-pybind {version} is not supported"):
        require_geant4()


def test_a_missing_package_is_reported_with_the_command_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(ConfigError, match=r'pip install "partflow\[geant4\]"'):
        require_geant4()
    with pytest.raises(ConfigError, match=r'pip install "partflow\[geant4\]"'):
        find_data_sets(stand_in=True)


def test_geant4_is_not_imported_by_the_search(cache: Path) -> None:
    code = (
        "import sys, partflow, partflow.cli;"
        "from partflow.simulate.geant4.data_sets import find_data_sets, require_geant4, use;"
        "require_geant4(); use(find_data_sets(stand_in=True));"
        "assert 'geant4_pybind' not in sys.modules"
    )
    environment = {
        **os.environ,
        "PARTFLOW_CACHE_DIR": str(cache),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
