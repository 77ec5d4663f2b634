"""One reduced validation for all tests of this folder."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from partflow.validate import validate


@pytest.fixture(scope="session")
def validation(tmp_path_factory):
    """A finished reduced validation: its folder, its result, and whether no line failed."""
    folder: Path = tmp_path_factory.mktemp("validation") / "validation"
    passed = validate(folder, reduced=True)
    result = json.loads((folder / "validation.json").read_text())
    return SimpleNamespace(folder=folder, passed=passed, result=result)
