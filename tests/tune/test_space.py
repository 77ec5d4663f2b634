"""Search spaces and the configurations that they lead to."""

from types import SimpleNamespace

import pytest

from partflow.core.errors import ConfigError
from partflow.presets import PRESETS
from partflow.tune.space import (
    FIXED,
    check_names,
    default_space,
    load_space,
    settings,
    with_values,
)


@pytest.fixture
def base():
    return PRESETS["tiny"]()


class LowestValues(SimpleNamespace):
    """A trial that suggests the lower end of each range."""

    def suggest_categorical(self, name, choices):
        return choices[0]

    def suggest_float(self, name, low, high, log=False):
        return low

    suggest_int = suggest_float


def test_values_change_settings_at_any_depth_and_nothing_else(base):
    values = {"model.dim": 96, "train.loss.share": 5.0, "train.learning_rate": 0.1}
    assert settings(with_values(base, values)) == settings(base) | values


def test_an_invalid_combination_is_an_error_of_the_configuration(base):
    with pytest.raises(ConfigError, match=r"model.dim = 65 is no multiple of model.num_heads"):
        with_values(base, {"model.dim": 65})


def test_an_unknown_setting_is_refused_with_the_nearest_name(base):
    with pytest.raises(ConfigError, match=r"no setting 'model.dimm'; did you mean 'model.dim'\?"):
        check_names({"model.dimm": 64}, base)


@pytest.mark.parametrize(
    "name",
    [
        "train.epochs",
        "train.seed",
        "train.event_weights",
        "model.detector",
        "model.head",
        "model.num_owners",
        "model.predict_background",
    ],
)
def test_settings_that_make_losses_incomparable_are_refused(base, name):
    with pytest.raises(ConfigError, match=f"{name} cannot be searched: it "):
        check_names([name], base)


def test_refused_settings_exist(base):
    known = {f"{part}.{name}" for part in ("model", "train") for name in vars(getattr(base, part))}
    assert set(FIXED) <= known


def test_the_default_space_has_valid_settings(base):
    values = default_space(LowestValues())
    check_names(values, base)
    assert with_values(base, values).model.dim == 64


def test_a_space_is_loaded_from_a_file_or_a_module(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def space(trial):\n    return {'model.dim': 32}\n")
    assert load_space(f"{file}:space")(None) == {"model.dim": 32}
    assert load_space("partflow.tune.space:default_space") is default_space


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine.py", "give FILE.py:FUNCTION"),
        ("none.py:space", r"none.py cannot be imported \(FileNotFoundError: no file none.py\)"),
        ("partflow.no_module:space", "cannot be imported"),
        ("partflow.tune.space:spaces", "has no function 'spaces'"),
    ],
)
def test_a_space_that_does_not_exist_is_refused_by_name(name, message):
    with pytest.raises(ConfigError, match=message):
        load_space(name)
