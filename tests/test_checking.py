"""The checks of the tests: annotations are checked, and kernels still compile."""

import importlib
import sys

import jaxtyping
import numpy as np
import pytest

import partflow

SAMPLE = """
from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numba
import numpy as np
from jaxtyping import Float
from numba import njit


@njit
def kernel(energy: Float[np.ndarray, " hit"]) -> float:
    total = 0.0
    for e in energy:
        total += e
    return total


@numba.vectorize(["f8(f8)"])
def double(energy):
    return 2 * energy


def total(energy: Float[np.ndarray, " hit"], weight: Float[np.ndarray, " hit"]) -> float:
    return kernel(double(energy) * weight)


@dataclass(frozen=True)
class Config:
    num_layers: int = 3

    def deeper(self, by: int) -> Self:
        return type(self)(self.num_layers + by)
"""


@pytest.fixture
def sample(tmp_path, monkeypatch):
    """A module that the import hook takes for one of partflow."""
    (tmp_path / "sample_of_the_tests.py").write_text(SAMPLE)
    monkeypatch.setattr(partflow, "__path__", [*partflow.__path__, str(tmp_path)])
    yield importlib.import_module("partflow.sample_of_the_tests")
    del sys.modules["partflow.sample_of_the_tests"]


def test_a_kernel_compiles_under_the_checker(sample):
    assert sample.total(np.ones(3), np.ones(3)) == 6.0
    assert sample.kernel.signatures


def test_arrays_of_different_lengths_are_refused(sample):
    with pytest.raises(jaxtyping.TypeCheckError, match="parameter 'weight'"):
        sample.total(np.ones(3), np.ones(4))


def test_a_configuration_refuses_a_value_of_another_type(sample):
    with pytest.raises(jaxtyping.TypeCheckError, match="parameter 'num_layers'"):
        sample.Config(num_layers="three")


def test_a_method_may_return_self(sample):
    assert sample.Config().deeper(2).num_layers == 5
    with pytest.raises(jaxtyping.TypeCheckError, match="parameter 'by'"):
        sample.Config().deeper("two")
