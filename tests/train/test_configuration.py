"""A configuration file is what the options are: printed, read, changed, refused by name."""

import tomllib
from dataclasses import replace
from typing import Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partflow.core.errors import ConfigError, InputError
from partflow.core.face import CalorimeterFace
from partflow.core.toml import toml_value
from partflow.model.config import FROM_EVENTS
from partflow.presets import PRESETS, preset, starting_configuration
from partflow.train.configuration import (
    CONFIGURATION_FILE,
    NO_LIMIT,
    Configuration,
    read_config,
    write_config,
)

TABLES = {"model": type(Configuration().model), "train": type(Configuration().train)}


def written(configuration, path):
    write_config(path, configuration.model, configuration.train)
    return path


def changed(path, old, new):
    """The file `path` with `new` in the place of `old`."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.fixture
def file(tmp_path):
    return written(preset("tiny"), tmp_path / "my.toml")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_read_as_it_was_printed(name, tmp_path):
    assert read_config(written(preset(name), tmp_path / "my.toml")) == preset(name)


def hint_of(table, name):
    """Type of the field of an option."""
    kind = TABLES[table]
    *parts, last = name.split(".")
    for part in parts:
        kind = get_type_hints(kind)[part]
    return get_type_hints(kind)[last]


def values_of(hint):
    """Values of a field of that type, which need not be in its range."""
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if hint is bool:
        return st.booleans()
    if hint is int:
        return st.integers(1, 2**40)
    if hint is float:
        return st.floats(0.0, 1.0, exclude_max=True) | st.floats(1e-300, 1e300)
    if get_origin(hint) is tuple:
        return st.lists(values_of(get_args(hint)[0]), max_size=3).map(tuple)
    kinds = [kind for kind in get_args(hint) if kind is not type(None)]
    if type(None) in get_args(hint):
        return st.none() | values_of(kinds[0])
    return None


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
JSON = st.recursive(
    st.booleans() | st.integers(-(2**62), 2**62) | TEXT
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXT, values, max_size=3),
    max_leaves=6,
)  # fmt: skip


NAMES = [(t, n) for t, n, _ in Configuration().options() if values_of(hint_of(t, n)) is not None]
CHANGES = st.lists(
    st.sampled_from(NAMES).flatmap(
        lambda place: st.tuples(st.just(place[1]), values_of(hint_of(*place)))
    ),
    max_size=8,
)
OWN_OPTIONS = st.dictionaries(TEXT, JSON, max_size=3)


@given(st.sampled_from(list(PRESETS)), OWN_OPTIONS, CHANGES)
def test_every_configuration_is_read_as_it_was_printed(tmp_path_factory, name, options, changes):
    own = {"backbone": "a_package.of_mine:Backbone", "backbone_options": options}
    configuration = preset(name).with_options(own)
    for option, value in changes:
        try:
            configuration = configuration.with_options({"epochs": 3, option: value})
        except ConfigError:
            continue  # out of range
    path = written(configuration, tmp_path_factory.mktemp("config") / "my.toml")
    assert read_config(path) == configuration


@given(JSON)
def test_a_value_is_read_by_tomllib_as_it_was_written(value):
    assert tomllib.loads(f"x = {toml_value(value)}")["x"] == value


def test_options_of_the_model_and_of_the_training_have_different_names():
    names = [name for _, name, _ in Configuration().options()]
    assert len(set(names)) == len(names)


def test_a_field_that_may_be_none_is_none_by_default():
    """TOML has no such value: what a file leaves out must mean the same as none."""
    for table, name, value in Configuration().options():
        if type(None) in get_args(hint_of(table, name)):
            assert value is None, name


def test_every_option_has_a_comment_in_the_file(file):
    lines = file.read_text().splitlines()
    for number, line in enumerate(lines):
        if " = " in line and not line.startswith("#"):
            assert lines[number - 1].startswith("# "), line


def test_what_a_training_takes_from_its_events_is_not_in_the_file(file, tmp_path):
    model = preset("tiny").model
    there = model.at(CalorimeterFace("elsewhere", 1000.0, 2000.0))
    there = written(replace(preset("tiny"), model=there), tmp_path / "other.toml")
    assert there.read_text() == file.read_text()
    assert not FROM_EVENTS & set(tomllib.loads(file.read_text())["model"])


def test_the_folder_of_a_run_stands_for_its_file(tmp_path):
    written(preset("base"), tmp_path / CONFIGURATION_FILE)
    assert read_config(tmp_path) == preset("base")


def test_options_override_the_file_and_the_file_overrides_the_preset(tmp_path):
    path = tmp_path / "part.toml"
    path.write_text("[model]\ndim = 32\nnum_layers = 3\n[train.loss]\nshare = 4\n")
    start = starting_configuration("tiny", path)
    assert (start.model.dim, start.model.num_layers, start.model.num_heads) == (32, 3, 2)
    assert start.train.loss.share == 4.0
    assert start.train.learning_rate == preset("tiny").train.learning_rate
    chosen = start.with_options({"dim": 16, "loss.share": 5})
    assert (chosen.model.dim, chosen.model.num_layers, chosen.train.loss.share) == (16, 3, 5.0)


def test_a_time_limit_alone_ends_a_training():
    limited = preset("tiny").with_options({"max_minutes": 2.0})
    assert (limited.train.epochs, limited.train.max_minutes) == (NO_LIMIT, 2.0)
    both = preset("tiny").with_options({"max_minutes": 2.0, "epochs": 3})
    assert both.train.epochs == 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dim = 64", "dimm = 64", r"my\.toml: model\.dimm: unknown; did you mean 'dim'\?"),
        ("dim = 64", "dim = -1", r"my\.toml: model\.dim = -1; it must be positive"),
        ("dim = 64", 'dim = "64"', r"my\.toml: model\.dim: expected `int`, got `str`"),
        ("[train]", "[trian]", r"my\.toml: trian: unknown; did you mean 'train'\?"),
        ("share = ", "shares = ", r"my\.toml: train\.loss\.shares: unknown; .* 'share'\?"),
        ('kind = "expectation"', 'kind = "expected"',
         r"my\.toml: model\.readout\.kind = 'expected'; did you mean 'expectation'\?"),
        ('backbone = "transformer"', 'backbone = "transfomer"',
         r"my\.toml: model\.backbone = 'transfomer'; did you mean 'transformer'\?"),
        ("dim = 64", 'detector = "clic"', r"my\.toml: model\.detector: a training takes it from"),
        ("num_features = 64", "num_features = 0", r"my\.toml: model\.favor\.num_features = 0"),
    ],
)  # fmt: skip
def test_an_invalid_file_is_refused_with_its_name_and_that_of_the_field(file, old, new, message):
    with pytest.raises(ConfigError, match=message):
        read_config(changed(file, old, new))


def test_a_file_that_is_missing_or_no_toml_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml: no such file"):
        read_config(tmp_path / "none.toml")
    (tmp_path / "broken.toml").write_text("[model\n")
    with pytest.raises(InputError, match=r"broken\.toml: not a TOML file"):
        read_config(tmp_path / "broken.toml")
    with pytest.raises(InputError, match=r"config\.toml: no such file; give a configuration file"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dimm": 3}, r"^dimm: unknown; did you mean 'dim'\?"),
        ({"share": 3}, r"^share: unknown"),
        ({"loss.share": "much"}, r"train\.loss\.share: expected `float`, got `str`"),
        ({"backbone_options": {"size": 2}}, r"model\.backbone_options: these are options of a"),
        ({"detector": "clic"}, "^detector: unknown"),
    ],
)
def test_an_unknown_option_or_value_is_refused_by_name(options, message):
    with pytest.raises(ConfigError, match=message):
        Configuration().with_options(options)


def test_options_of_ones_own_are_values_that_a_file_can_hold():
    options = {"backbone": "mine:Mine", "backbone_options": {"size": None}}
    with pytest.raises(ConfigError, match=r"model\.backbone_options = .* give text, numbers"):
        Configuration().with_options(options)
