from dataclasses import replace

import pytest

from partflow.core.detector import CLIC, detector
from partflow.core.errors import ConfigError


def test_a_detector_that_cannot_be_is_refused_by_the_constant() -> None:
    with pytest.raises(ConfigError, match=r"ecal\.cell_size = -1"):
        replace(CLIC, ecal=replace(CLIC.ecal, cell_size=-1.0))
    with pytest.raises(ConfigError, match="beyond its endcap"):
        replace(CLIC, ecal=replace(CLIC.ecal, depth=400.0))
    with pytest.raises(ConfigError, match="field -2"):
        replace(CLIC, magnetic_field=-2.0)
    with pytest.raises(ConfigError, match="inside the ECAL"):
        replace(CLIC, hcal=replace(CLIC.hcal, inner_radius=1600.0))
    with pytest.raises(ConfigError, match="'atlas' is unknown; choose one of clic"):
        detector("atlas")


def test_a_changed_constant_changes_the_fingerprint() -> None:
    assert replace(CLIC).fingerprint() == CLIC.fingerprint()
    assert replace(CLIC, magnetic_field=3.5).fingerprint() != CLIC.fingerprint()


def test_a_pion_of_one_gev_bends_with_0_83_m_in_4_tesla() -> None:
    assert 1.0 / CLIC.geometry().bending == pytest.approx(833.9, rel=1e-3)
