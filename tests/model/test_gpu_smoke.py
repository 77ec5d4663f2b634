"""The comparison of `benchmarks.gpu_smoke`, on the CPU with itself."""

import pytest
import torch

from benchmarks import gpu_smoke


def test_the_cpu_agrees_with_itself():
    case = next(iter(gpu_smoke.cases()))
    checks = gpu_smoke.compare(case, torch.device("cpu"), num_steps=2)
    assert {check.name.split(": ")[1] for check in checks} >= {"eta", "gradients"}
    assert all(check.is_passed for check in checks)


@pytest.mark.parametrize("difference", [0.2, float("nan"), float("inf")])
def test_a_difference_above_the_tolerance_or_not_a_number_fails(difference):
    assert not gpu_smoke.Check("", difference, 0.1).is_passed


def test_differences_are_relative_to_the_spread():
    expected = torch.tensor([-10.0, 10.0])
    assert gpu_smoke.spread_difference(expected + 1.0, expected) == pytest.approx(
        1.0 / float(expected.std())
    )
