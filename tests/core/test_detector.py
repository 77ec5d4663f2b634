import math
from dataclasses import replace

import pytest

from partflow.core.errors import ConfigError
from partflow.core.known_detectors import CLIC, known_detector


def test_an_invalid_detector_is_refused_and_its_constant_named() -> None:
    with pytest.raises(ConfigError, match=r"ecal\.cell_size = -1"):
        replace(CLIC, ecal=replace(CLIC.ecal, cell_size=-1.0))
    with pytest.raises(ConfigError, match="beyond its endcap"):
        replace(CLIC, ecal=replace(CLIC.ecal, depth=400.0))
    with pytest.raises(ConfigError, match="field -2"):
        replace(CLIC, magnetic_field=-2.0)
    with pytest.raises(ConfigError, match="inside the ECAL"):
        replace(CLIC, hcal=replace(CLIC.hcal, inner_radius=1600.0))
    with pytest.raises(ConfigError, match="'atlas' is unknown; choose one of clic"):
        known_detector("atlas")


def test_a_detector_without_a_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="name = ''; give the detector a name"):
        replace(CLIC, name="")


def test_a_changed_constant_changes_the_fingerprint() -> None:
    assert replace(CLIC).fingerprint() == CLIC.fingerprint()
    assert replace(CLIC, magnetic_field=3.5).fingerprint() != CLIC.fingerprint()


def test_a_pion_of_one_gev_bends_with_0_83_m_in_4_tesla() -> None:
    assert 1.0 / CLIC.geometry().bending == pytest.approx(833.9, rel=1e-3)


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("ecal", {"threshold": math.nan}, r"ecal\.threshold = nan"),
        ("hcal", {"depth": math.inf}, r"hcal\.depth = inf"),
        ("hcal", {"endcap_z": 2400.0}, "HCAL endcap begins inside the ECAL endcap"),
        ("tracker", {"layer_radii": (31.0, 20.0, 500.0)}, r"tracker\.layer_radii"),
        ("tracker", {"layer_radii": (31.0, 1600.0)}, r"tracker\.layer_radii"),
        ("tracker", {"layer_radii": ()}, r"tracker\.layer_radii"),
        ("tracker", {"eta_edges": (1.0, 0.5)}, r"tracker\.eta_edges"),
        ("tracker", {"scattering_term": (0.002,)}, r"tracker\.scattering_term has 1 rows"),
        ("tracker", {"curvature_term": (-1e-5,) * 6}, r"tracker\.curvature_term"),
        ("tracker", {"radiation_lengths": -0.1}, r"tracker\.radiation_lengths = -0\.1"),
        ("tracker", {"layer_half_lengths": (130.0,)}, r"layer_half_lengths has 1 rows"),
        ("tracker", {"disc_z": (500.0, 2400.0)}, r"disc_inner_radii has 14 rows, but disc_z"),
        ("tracker", {"disc_z": (2400.0,) * 14}, r"disc_z = .*; discs must be between 0 and"),
        ("tracker", {"full_theta": 5.0}, r"tracker\.full_theta = 5\.0; it must be above 7\.5"),
        ("tracker", {"beam_pipe_radius": 130.0}, r"tracker\.vertex_radius = 120\.0"),
        ("tracker", {"material_to_face": 1400.0}, r"ends at 100\.0 mm; these must rise"),
        ("tracker", {"vertex_material": 1.5}, r"tracker\.vertex_material = 1\.5"),
        ("tracker", {"max_slant": 0.0}, r"tracker\.max_slant = 0\.0"),
        ("tracker", {"max_efficiency": 1.1}, r"tracker\.max_efficiency = 1\.1"),
        ("yoke", {"cell_size": 0.0}, r"yoke\.cell_size = 0\.0"),
        ("yoke", {"efficiency": 1.5}, r"yoke\.efficiency = 1\.5"),
        ("yoke", {"inner_radius": 3000.0}, "behind the calorimeter"),
        ("yoke", {"outer_z": 4000.0}, "yoke is from z = 4179"),
    ],
)
def test_an_invalid_part_is_refused_and_its_constant_named(part, change, message) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(CLIC, **{part: replace(getattr(CLIC, part), **change)})


@pytest.mark.parametrize(
    "change",
    [
        {"magnetic_field": math.nan},
        {"endcap_inner_radius": -1.0},
        {"endcap_material_inner_radius": 1600.0},
        {"ring_z": 2000.0},
        {"max_path": 0.0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_invalid_constant_of_the_whole_detector_is_refused_and_named(change) -> None:
    (name,) = change
    with pytest.raises(ConfigError, match=name.removeprefix("magnetic_")):
        replace(CLIC, **change)


def test_half_a_layer_group_is_refused() -> None:
    part = replace(CLIC.ecal)
    object.__setattr__(part, "num_groups", 9.5)  # not through the checked constructor
    with pytest.raises(ConfigError, match=r"ecal\.num_groups = 9\.5; it must be whole"):
        replace(CLIC, ecal=part)


def test_endcaps_with_another_gap_than_the_barrel_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"clic: 30 mm .* 38 mm .* hcal\.endcap_z = 2547"):
        replace(CLIC, hcal=replace(CLIC.hcal, endcap_z=2539.0))
