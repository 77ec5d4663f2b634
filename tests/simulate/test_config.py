from dataclasses import fields, replace

import pytest

from partflow.core.errors import ConfigError
from partflow.simulate import SimulationConfig


@pytest.mark.parametrize(
    "settings",
    [
        {"kink_finder_efficiency": 1.2},
        {"neutral_pion_fraction": 0.9},
        {"visible_nuclear_local": 0.99},
        {"transverse_momentum": -0.1},
        {"terminal_alpha": 0.0},
        {"max_shower_spots": 0},
        {"multiplicity_slope": float("nan")},
    ],
)
def test_impossible_settings_are_refused_with_their_name(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        SimulationConfig(**settings)


def test_every_setting_counts_in_the_fingerprint():
    config = SimulationConfig()
    assert config.fingerprint() == SimulationConfig().fingerprint()
    prints = {config.fingerprint()}
    for field in fields(config):
        value = getattr(config, field.name)
        other = (not value) if isinstance(value, bool) else type(value)(value * 0.5)
        prints.add(replace(config, **{field.name: other}).fingerprint())
    assert len(prints) == len(fields(config)) + 1
