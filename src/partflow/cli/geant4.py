"""The verb for Geant4's data sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from partflow.cli.app import OptionalPath

if TYPE_CHECKING:
    from partflow.simulate.geant4.data_sets import DataSet


def geant4(
    action: Positional[Literal["status", "install"]],
    folder: OptionalPath = None,
    yes: bool = False,
) -> None:
    """Show where Geant4's data sets are, or download them.

    Geant4 reads cross sections and nuclear levels from four data sets (about 360 MB), which
    `partflow simulate --engine geant4` needs. `status` shows which are found, and where; `install`
    lets the package geant4-pybind download those that are missing, after asking. The package itself
    comes with pip install "partflow[geant4]".

    Example: partflow geant4 install

    Args:
        action: What to do.
        folder: Folder to look in and to download to. By default that of the environment variable
            GEANT4_DATA_DIR, or that of geant4-pybind, ~/.geant4_pybind.
        yes: Download without asking (install).
    """
    if action == "status":
        _status(folder)
    else:
        _install(folder, yes)


def _status(folder: Path | None) -> None:
    """Print where each data set is, or why it cannot be used."""
    from partflow.core.errors import ConfigError
    from partflow.simulate.geant4.data_sets import require_geant4, search
    from partflow.simulate.geant4.stand_in_data.folder import stand_in_folder

    try:
        print(f"geant4-pybind {require_geant4()}")
    except ConfigError as error:
        print(error)
    for result in search(folder):
        print(f"{result.data_set.name}: {result.folder or result.problem}")
    print(f"stand-in data (made when they are first used): {stand_in_folder()}")


def _install(folder: Path | None, yes: bool) -> None:
    """Download the data sets that are missing, and check that they are found then."""
    from partflow.simulate.geant4 import installation
    from partflow.simulate.geant4.data_sets import find_data_sets, require_geant4

    require_geant4()
    missing = installation.missing_data_sets(folder)
    target = folder or installation.default_folder()
    if missing and not (yes or _is_confirmed(missing, target)):
        print("Nothing was downloaded.")
        return
    for data_set in missing:
        installation.download(data_set, target)
    if folder is None:
        find_data_sets(stand_in=False)
        print("Geant4's data sets are complete.")
    else:
        print(f"Geant4's data sets are complete; use them with: export GEANT4_DATA_DIR={folder}")


def _is_confirmed(missing: list[DataSet], folder: Path) -> bool:
    """Say what would be downloaded, and ask."""
    from partflow.core.errors import ConfigError
    from partflow.simulate.geant4.installation import SIZES, SOURCE

    size = sum(SIZES[data_set.name] for data_set in missing)
    names = ", ".join(data_set.name for data_set in missing)
    print(
        f"geant4-pybind will download {names} ({size:.0f} MB; more on the disk)\n"
        f"from {SOURCE} to {folder}"
    )
    try:
        return input("Continue? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        raise ConfigError(
            "no answer on standard input; give --yes to download without asking"
        ) from None
