"""Geant4's data sets: where they are, whether they are complete, and how Geant4 finds them.

Geant4 reads cross sections and nuclear levels from files, and crashes if one is missing. Therefore
they are checked before Geant4 is imported:

    require_geant4()
    data_sets = find_data_sets(stand_in=False)
    use(data_sets)
    import geant4_pybind

`installation` downloads them. `stand_in_data` replaces them by formulas.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from partflow.core.errors import ConfigError

FIRST_VERSION, FIRST_UNSUPPORTED_VERSION = (0, 1, 3), (0, 2)
"""Range of supported versions of geant4-pybind."""

DATA_FOLDER_VARIABLE = "GEANT4_DATA_DIR"
"""Environment variable with a folder of all data sets."""

DOWNLOAD_FOLDER = "~/.geant4_pybind"
"""Where geant4_pybind keeps the data sets that it downloads."""


@dataclass(frozen=True)
class DataSet:
    """One of Geant4's data sets."""

    name: str
    """Its folder is called NAME and a version, as in G4EMLOW8.8."""
    variable: str
    """Environment variable with its folder."""
    needed_files: tuple[str, ...]
    """Files that the physics lists of the engine open; a partial download lacks some of them."""


def _for_all_elements(*patterns: str) -> tuple[str, ...]:
    """File names for hydrogen to uranium, the elements of which Geant4 reads each table."""
    return tuple(pattern.format(z) for pattern in patterns for z in range(1, 93))


REQUIRED = (
    DataSet(
        "G4EMLOW",
        "G4LEDATA",
        (
            *_for_all_elements(
                "brem_SB/br{}",
                "epics2017/phot/pe-cs-{}.dat",
                "epics2017/phot/pe-high-{}.dat",
                "epics2017/phot/pe-low-{}.dat",
                "epics2017/rayl/re-cs-{}.dat",
            ),
            "epics2017/phot/pe-le-cs-74.dat",
            "epics2017/phot/pe-ss-cs-74.dat",
        ),
    ),
    DataSet(
        "G4PARTICLEXS",
        "G4PARTICLEXSDATA",
        _for_all_elements("neutron/el{}", "neutron/inel{}", "neutron/cap{}", "gamma/inel{}"),
    ),
    DataSet("G4ENSDFSTATE", "G4ENSDFSTATEDATA", ("ENSDFSTATE.dat",)),
    DataSet(
        "PhotonEvaporation",
        "G4LEVELGAMMADATA",
        ("z6.a12", "z26.a56", "z74.a184", "z92.a238"),
    ),
)
"""The data sets that Geant4 opens with FTFP_BERT and similar lists (not with those called HP)."""


@dataclass(frozen=True)
class DataSets:
    """Data sets that were found complete."""

    folders: Mapping[str, Path]
    """Folder of each data set by its environment variable."""
    is_stand_in: bool
    """Whether they were computed from formulas."""

    def description(self) -> dict[str, Any]:
        """What the provenance says of them: names with versions, or that they are stand-ins."""
        if self.is_stand_in:
            from partflow.simulate.geant4.stand_in_data.folder import FORMULA_VERSION

            return {"is_stand_in": True, "formula_version": FORMULA_VERSION}
        names = {variable: folder.name for variable, folder in sorted(self.folders.items())}
        return {"is_stand_in": False, **names}


class SearchResult(NamedTuple):
    """Where a data set is, or why it cannot be used."""

    data_set: DataSet
    folder: Path | None
    """None if it cannot be used."""
    problem: str
    """Empty if it can."""


def require_geant4() -> str:
    """The version of geant4-pybind, which is not imported.

    Raises ConfigError if it is missing or its version is not supported.
    """
    try:
        version = importlib.metadata.version("geant4-pybind")
    except importlib.metadata.PackageNotFoundError:
        raise ConfigError(
            'the Geant4 engine needs geant4-pybind; run pip install "partflow[geant4]"'
        ) from None
    if not FIRST_VERSION <= _numbers(version) < FIRST_UNSUPPORTED_VERSION:
        raise ConfigError(
            f"geant4-pybind {version} is not supported, only 0.1.3 and later 0.1 versions; run "
            'pip install "partflow[geant4]"'
        )
    return version


