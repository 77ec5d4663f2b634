"""The engine for CLIC: layers, field, energy, the same event again; Geant4 in another process."""

from collections.abc import Callable
from typing import Any

import pytest

from partflow.core.known_detectors import CLD, CLIC


@pytest.fixture(scope="module")
def engine(run_script: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """Result of `engine_run.py`."""
    return run_script("engine_run.py")


@pytest.fixture(scope="module")
def geometry(
    run_script: Callable[..., dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Result of `geometry_run.py`, with the text of the GDML file."""
    file = tmp_path_factory.mktemp("gdml") / "clic.gdml"
    return {**run_script("geometry_run.py", str(file)), "gdml": file.read_text()}


@pytest.mark.parametrize("name", ["clic", "cld", "own"])
def test_no_volume_overlaps_another(name: str, geometry: dict[str, Any]) -> None:
    assert not geometry["overlaps"][name]


def test_the_check_for_overlaps_finds_one(geometry: dict[str, Any]) -> None:
    assert geometry["broken_overlaps"]


def test_every_layer_is_sensitive(geometry: dict[str, Any]) -> None:
    assert geometry["num_sensitive"]["clic"] == [40, 40, 60, 60, 8]
    assert geometry["num_sensitive"]["cld"] == [40, 40, 44, 44, 7]


@pytest.mark.parametrize("detector", [CLIC, CLD], ids=lambda d: d.name)
def test_the_material_is_that_of_the_detectors_figures(
    detector: Any, geometry: dict[str, Any]
) -> None:
    for part, depth in zip(
        (detector.ecal, detector.hcal), geometry["depth"][detector.name], strict=True
    ):
        assert depth[0] == pytest.approx(part.depth)
        assert depth[1] == pytest.approx(part.depth / part.radiation_length, rel=0.04)
        assert depth[2] == pytest.approx(part.depth / part.interaction_length, rel=0.04)


def test_steel_is_nearly_iron(geometry: dict[str, Any]) -> None:
    iron, steel = geometry["iron"]
    assert iron == pytest.approx(17.57, rel=0.01)  # mm, PDG
    assert steel == pytest.approx(iron * 7.874 / 7.85, rel=0.01)


def test_an_unknown_material_is_refused_with_those_that_are_known(geometry: dict[str, Any]) -> None:
    assert "'Unobtainium' is unknown" in geometry["unknown"]
    assert "TungstenDens24" in geometry["unknown"]


def test_gdml_has_the_materials_and_the_staves(geometry: dict[str, Any]) -> None:
    gdml = geometry["gdml"]
    assert gdml.startswith("<?xml")
    assert "TungstenDens24" in gdml
    assert gdml.count('volumeref ref="ecal_barrel0x') == 12  # Geant4 adds addresses to names


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("barrel", ["ECAL_BARREL", "HCAL_BARREL"]),
        ("endcap", ["ECAL_ENDCAP", "HCAL_ENDCAP"]),
        ("other", ["ECAL_ENDCAP", "HCAL_ENDCAP"]),
    ],
)
def test_a_muon_crosses_every_layer(name: str, parts: list[str], engine: dict[str, Any]) -> None:
    crossing = engine["crossing"][name]
    assert crossing["parts"] == parts
    assert crossing["num_ecal_layers"] == 40
    assert crossing["num_hcal_layers"] == 60


def test_deposits_are_moved_to_the_nested_box(engine: dict[str, Any]) -> None:
    barrel, endcap, other = (engine["crossing"][name] for name in ("barrel", "endcap", "other"))
    assert 1500 < barrel["r"][0] < 1505.05
    assert 3330 - 26.5 < barrel["r"][1] < 3330
    assert 2307 < endcap["z"][0] < 2312.05
    assert 4137 - 26.5 < endcap["z"][1] < 4137
    assert -4137 < other["z"][0] < other["z"][1] < -2307
    assert barrel["azimuth_shift"] < 1e-9


def test_the_copy_number_is_the_layer_of_the_place(engine: dict[str, Any]) -> None:
    assert engine["layers_by_place_agree"]


def test_the_ring_around_the_ecal_endcap_is_there(engine: dict[str, Any]) -> None:
    assert "HCAL_RING" in engine["ring_parts"]
    assert "ECAL_ENDCAP" not in engine["ring_parts"]


def test_the_same_seed_gives_the_same_event_alone_or_with_others(engine: dict[str, Any]) -> None:
    assert engine["num_hits"] > 100
    assert engine["same_again"]
    assert engine["same_alone"]


def test_the_tracks_are_those_of_the_fast_simulation(engine: dict[str, Any]) -> None:
    assert engine["same_tracks"]


def test_contributions_sum_to_the_energy_of_their_hit(engine: dict[str, Any]) -> None:
    assert engine["contributions_sum_to_hits"] < 1e-5


def test_hits_come_after_light_and_within_the_window(engine: dict[str, Any]) -> None:
    earliest, latest = engine["times"]
    assert earliest > 1500 / 299.8 - 0.5
    assert latest < 5317 / 299.8 + 10


def test_late_neutrons_are_not_followed_beyond_the_window(engine: dict[str, Any]) -> None:
    assert engine["share_late"] > 0.02
    assert engine["latest"] < 5317 / 299.8 + 10 + 0.5


def test_photons_are_measured_at_the_em_scale(engine: dict[str, Any]) -> None:
    assert engine["photon_response"] == pytest.approx(1, abs=0.1)  # 6 photons: 3 %
    assert engine["photon_owner"] == [0]


def test_the_sampling_fractions_are_the_detectors(engine: dict[str, Any]) -> None:
    ecal, hcal = engine["sampling_fractions"]  # 8 electrons: 1.5 % and 3 %
    assert ecal == pytest.approx(list(CLIC.ecal.sampling_fractions), rel=0.05)
    assert hcal == pytest.approx(list(CLIC.hcal.sampling_fractions), rel=0.1)


def test_the_sampling_fraction_of_the_ecal_is_near_the_published_one() -> None:
    # CLICdet's reconstruction has one constant for barrel and endcap
    assert CLIC.ecal.sampling_fractions == pytest.approx((1 / 35.84, 1 / 35.84), rel=0.04)


def test_a_particle_that_geant4_does_not_know_is_an_error(engine: dict[str, Any]) -> None:
    assert engine["unknown"] == "Geant4 knows no particle with PDG id 9999999"


def test_a_second_detector_needs_another_process(engine: dict[str, Any]) -> None:
    assert engine["second_detector"].startswith("ConfigError")
    assert "new process" in engine["second_detector"]
