"""The constants: what people set is what kernels read."""

from dataclasses import fields, replace

import pytest

from partflow.core.errors import ConfigError
from partflow.reconstruct import BaselineConfig


def test_kernels_read_every_constant_by_its_name():
    config = BaselineConfig()
    config = replace(config, cones=replace(config.cones, pad_ecal=1.75))
    record = config.record()
    for step in fields(config):
        part = getattr(config, step.name)
        for constant in fields(part):
            value = record[step.name][constant.name]
            assert value.tolist() == pytest.approx(getattr(part, constant.name)), constant.name
    assert record["cones"]["pad_ecal"] == 1.75


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_a_constant_that_cannot_be_is_named(value):
    config = BaselineConfig()
    with pytest.raises(ConfigError, match=r"peaks\.min_density"):
        replace(config, peaks=replace(config.peaks, min_density=value))


def test_a_score_may_be_negative():
    config = BaselineConfig()
    changed = replace(config, fragments=replace(config.fragments, apart_score=-2.0))
    assert changed.record()["fragments"]["apart_score"] == -2.0
