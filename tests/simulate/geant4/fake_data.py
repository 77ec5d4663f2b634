"""Fake data sets of Geant4: all files that are looked for, without data."""

from pathlib import Path

from partflow.simulate.geant4.data_sets import REQUIRED

VERSIONS = {
    "G4EMLOW": "8.8",
    "G4PARTICLEXS": "4.2",
    "G4ENSDFSTATE": "3.0",
    "PhotonEvaporation": "6.1.2",
}
"""Versions of the data sets that geant4_pybind 0.1.3 downloads."""


def put_data_sets(folder: Path) -> Path:
    """Put fake data sets into a folder, which is returned."""
    for data_set in REQUIRED:
        for name in data_set.needed_files:
            file = folder / (data_set.name + VERSIONS[data_set.name]) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("1\n")
    return folder
