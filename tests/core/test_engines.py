"""The hadronic scale follows the engine, and a detector's description keeps it."""

from dataclasses import replace

import pytest

from partflow.core.detector import ScaleFit
from partflow.core.detector_file import describe, detector_from
from partflow.core.engines import FAST, GEANT4
from partflow.core.errors import ConfigError
from partflow.core.hadron_scale import for_engine, load_hadron_scale
from partflow.core.known_detectors import CLD, CLIC, DETECTORS

BORROWING = replace(CLIC, name="mine", hadron_scale="clic")


@pytest.mark.parametrize("detector", [CLIC, CLD, BORROWING], ids=lambda d: d.name)
def test_a_known_scale_becomes_that_of_the_engine_and_back(detector):
    of_geant4 = for_engine(detector, GEANT4)
    known = "clic" if detector is BORROWING else detector.name
    assert of_geant4.hadron_scale == f"{known}-geant4"
    assert for_engine(of_geant4, GEANT4) == of_geant4
    assert for_engine(of_geant4, FAST) == detector
    assert for_engine(detector, FAST) == detector


@pytest.mark.parametrize("name", DETECTORS)
def test_each_known_detector_has_a_scale_for_each_engine(name):
    fast, geant4 = (
        load_hadron_scale(for_engine(DETECTORS[name], engine)) for engine in (FAST, GEANT4)
    )
    assert not (fast.constants.weights == geant4.constants.weights).all()


@pytest.mark.parametrize("detector", [CLIC, BORROWING], ids=lambda d: d.name)
def test_the_description_of_a_detector_keeps_the_scale(detector):
    of_geant4 = for_engine(detector, GEANT4)
    assert detector_from(describe(of_geant4), "here") == of_geant4


def test_a_known_detector_changed_otherwise_is_still_refused():
    with pytest.raises(ConfigError, match="'clic' is taken"):
        detector_from({"base": "clic", "name": "clic", "magnetic_field": 3.0}, "here")


def test_a_scale_fitted_for_the_other_engine_is_refused():
    fit = ScaleFit(((1.0,) * 8,) * 3, (0.0,), (1.0,), CLIC.fingerprint(), "x", engine=FAST)
    mine = replace(CLIC, name="mine", hadron_scale=fit)
    assert for_engine(mine, FAST) == mine
    with pytest.raises(ConfigError, match=r"partflow calibrate FILE.json --engine geant4"):
        for_engine(mine, GEANT4)