def find_data_sets(stand_in: bool) -> DataSets:
    """Geant4's data sets, complete; or the stand-ins, which are made if they are not there yet.

    Raises ConfigError where a data set is missing or partial.
    """
    if stand_in:
        return _stand_ins()
    results = search()
    problems: dict[str, list[str]] = {}
    for result in results:
        if result.problem:
            problems.setdefault(result.problem, []).append(result.data_set.name)
    if problems:
        found = "; ".join(f"{', '.join(names)} {text}" for text, names in problems.items())
        raise ConfigError(
            f"Geant4's data are not complete: {found}; run `partflow geant4 install`, or give "
            "--stand-in-data for approximate physics"
        )
    folders = {result.data_set.variable: result.folder for result in results if result.folder}
    return DataSets(folders, is_stand_in=False)


def search(parent: Path | None = None) -> list[SearchResult]:
    """Search each of the required data sets in the folder `parent`.

    Without it: in the folder of the data set's environment variable if that is set, else in that of
    GEANT4_DATA_DIR if set, else where geant4_pybind downloads to. Of several versions in a folder
    the newest is taken.
    """
    return [_search(data_set, parent) for data_set in REQUIRED]


def _search(data_set: DataSet, parent: Path | None) -> SearchResult:
    """Search one data set, as `search` says."""
    variable_folder = os.environ.get(data_set.variable)
    if parent is None and variable_folder:
        folder, origin = Path(variable_folder), f" ({data_set.variable})"
        if not folder.is_dir():
            return SearchResult(data_set, None, f"has no folder {folder}{origin}")
    else:
        parent, origin = (parent, "") if parent else _common_folder()
        versions = list(parent.glob(f"{data_set.name}[0-9]*"))
        if not versions:
            return SearchResult(data_set, None, f"not in {parent}{origin}")
        folder = max(versions, key=lambda path: _numbers(path.name.removeprefix(data_set.name)))
    if _is_stand_in(folder):
        return SearchResult(data_set, None, f"only as stand-in in {folder.parent}")
    for name in data_set.needed_files:
        file = folder / name
        if not file.is_file() or file.stat().st_size == 0:
            return SearchResult(data_set, None, f"without {name} in {folder}{origin}")
    return SearchResult(data_set, folder.resolve(), "")


def _common_folder() -> tuple[Path, str]:
    """Folder of all data sets without a variable of their own, and the variable that names it."""
    if folder := os.environ.get(DATA_FOLDER_VARIABLE):
        return Path(folder), f" ({DATA_FOLDER_VARIABLE})"
    return download_folder(), ""


def download_folder() -> Path:
    """Where geant4_pybind keeps the data sets that it downloads."""
    return Path(DOWNLOAD_FOLDER).expanduser()


def use(data_sets: DataSets) -> None:
    """Set Geant4's environment variables; call it before geant4_pybind is imported.

    Raises ConfigError if geant4_pybind was imported with other data in this process.
    """
    variables = {variable: str(folder) for variable, folder in data_sets.folders.items()}
    is_same = all(os.environ.get(name) == folder for name, folder in variables.items())
    if "geant4_pybind" in sys.modules and not is_same:
        raise ConfigError(
            "geant4_pybind was imported with other data in this process; start a new process and "
            "import it after use()"
        )
    os.environ.update(variables)
    # The import looks for more data sets, and asks for a download or, with CI=true, downloads them
    # unasked; not if this variable is set.
    if data_sets.is_stand_in or not os.environ.get(DATA_FOLDER_VARIABLE):
        os.environ[DATA_FOLDER_VARIABLE] = str(Path(variables["G4LEDATA"]).parent)
    os.environ.pop("CI", None)


def _stand_ins() -> DataSets:
    """The stand-in data in the cache."""
    from partflow.simulate.geant4.stand_in_data import folder as stand_in

    require_geant4()
    made = stand_in.prepared_folder()
    folders = {data_set.variable: made / data_set.name for data_set in REQUIRED}
    return DataSets(folders, is_stand_in=True)


def _is_stand_in(folder: Path) -> bool:
    """Whether a data set was computed by this package: a child process inherits its variable."""
    from partflow.simulate.geant4.stand_in_data.folder import MANIFEST

    return (folder.parent / MANIFEST).is_file()


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version, to compare it with others."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


def use_none() -> None:
    """Prepare the import of geant4_pybind for work that reads no data, such as geometry."""
    if "geant4_pybind" not in sys.modules:
        os.environ.setdefault("GEANT4_DATA_DIR", os.devnull)
        os.environ.pop("CI", None)
