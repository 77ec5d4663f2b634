"""For all tests: annotations checked at run time, reproducible draws, fixtures with data."""

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

# No deadline: the first call of a kernel compiles it. Derandomised: a failing test keeps failing.
hypothesis.settings.register_profile("partflow", deadline=None, derandomize=True)
hypothesis.settings.load_profile("partflow")


def _compile_the_plain_function(decorator):
    """A numba decorator that compiles a function of partflow without the checker around it."""

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


# The hook below puts a checker between `@njit` and the function, which numba cannot compile.
# Therefore annotations of kernels are not checked; those of their callers are.
for _name in ("jit", "njit", "vectorize", "guvectorize"):
    setattr(numba, _name, _compile_the_plain_function(getattr(numba, _name)))


# An int is accepted for a float, as by mypy.
_checked = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))


def check_annotations(function):
    """beartype, with `Self` replaced by Any: it sees a method without its class."""
    if inspect.isfunction(function):
        hints = inspect.get_annotations(function)
        function.__annotations__ = {n: Any if hint is Self else hint for n, hint in hints.items()}
    return _checked(function)


# Every function and dataclass of partflow that is imported from here on checks its annotations.
jaxtyping.install_import_hook("partflow", f"{__name__}.check_annotations")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the reference data, which is next to the checkout."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no reference data: there is no folder ../shared/data next to the checkout")
    return folder


@pytest.fixture(scope="session")
def learnable_events():
    """`learnable_events(num_tracks, num_clusters, seed=0)` makes labelled events for a network."""
    # Imported here: the import hook above must come before partflow.
    from tests.learnable_events import make_learnable_events

    return make_learnable_events
