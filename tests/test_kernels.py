"""Cached kernels are those of the present source."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from partflow import _kernels
from partflow._kernels import source_digest

CALLEE = """from numba import njit
@njit(cache=True)
def value():
    return {value}
"""
CALLER = """from numba import njit
from {package}.callee import value
@njit(cache=True)
def twice():
    return 2 * value()
"""


CONSTANT = """from numba import njit
{statement}
@njit(cache=True)
def twice():
    return 2 * {name}
"""


def make_package(tmp_path: Path, **modules: str) -> None:
    """A package `kernels` with the kernel cache of partflow."""
    package = tmp_path / "kernels"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text(
        "from partflow import _kernels\n"
        "_kernels.__file__ = __file__\n"
        "import os\n"
        "os.environ.pop('NUMBA_CACHE_DIR', None)\n"
        "_kernels.bind_kernel_cache()\n"
    )
    for name, text in modules.items():
        (package / f"{name}.py").write_text(text)


def answer_of_twice(tmp_path: Path) -> int:
    """The result of the kernel `twice` of the module `caller` in a new process."""
    program = "from kernels.caller import twice; print(twice())"
    answer = subprocess.run(
        [sys.executable, "-B", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    return int(answer.stdout)


def test_a_changed_kernel_changes_the_result_of_its_callers(tmp_path: Path) -> None:
    """numba alone would run the old kernel: it ignores the file of the callee."""
    make_package(tmp_path, caller=CALLER.format(package="kernels"))
    for value in (1, 2, 2, 1):
        make_package(tmp_path, callee=CALLEE.format(value=value))
        assert answer_of_twice(tmp_path) == 2 * value
    assert len(list((tmp_path / "kernels" / "__pycache__").glob("kernels-*"))) == 2


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("from kernels.constants import VALUE", "VALUE"),
        ("from kernels.constants import (\n    OTHER,\n    VALUE,\n)", "VALUE"),
        ("from kernels import constants", "constants.VALUE"),
        ("import kernels.constants as known", "known.VALUE"),
        ("from kernels.further import VALUE", "VALUE"),
    ],
)
def test_a_changed_constant_changes_the_kernels_that_it_is_compiled_into(
    tmp_path: Path, statement: str, name: str
) -> None:
    """The constant is in a module without kernels; numba alone would keep the old value."""
    further = "from kernels.constants import OTHER\nVALUE = OTHER"
    make_package(tmp_path, caller=CONSTANT.format(statement=statement, name=name), further=further)
    for value in (1, 2):
        make_package(tmp_path, constants=f"VALUE = OTHER = {value}")
        assert answer_of_twice(tmp_path) == 2 * value


def test_kernels_stay_compiled_when_a_file_changes_that_they_do_not_import(tmp_path: Path) -> None:
    """Otherwise an edit of the report's text would cost a minute of compiling."""
    (tmp_path / "a.py").write_text("from numba import njit")
    (tmp_path / "b.py").write_text(f"from {tmp_path.name} import a")
    before = source_digest(tmp_path)
    (tmp_path / "b.py").write_text("x = 1")
    assert source_digest(tmp_path) == before
    (tmp_path / "a.py").write_text("from numba import njit  # changed")
    assert source_digest(tmp_path) != before


def test_a_changed_particle_mass_changes_the_hash_of_the_kernels(tmp_path: Path) -> None:
    package = tmp_path / "partflow"
    shutil.copytree(
        Path(_kernels.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )
    before = source_digest(package)
    particles = package / "core" / "particles.py"
    particles.write_text(particles.read_text().replace("0.13957039", "0.14"))
    assert source_digest(package) != before
