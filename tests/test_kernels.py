"""Cached kernels belong to the source that is there now."""

import subprocess
import sys
from pathlib import Path

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


def test_a_changed_kernel_changes_what_its_callers_do(tmp_path: Path) -> None:
    """numba alone would run the old kernel: it does not look into the callee's file."""
    package = tmp_path / "kernels"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from partflow import _kernels\n"
        "_kernels.__file__ = __file__\n"
        "import os\n"
        "os.environ.pop('NUMBA_CACHE_DIR', None)\n"
        "_kernels.bind_kernel_cache()\n"
    )
    (package / "caller.py").write_text(CALLER.format(package="kernels"))
    program = "from kernels.caller import twice; print(twice())"
    for value in (1, 2, 2, 1):
        (package / "callee.py").write_text(CALLEE.format(value=value))
        answer = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True,
            cwd=tmp_path,
        )  # fmt: skip
        assert answer.stdout.split() == [str(2 * value)]
    assert len(list((package / "__pycache__").glob("kernels-*"))) == 2


def test_text_without_kernels_does_not_change_the_digest(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from numba import njit")
    before = source_digest(tmp_path)
    (tmp_path / "b.py").write_text("x = 1")
    assert source_digest(tmp_path) == before
    (tmp_path / "a.py").write_text("from numba import njit  # changed")
    assert source_digest(tmp_path) != before
