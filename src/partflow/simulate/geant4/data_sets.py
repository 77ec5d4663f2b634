"""Geant4's data sets: where they are, whether they are complete, and how Geant4 is told.

Geant4 reads cross sections and nuclear levels from files, and ends with a segmentation fault if one
is missing. Therefore they are checked here, before Geant4 is imported:

    require_geant4()
    data_sets = find_data_sets(stand_in=False)
    use(data_sets)
    import geant4_pybind

The package geant4_pybind can download the data sets, see `installation`.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from partflow.core.errors import ConfigError

SUPPORTED_VERSIONS = ((0, 1, 3), (0, 2))
"""Versions of geant4-pybind: from the first, before the second."""

WHEEL_FOLDER = Path("~/.geant4_pybind")
"""Where geant4_pybind puts the data sets that it downloads."""


@dataclass(frozen=True)
class DataSet:
    """One of Geant4's data sets that the physics lists of the engine read."""

    name: str
    """Its folder is called NAME and a version, as in G4EMLOW8.8."""
    variable: str
    """Environment variable with its folder."""
    sentinels: tuple[str, ...]
    """Files, some of each kind that the physics reads; a partial download lacks one."""


_SOME_ELEMENTS = (1, 6, 8, 14, 26, 29, 74, 92)

REQUIRED = (
    DataSet(
        "G4EMLOW",
        "G4LEDATA",
        tuple(f"brem_SB/br{z}" for z in _SOME_ELEMENTS)
        + tuple(
            f"epics2017/phot/pe-{kind}-{z}.dat"
            for kind in ("cs", "high", "low")
            for z in _SOME_ELEMENTS
        )
        + tuple(f"epics2017/rayl/re-cs-{z}.dat" for z in _SOME_ELEMENTS),
    ),
    DataSet(
        "G4PARTICLEXS",
        "G4PARTICLEXSDATA",
        tuple(f"neutron/{kind}{z}" for kind in ("el", "inel", "cap") for z in _SOME_ELEMENTS)
        + tuple(f"gamma/inel{z}" for z in _SOME_ELEMENTS),
    ),
    DataSet("G4ENSDFSTATE", "G4ENSDFSTATEDATA", ("ENSDFSTATE.dat",)),
    DataSet("PhotonEvaporation", "G4LEVELGAMMADATA", ("z26.a56", "z74.a184")),
)
"""The data sets without which Geant4 does not start with FTFP_BERT and similar lists."""


@dataclass(frozen=True)
class DataSets:
    """Data sets that were found complete."""

    folders: Mapping[str, Path]
    """Folder by environment variable."""
    is_stand_in: bool
    """Whether they are made from formulas."""

    def description(self) -> dict[str, Any]:
        """What the provenance says of the data: names with versions, or that they are stand-ins."""
        if self.is_stand_in:
            from partflow.simulate.geant4.stand_in_data.folder import FORMULA_VERSION

            return {"stand_in": FORMULA_VERSION}
        return {variable: folder.name for variable, folder in sorted(self.folders.items())}


def require_geant4() -> None:
    """Raise ConfigError unless a supported geant4-pybind is installed; does not import it."""
    try:
        version = importlib.metadata.version("geant4-pybind")
    except importlib.metadata.PackageNotFoundError:
        raise ConfigError(
            'the Geant4 engine needs geant4-pybind: pip install "partflow[geant4]"'
        ) from None
    numbers = _version(version)[:3]
    lowest, excluded = SUPPORTED_VERSIONS
    if not lowest <= numbers < excluded:
        raise ConfigError(
            f"geant4-pybind {version} is not supported, only 0.1.3 and later 0.1 versions: "
            'pip install "partflow[geant4]"'
        )


def cache_folder() -> Path:
    """Folder of the stand-in data: $PARTFLOW_CACHE_DIR, or the user's folder for caches."""
    folder = os.environ.get("PARTFLOW_CACHE_DIR")
    if folder:
        return Path(folder) / "geant4"
    import platformdirs

    return platformdirs.user_cache_path("partflow") / "geant4"


def find_data_sets(stand_in: bool) -> DataSets:
    """Geant4's data sets, complete; or the stand-ins, which are made if they are not there yet.

    Each of Geant4's is searched in the folder of its environment variable (as G4LEDATA), else in
    that of GEANT4_DATA_DIR, else where geant4_pybind downloads to. Raises ConfigError where one is
    missing or partial.
    """
    if stand_in:
        return _stand_in_data_sets()
    problems: dict[str, str] = {}
    folders = {}
    for data_set in REQUIRED:
        folder, problem = _search(data_set)
        if folder is None:
            problems[data_set.name] = problem
        else:
            folders[data_set.variable] = folder
    if problems:
        raise ConfigError(
            "Geant4's data: "
            + "; ".join(f"{name} {problem}" for name, problem in problems.items())
            + "; run `partflow geant4 install`, or give --stand-in-data for approximate physics"
        )
    return DataSets(folders, is_stand_in=False)


def _search(data_set: DataSet) -> tuple[Path | None, str]:
    """Folder of a data set, or None and what is wrong."""
    if value := os.environ.get(data_set.variable):
        folder, where = Path(value), f"{data_set.variable}={value}"
    else:
        value = os.environ.get("GEANT4_DATA_DIR")
        parent = Path(value) if value else WHEEL_FOLDER.expanduser()
        where = f"GEANT4_DATA_DIR={value}" if value else str(parent)
        found = parent.glob(f"{data_set.name}[0-9]*")
        versions = sorted(found, key=lambda path: _version(path.name.removeprefix(data_set.name)))
        if not versions:
            return None, f"is not in {where}"
        folder = versions[-1]
    missing = [name for name in data_set.sentinels if not (folder / name).is_file()]
    if missing:
        return None, f"in {where} has no file {missing[0]}"
    return folder.resolve(), ""


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text))


def _stand_in_data_sets() -> DataSets:
    from partflow.simulate.geant4.stand_in_data import folder as stand_in

    require_geant4()
    made = stand_in.prepared_folder(cache_folder())
    return DataSets(
        {
            "G4LEDATA": made / stand_in.ELECTROMAGNETIC,
            "G4PARTICLEXSDATA": made / stand_in.CROSS_SECTIONS,
            "G4ENSDFSTATEDATA": made / stand_in.STATES,
            "G4LEVELGAMMADATA": made / stand_in.LEVELS,
        },
        is_stand_in=True,
    )


def use(data_sets: DataSets) -> None:
    """Point Geant4 at the data sets; call it before geant4_pybind is imported.

    Raises ConfigError if geant4_pybind was imported with other data in this process.
    """
    variables = {variable: str(folder) for variable, folder in data_sets.folders.items()}
    # With this variable geant4_pybind neither asks for a download nor starts one.
    variables["GEANT4_DATA_DIR"] = str(next(iter(data_sets.folders.values())).parent)
    is_same = all(os.environ.get(name) == value for name, value in variables.items())
    if "geant4_pybind" in sys.modules and not is_same:
        raise ConfigError(
            "geant4_pybind was imported with other data in this process; start a new process, and "
            "call use() before the import"
        )
    os.environ.update(variables)
    os.environ.pop("CI", None)


def use_none() -> None:
    """Prepare the import of geant4_pybind for work that reads no data, such as geometry."""
    if "geant4_pybind" not in sys.modules:
        os.environ.setdefault("GEANT4_DATA_DIR", str(cache_folder()))
        os.environ.pop("CI", None)
