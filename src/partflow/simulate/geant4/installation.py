"""The download of Geant4's data sets, by the downloader that geant4_pybind contains.

geant4_pybind runs its downloader when it is imported: it fetches each data set that has no
environment variable and is not in ~/.geant4_pybind, checks the archive and unpacks it there. Here
it runs in a process of its own, for one data set at a time, with a temporary home folder: so a data
set gets its name when it is complete, and a download that was interrupted leaves nothing behind.
"""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import tempfile
from pathlib import Path

from partflow.core.errors import ConfigError, InputError, OutputError
from partflow.core.outputs import output_error
from partflow.simulate.geant4.data_sets import (
    DATA_FOLDER_VARIABLE,
    DOWNLOAD_FOLDER,
    REQUIRED,
    DataSet,
    download_folder,
    search,
)

SOURCE = "https://cern.ch/geant4-data/datasets"
"""Where the downloader of geant4_pybind takes the data sets from."""

SIZES = {"G4EMLOW": 341, "G4PARTICLEXS": 10, "G4ENSDFSTATE": 0.3, "PhotonEvaporation": 11}
"""Sizes of the archives [MB]; those of Geant4 11.3, which differ little."""

# The downloader would fetch these data sets too, 1.3 GB; the engine does not need them.
_OTHER_VARIABLES = (
    "G4NEUTRONHPDATA",
    "G4RADIOACTIVEDATA",
    "G4PIIDATA",
    "G4REALSURFACEDATA",
    "G4SAIDXSDATA",
    "G4ABLADATA",
    "G4INCLDATA",
    "G4CHANNELINGDATA",
)


def missing_data_sets(folder: Path | None) -> list[DataSet]:
    """The required data sets that are missing or partial, see `search`.

    Raises ConfigError where a download would be of no use, because the variable of a partial data
    set has precedence.
    """
    missing = []
    for data_set, _, problem in search(folder):
        if problem and folder is None and os.environ.get(data_set.variable):
            raise ConfigError(
                f"{data_set.name} {problem}: unset {data_set.variable}, or correct it, and run the "
                "same again"
            )
        if problem:
            missing.append(data_set)
    return missing


def default_folder() -> Path:
    """Where data sets are installed by default: in $GEANT4_DATA_DIR or ~/.geant4_pybind."""
    return Path(os.environ.get(DATA_FOLDER_VARIABLE) or download_folder())


def download(data_set: DataSet, folder: Path) -> Path:
    """Download a data set into `folder`, in place of a partial one; returns its folder.

    Prints the progress of the download. Raises InputError where it fails, OutputError where
    `folder` cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as home:
            _run_downloader(data_set, Path(home))
            result = _result(data_set, Path(home))
            final = folder / result.name
            if final.exists():
                shutil.rmtree(final)
            os.rename(result, final)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return final


def _run_downloader(data_set: DataSet, home: Path) -> None:
    """Import geant4_pybind with all variables set but that of the data set."""
    environment = dict(os.environ)
    for variable in (data_set.variable, DATA_FOLDER_VARIABLE):
        environment.pop(variable, None)
    others = [other.variable for other in REQUIRED if other is not data_set]
    for variable in (*others, *_OTHER_VARIABLES):
        environment[variable] = str(home)
    environment |= {"HOME": str(home), "TMPDIR": str(home), "CI": "true"}
    environment["PYTHONUSERBASE"] = site.getuserbase()  # it is in the home folder otherwise
    answer = subprocess.run(
        [sys.executable, "-c", "import geant4_pybind"],
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if answer.returncode != 0:
        raise InputError(
            f"{data_set.name}: the download from {SOURCE} failed, see the error above; run the "
            "same again (complete data sets are kept)"
        )


def _result(data_set: DataSet, home: Path) -> Path:
    """Folder of the data set that was downloaded into a home folder."""
    downloads = home / Path(DOWNLOAD_FOLDER).name
    found = next(result for result in search(downloads) if result.data_set is data_set)
    if found.folder is None:
        problem = found.problem.replace(str(downloads), "the archive")
        raise InputError(
            f"{data_set.name}: the download from {SOURCE} is not complete ({problem}); run the "
            "same again"
        )
    return found.folder


def _unwritable(folder: Path, error: OSError) -> OutputError:
    """The error for data that cannot be written."""
    return OutputError(str(output_error(folder, error)).replace("--output", "--folder"))
