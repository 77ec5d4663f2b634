"""Detectors from JSON files: the same ones come back, and errors name the wrong field."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from partflow.core.detector import Detector, ScaleFit
from partflow.core.detector_file import describe, detector_from, find_detector
from partflow.core.errors import ConfigError, InputError
from partflow.core.hadron_scale import load_hadron_scale
from partflow.core.known_detectors import CLD, CLIC, DETECTORS

MINE = {"base": "clic", "name": "mine", "magnetic_field": 3.5, "hadron_scale": "clic"}


def test_a_known_detector_is_described_by_its_name() -> None:
    for name, known in DETECTORS.items():
        assert describe(known) == name
        assert find_detector(name) is known


def test_a_full_description_and_a_changed_base_give_the_same_detector(tmp_path: Path) -> None:
    wanted = replace(CLD, name="mine", max_path=9000.0, ecal=replace(CLD.ecal, cell_size=5.0))
    (tmp_path / "full.json").write_text(json.dumps(asdict(wanted)))
    changed = {"base": "cld", "name": "mine", "max_path": 9000, "ecal": {"cell_size": 5}}
    (tmp_path / "changed.json").write_text(json.dumps(changed))
    for file in ("full.json", "changed.json"):
        assert find_detector(str(tmp_path / file)) == wanted
    assert detector_from(describe(wanted), "events") == wanted


def test_fields_with_a_default_can_be_left_out() -> None:
    description = {**describe(replace(CLIC, name="mine"))}
    del description["yoke"], description["max_path"]
    assert detector_from(description, "x") == replace(CLIC, name="mine")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, r"my\.json: colour: unknown; the fields here are name, magnetic_field"),
        ({"ecal": {"cells": 1.0}}, r"my\.json: ecal\.cells: unknown"),
        ({"ecal": {"cell_size": -10}}, r"my\.json: mine: ecal\.cell_size = -10"),
        ({"ecal": {"depth": 900}}, r"ecal barrel ends at r = 2400.* beyond its endcap"),
        (
            {"ecal": {"cell_size": "10"}},
            r"my\.json: ecal\.cell_size: expected `float`, got `str`; correct it",
        ),
        ({"ecal": {"cell_size": True}}, r"ecal\.cell_size: expected `float`, got `bool`"),
        ({"ecal": {"cell_size": float("nan")}}, r"ecal\.cell_size = nan"),
        ({"ecal": {"num_groups": 9.5}}, r"ecal\.num_groups: expected `int`, got `float`"),
        ({"ecal": 3}, r"ecal: expected `object`, got `int`"),
        ({"tracker": {"layer_radii": 31}}, r"tracker\.layer_radii: expected `array`, got `int`"),
        (
            {"tracker": {"layer_radii": [31, "x"]}},
            r"tracker\.layer_radii\[1\]: expected `float`, got `str`",
        ),
        ({"magnetic_field": None}, "magnetic_field: expected `float`, got `null`"),
        ({"name": "clic"}, "name = 'clic' is taken"),
        ({"name": ""}, "name = ''; give the detector a name"),
        ({"base": ["clic"]}, r"base = \['clic'\]; it must be one of"),
        ({"base": "atlas"}, "base = 'atlas'; it must be one of clic, cld"),
        ({"hadron_scale": "atlas"}, "hadron_scale = 'atlas'; only that of clic or cld"),
        ({"hadron_scale": {"weights": []}}, r"hadron_scale\.log_energy, .*missing"),
        ({"hadron_scale": 3}, "hadron_scale: expected `str | object | null`, got `int`"),
    ],
    ids=str,
)
def test_a_wrong_description_is_refused_and_the_field_named(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        detector_from({**MINE, **change}, "my.json")


def test_missing_fields_are_named() -> None:
    description = {k: v for k, v in describe(replace(CLIC, name="x")).items() if k != "ring_z"}
    del description["hcal"]["depth"]
    with pytest.raises(
        ConfigError, match=r'my\.json: ring_z: missing; give it, or begin with "base"'
    ):
        detector_from(description, "my.json")
    with pytest.raises(ConfigError, match=r"hcal\.depth: missing"):
        detector_from({**description, "ring_z": 2335}, "my.json")
    with pytest.raises(ConfigError, match="name: missing"):
        detector_from({"base": "clic"}, "my.json")


def test_files_that_hold_no_detector_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json: cannot be read"):
        find_detector(str(tmp_path / "none.json"))
    (tmp_path / "broken.json").write_text('{"name": ')
    with pytest.raises(InputError, match=r"broken\.json: not JSON"):
        find_detector(str(tmp_path / "broken.json"))
    (tmp_path / "list.json").write_text("[1, 2]")
    with pytest.raises(ConfigError, match=r"list\.json: holds no detector"):
        find_detector(str(tmp_path / "list.json"))


def test_a_scale_is_borrowed_or_its_own_and_its_absence_is_an_error() -> None:
    borrowed = detector_from(MINE, "my.json")
    of_clic = load_hadron_scale(CLIC)
    np.testing.assert_array_equal(
        load_hadron_scale(borrowed).constants.weights, of_clic.constants.weights
    )
    with pytest.raises(ConfigError, match=r"mine: no hadronic scale; .*partflow calibrate FILE"):
        load_hadron_scale(replace(borrowed, hadron_scale=None))
    fitted = with_fit(borrowed, borrowed.fingerprint())
    assert detector_from(describe(fitted), "my.json") == fitted
    assert load_hadron_scale(fitted).constants.correction.tolist() == [1.1]
    with pytest.raises(ConfigError, match="other detector constants"):
        load_hadron_scale(replace(fitted, magnetic_field=3.0))


def with_fit(detector: Detector, fingerprint: str) -> Detector:
    fit = ScaleFit(((1.0,) * 8,) * 3, (1.0,), (1.1,), fingerprint, "none")
    return replace(detector, hadron_scale=fit)
