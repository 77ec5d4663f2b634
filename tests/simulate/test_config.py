from dataclasses import fields, replace

import pytest

from partflow.core.errors import ConfigError
from partflow.simulate import SimulationConfig, realistic
from partflow.simulate.config import EFFECTS


@pytest.mark.parametrize(
    "settings",
    [
        {"neutral_pion_fraction": 0.9},
        {"visible_nuclear": 1.01},
        {"transverse_momentum": -0.1},
        {"terminal_alpha": 0.0},
        {"max_shower_spots": 0},
        {"multiplicity_slope": float("nan")},
        {"fake_rate": 1.5},
        {"duplicate_rate": -0.1},
        {"noise_hcal": -0.1},
        {"hit_time_resolution": float("inf")},
    ],
)
def test_impossible_settings_raise_an_error_that_names_them(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        SimulationConfig(**settings)


def test_every_setting_changes_the_fingerprint():
    config = SimulationConfig()
    assert config.fingerprint() == SimulationConfig().fingerprint()
    prints = {config.fingerprint()}
    for field in fields(config):
        value = getattr(config, field.name)
        other = (not value) if isinstance(value, bool) else type(value)(value * 0.5 or 0.5)
        prints.add(replace(config, **{field.name: other}).fingerprint())
    assert len(prints) == len(fields(config)) + 1


def test_every_effect_is_off_by_default_and_on_in_the_realistic_configuration():
    for name in EFFECTS:
        assert not getattr(SimulationConfig(), name)
        assert getattr(realistic(), name)
    assert realistic() == replace(
        SimulationConfig(), **{name: getattr(realistic(), name) for name in EFFECTS}
    )
