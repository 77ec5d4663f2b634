"""The reference files, read once for all tests of this folder."""

from pathlib import Path

import pytest

from partflow.core.known_detectors import known_detector
from partflow.core.records import Events, concatenate_events
from partflow.ingest.edm4hep.podio import open_podio
from partflow.ingest.edm4hep.reading.events import entry_ranges, read_chunk


def read_all(path: Path, detector_name: str) -> Events:
    with open_podio(path) as file:
        chunks = [read_chunk(file, r, known_detector(detector_name)) for r in entry_ranges(file)]
    return concatenate_events([chunk.events for chunk in chunks])


@pytest.fixture(scope="session")
def edm4hep(shared_data: Path) -> Path:
    return shared_data / "edm4hep"


@pytest.fixture(scope="session")
def toy(edm4hep: Path) -> Events:
    return read_all(edm4hep / "clic_toy.root", "clic")


@pytest.fixture(scope="session")
def photons(edm4hep: Path) -> Events:
    return read_all(edm4hep / "clic_gamma_10gev_3ev.edm4hep.root", "clic")


@pytest.fixture(scope="session")
def cld(edm4hep: Path) -> Events:
    return read_all(edm4hep / "cld_mumuh_240_full_1ev.edm4hep.root", "cld")


@pytest.fixture(scope="session")
def cld_without_hits(edm4hep: Path) -> Events:
    return read_all(edm4hep / "cld_mumuh_240_nohits_10ev.edm4hep.root", "cld")
