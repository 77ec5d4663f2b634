import os
import tempfile
from pathlib import Path

import pytest

from partflow.core.provenance import Provenance
from partflow.dataset.packing import pack
from partflow.pipeline import PACKED


@pytest.fixture(scope="session")
def labelled(learnable_events, tmp_path_factory):
    """A folder of labelled events, as far as a training reads it: 120 toy events."""
    events = learnable_events([3 + i % 5 for i in range(120)], [6 + i % 7 for i in range(120)])
    folder = tmp_path_factory.mktemp("tune") / "labelled"
    pack([events], folder / PACKED, Provenance("labelled", {"detector": "clic"}))
    return folder


@pytest.fixture
def tmp_path(tmp_path):
    """A folder in memory where there is one: SQLite waits for the disk after every change."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)
