"""The stand-in data are made once, completely, and made anew when a file was altered."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from partflow.core.errors import OutputError
from partflow.simulate.geant4.data_sets import REQUIRED, find_data_sets
from partflow.simulate.geant4.stand_in_data import folder as stand_in

FIND = (
    "from partflow.simulate.geant4.data_sets import find_data_sets;"
    "print(find_data_sets(stand_in=True).folders['G4LEDATA'])"
)


@pytest.fixture
def folder(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The complete folder of stand-in data, which tests must leave as it is."""
    monkeypatch.setenv("PARTFLOW_CACHE_DIR", str(cache))
    return stand_in.stand_in_folder()


@pytest.fixture
def quick_to_make(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Another folder, in which only the cross sections of the first nuclei are made."""
    monkeypatch.setattr(stand_in, "NUM_ELEMENTS", 3)
    monkeypatch.setattr(stand_in, "_write_electromagnetic", lambda folder: folder.mkdir())
    monkeypatch.setenv("PARTFLOW_CACHE_DIR", str(tmp_path / "cache"))
    return stand_in.stand_in_folder()


def vector(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Energies and values of a table as Geant4 reads it."""
    first, last, number, size, *numbers = file.read_text().split()
    energies, values = np.array(numbers, dtype=float).reshape(-1, 2).T
    assert len(energies) == int(number) == int(size)
    assert (energies[0], energies[-1]) == (float(first), float(last))
    return energies, values


def test_every_table_that_geant4_needs_is_there(folder: Path) -> None:
    tables = [
        folder / data_set.name / name
        for data_set in REQUIRED
        if data_set.name in ("G4EMLOW", "G4PARTICLEXS")
        for name in data_set.needed_files
        if not ("pe-le-cs" in name or "pe-ss-cs" in name)  # of atoms with several shells
    ]
    assert all(table.is_file() for table in tables)
    assert (folder / "G4ENSDFSTATE" / "ENSDFSTATE.dat").is_file()


@pytest.mark.parametrize("atomic_number", [1, 14, 26, 74])
def test_the_photoelectric_effect_is_continuous_and_falls_with_energy(
    atomic_number: int, folder: Path
) -> None:
    tables = folder / "G4EMLOW" / "epics2017" / "phot"
    energies, scaled = vector(tables / f"pe-cs-{atomic_number}.dat")
    section = scaled / energies**3
    assert (section > 0).all()
    # The edge of the K shell is the highest step; that of silicon is a factor of twelve.
    assert (section[1:] / section[:-1]).max() < 15
    is_above_the_edges = energies > 0.1
    assert (np.diff(section[is_above_the_edges]) < 0).all()
    words = (tables / f"pe-high-{atomic_number}.dat").read_text().split()
    coefficient, last = float(words[4]), energies[-1]
    assert coefficient / last == pytest.approx(section[-1], rel=1e-6)


def test_the_photoelectric_effect_of_iron_has_the_measured_size(folder: Path) -> None:
    energies, scaled = vector(folder / "G4EMLOW" / "epics2017" / "phot" / "pe-cs-26.dat")
    # NIST's attenuation of 10 and 100 keV less the scattering; 92.7 b for each cm^2/g.
    for energy, expected in ((0.01, 169 * 92.7), (0.1, 0.206 * 92.7)):
        assert np.interp(energy, energies, scaled) / energy**3 == pytest.approx(expected, rel=0.05)


def test_the_data_are_made_once(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    found = find_data_sets(stand_in=True)
    assert set(found.folders.values()) == {folder / data_set.name for data_set in REQUIRED}
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize("damage", ["altered", "missing", "no manifest"])
def test_damaged_data_are_made_anew(damage: str, quick_to_make: Path) -> None:
    folder = stand_in.prepared_folder()
    file = folder / "G4PARTICLEXS" / "neutron" / "el3"
    text = file.read_text()
    if damage == "altered":
        file.write_text(text.replace("1", "2", 1))
    elif damage == "missing":
        file.unlink()
    else:
        (folder / stand_in.MANIFEST).unlink()
    assert not stand_in.is_complete(folder)
    assert stand_in.prepared_folder() == folder == quick_to_make
    assert stand_in.is_complete(folder)
    assert file.read_text() == text


def test_an_interruption_leaves_no_folder(
    quick_to_make: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(folder: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stand_in, "_write_cross_sections", interrupt)
        with pytest.raises(KeyboardInterrupt):
            stand_in.prepared_folder()
    assert [path.name for path in quick_to_make.parent.iterdir()] == [".lock"]
    assert stand_in.is_complete(stand_in.prepared_folder())


def test_two_processes_may_make_the_data_at_once(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PARTFLOW_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FIND], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert answers[0] == answers[1]
    assert stand_in.is_complete(Path(answers[0]).parent)


def test_a_cache_that_cannot_be_written_is_reported_in_one_line(
    quick_to_make: Path, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(OutputError, match=r"cannot be written .* PARTFLOW_CACHE_DIR"):
        stand_in.prepared_folder()
