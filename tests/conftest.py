"""What every test gets: shapes checked at run time, repeatable draws, the reference data."""

import functools
import inspect
import os
from pathlib import Path
from typing import Any, Self

import beartype
import hypothesis
import jaxtyping
import numba
import pytest

ROOT = Path(__file__).resolve().parents[1]

os.environ.setdefault("MPLBACKEND", "Agg")  # no test opens a window

# No deadline: the first call of a kernel compiles it. Derandomised: a red test stays red.
hypothesis.settings.register_profile("partflow", deadline=None, derandomize=True)
hypothesis.settings.load_profile("partflow")


def _compile_the_plain_function(decorator):
    """A numba decorator that compiles partflow's own function, not the checker around it."""

    def plain(function):
        ours = getattr(function, "__module__", "").split(".")[0] == "partflow"
        return inspect.unwrap(function) if ours else function

    @functools.wraps(decorator)
    def decorate(*args, **options):
        if args and inspect.isfunction(args[0]):
            return decorator(plain(args[0]), *args[1:], **options)
        with_options = decorator(*args, **options)
        return lambda function: with_options(plain(function))

    return decorate


# The hook below puts a checker between `@njit` and the function, and numba cannot compile a
# checker. Annotations of kernels therefore stay unchecked; those of their callers are checked.
for _name in ("jit", "njit", "vectorize", "guvectorize"):
    setattr(numba, _name, _compile_the_plain_function(getattr(numba, _name)))


def check_annotations(function):
    """beartype, for which `Self` is anything: it is shown a method without the class around it."""
    if inspect.isfunction(function):
        hints = inspect.get_annotations(function)
        function.__annotations__ = {n: Any if hint is Self else hint for n, hint in hints.items()}
    return beartype.beartype(function)


# From here on every function and dataclass of partflow checks its annotations when called.
jaxtyping.install_import_hook("partflow", f"{__name__}.check_annotations")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the reference data, beside the checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside this checkout: the reference data is not here")
    return folder
