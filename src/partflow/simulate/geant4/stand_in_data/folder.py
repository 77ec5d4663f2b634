"""The folder of the stand-in data: made once for each version, complete or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import platformdirs

from partflow.core.errors import ConfigError, OutputError
from partflow.core.provenance import fingerprint
from partflow.simulate.geant4.stand_in_data import (
    bremsstrahlung,
    neutrons,
    photons,
    photonuclear,
    sandia,
)
from partflow.simulate.geant4.stand_in_data.elements import NUM_ELEMENTS
from partflow.simulate.geant4.stand_in_data.tables import (
    write_grid,
    write_photoelectric_tail,
    write_vector,
)

FORMULA_VERSION = 1
"""Raised with each change of the physics; part of the provenance of what is made with the data."""

MANIFEST = "partflow-stand-in.json"
"""Checksums of the files; also marks the folder as one of stand-in data."""

NOTE = (
    "Stand-ins for Geant4's data, computed by partflow from approximate formulas.\n"
    "They are no evaluated data: do not publish results that were made with them.\n"
)
SQUARE_MM_PER_BARN = 1e-22  # Geant4's unit of area


def stand_in_folder() -> Path:
    """Where the stand-in data are: in the folder $PARTFLOW_CACHE_DIR, or in the user's cache.

    The name has the version and a hash of the modules of this package: other formulas make another
    folder.
    """
    digest = hashlib.blake2b(digest_size=4)
    for module in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(module.read_bytes())
    cache = os.environ.get("PARTFLOW_CACHE_DIR") or platformdirs.user_cache_dir("partflow")
    name = f"stand-in-{FORMULA_VERSION}-{digest.hexdigest()}"
    return Path(cache).absolute() / "geant4" / name


def prepared_folder() -> Path:
    """The folder of the stand-in data, complete: made if it is not there.

    The data are made anew if a file was altered or is missing. Several processes may call this at
    once: the first makes the data, the others wait. Raises OutputError where the folder cannot be
    written, ConfigError where Geant4 does not start.
    """
    folder = stand_in_folder()
    if is_complete(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _lock(folder.parent / ".lock"):
            if not is_complete(folder):
                _make_in_place(folder)
    except OSError as error:
        raise OutputError(
            f"{folder}: the stand-in data cannot be written ({error.strerror or error}); free some "
            "space there, or set PARTFLOW_CACHE_DIR to another folder"
        ) from error
    return folder


def make(folder: Path) -> None:
    """Compute all tables and write them into a new folder, with checksums."""
    folder.mkdir(parents=True)
    _write_electromagnetic(folder / "G4EMLOW")
    _write_cross_sections(folder / "G4PARTICLEXS")
    # No long-lived excited states and no discrete levels: Geant4 then emits photons of a continuous
    # spectrum.
    for name in ("G4ENSDFSTATE", "PhotonEvaporation"):
        (folder / name).mkdir()
        (folder / name / "README.txt").write_text(NOTE, encoding="utf-8")
    (folder / "G4ENSDFSTATE" / "ENSDFSTATE.dat").touch()
    (folder / "README.txt").write_text(NOTE, encoding="utf-8")
    manifest = json.dumps(_checksums(folder), indent=1, sort_keys=True)
    (folder / MANIFEST).write_text(manifest, encoding="utf-8")


def is_complete(folder: Path) -> bool:
    """Whether all files of the folder are there and as they were written."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return bool(manifest) and manifest == _checksums(folder)
    except (OSError, ValueError):
        return False


def _checksums(folder: Path) -> dict[str, str]:
    """Hash of each file by its path in the folder."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): fingerprint(path) for path in files}


@contextlib.contextmanager
def _lock(file: Path) -> Iterator[None]:
    """Let one process at a time into the block; the lock of a killed process ends with it."""
    with file.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _make_in_place(folder: Path) -> None:
    """Make the data under another name, then rename them to `folder`; what was there is deleted."""
    with tempfile.TemporaryDirectory(prefix=".stand-in-", dir=folder.parent) as temporary:
        made = Path(temporary) / "made"
        make(made)
        if folder.exists():
            os.rename(folder, Path(temporary) / "altered")
        os.rename(made, folder)


def _write_electromagnetic(folder: Path) -> None:
    """Tables for electrons and photons (G4EMLOW)."""
    photoelectric = _photoelectric_sections()
    energies = photons.PHOTOELECTRIC_ENERGIES
    for index in range(NUM_ELEMENTS):
        z = index + 1
        write_grid(
            folder / "brem_SB" / f"br{z}",
            bremsstrahlung.PHOTON_FRACTIONS,
            np.log(bremsstrahlung.KINETIC_ENERGIES),
            bremsstrahlung.scaled_cross_section(
                z, bremsstrahlung.KINETIC_ENERGIES, bremsstrahlung.PHOTON_FRACTIONS
            ),
        )
        section = photoelectric[index]
        shells = folder / "epics2017" / "phot"
        write_vector(shells / f"pe-cs-{z}.dat", energies, section * energies**3)
        for name in ("pe-high", "pe-low"):
            write_photoelectric_tail(shells / f"{name}-{z}.dat", energies, section)
        write_vector(
            folder / "epics2017" / "rayl" / f"re-cs-{z}.dat",
            photons.RAYLEIGH_ENERGIES,
            photons.rayleigh(z) * photons.RAYLEIGH_ENERGIES**2 * SQUARE_MM_PER_BARN,
        )


def _write_cross_sections(folder: Path) -> None:
    """Tables of nuclear cross sections (G4PARTICLEXS)."""
    for z in range(1, NUM_ELEMENTS + 1):
        tables = (
            ("neutron/el", neutrons.ENERGIES, neutrons.elastic(z)),
            ("neutron/cap", neutrons.ENERGIES, neutrons.capture(z)),
            ("neutron/inel", neutrons.inelastic_energies(z), neutrons.inelastic(z)),
            ("gamma/inel", photonuclear.ENERGIES, photonuclear.absorption(z)),
        )
        for name, energies, section in tables:
            write_vector(folder / f"{name}{z}", energies, section * SQUARE_MM_PER_BARN)


def _photoelectric_sections():
    """Photoelectric cross section [b], [element, energy], by a process that imports Geant4."""
    with tempfile.TemporaryDirectory() as temporary:
        energies, sections = (Path(temporary) / name for name in ("energies.npy", "sections.npy"))
        np.save(energies, photons.PHOTOELECTRIC_ENERGIES)
        # GEANT4_DATA_DIR: the import then does not ask for a download. The table needs no data.
        environment = {**os.environ, "GEANT4_DATA_DIR": temporary}
        environment.pop("CI", None)
        answer = subprocess.run(
            [sys.executable, "-P", sandia.__file__, energies, sections, str(NUM_ELEMENTS)],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode != 0:
            reason = (answer.stderr.strip().splitlines() or [f"status {answer.returncode}"])[-1]
            raise ConfigError(
                f"geant4-pybind does not start ({reason}); install it again: "
                'pip install --force-reinstall "partflow[geant4]"'
            )
        return np.load(sections)
