"""The constants of the baseline: kernels read what the configuration says."""

from dataclasses import fields, replace

import pytest

from partflow.core.errors import ConfigError
from partflow.reconstruct import BaselineConfig


def test_kernels_read_every_constant_by_its_name():
    config = BaselineConfig()
    config = replace(config, cones=replace(config.cones, pad_ecal=1.75))
    constants = config.kernel_constants()
    for step in fields(config):
        step_config = getattr(config, step.name)
        for constant in fields(step_config):
            value, expected = (
                constants[step.name][constant.name],
                getattr(step_config, constant.name),
            )
            assert value.tolist() == pytest.approx(expected), constant.name
    assert constants["cones"]["pad_ecal"] == 1.75


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_an_invalid_constant_is_named_in_the_error(value):
    config = BaselineConfig()
    with pytest.raises(ConfigError, match=r"peaks\.min_density"):
        replace(config, peaks=replace(config.peaks, min_density=value))


def test_a_score_may_be_negative():
    config = BaselineConfig()
    changed = replace(config, fragments=replace(config.fragments, apart_score=-2.0))
    assert changed.kernel_constants()["fragments"]["apart_score"] == -2.0
