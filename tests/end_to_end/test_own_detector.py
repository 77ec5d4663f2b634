"""A detector from a JSON file: simulated, labelled, evaluated and calibrated."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from partflow import pipeline
from partflow.core.detector_file import find_detector
from partflow.core.errors import ConfigError
from partflow.core.hadron_scale import load_hadron_scale
from partflow.core.store import read_events
from partflow.evaluate import EvaluationConfig
from partflow.generate import GenerationConfig
from partflow.pipeline.calibration import Showers

Run = Callable[..., tuple[int, str, str]]

RADIUS = 1700.0
MINE = {
    "base": "clic",
    "name": "mine",
    "magnetic_field": 3.0,
    "ecal": {"inner_radius": RADIUS, "endcap_outer_radius": RADIUS + 202},
    "hcal": {"inner_radius": RADIUS + 240, "endcap_outer_radius": RADIUS + 1830},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("detector")
    (folder / "borrowed.json").write_text(json.dumps({**MINE, "hadron_scale": "clic"}))
    config = GenerationConfig("qq", 3, seed=5)
    config = config.made_for(find_detector(str(folder / "borrowed.json")))
    pipeline.generate(config, folder / "gen.parquet")
    return folder


def test_events_keep_the_description_of_the_detector_when_its_file_is_gone(folder: Path) -> None:
    file = folder / "borrowed.json"
    pipeline.simulate([folder / "gen.parquet"], folder / "events", str(file))
    file.unlink()
    events = read_events(folder / "events", "events")
    in_barrel = (events.hits.region == 0) & (events.hits.subdetector == 0)
    radius = np.hypot(events.hits.x, events.hits.y)[in_barrel]
    assert radius.min() > RADIUS
    assert radius.max() < RADIUS + 202
    bending = np.abs(1 / (events.tracks.omega * events.tracks.pt))
    np.testing.assert_allclose(bending, 1e3 / (0.299792458 * 3.0), rtol=1e-6)
    pipeline.label(folder / "events", folder / "labelled")
    metrics = pipeline.judge(folder / "events", {}, EvaluationConfig()).metrics()
    assert metrics["jets"]["baseline"]["median"] == pytest.approx(1.0, abs=0.1)


def test_events_made_for_another_tracker_are_refused(folder: Path) -> None:
    """K0S that live for more than 1500 mm would not decay in this one, which ends at 1700."""
    file = folder / "again.json"
    file.write_text(json.dumps({**MINE, "hadron_scale": "clic"}))
    pipeline.generate(GenerationConfig("qq", 2, seed=5), folder / "clic.parquet")
    with pytest.raises(
        ConfigError, match=r"decay within r = 1500.*mine ends at r = 1700.*--detect"
    ):
        pipeline.simulate([folder / "clic.parquet"], folder / "none", str(file))
    gun = GenerationConfig("gun", 2, seed=5)
    pipeline.generate(gun, folder / "gun.parquet")
    pipeline.simulate([folder / "gun.parquet"], folder / "gun", str(file))
    assert len(read_events(folder / "gun", "events")) == 2


def test_a_detector_without_a_scale_is_refused_before_work_begins(folder: Path) -> None:
    (folder / "bare.json").write_text(json.dumps(MINE))
    with pytest.raises(ConfigError, match="mine: no hadronic scale"):
        pipeline.simulate([folder / "gen.parquet"], folder / "none", str(folder / "bare.json"))
    assert not (folder / "none").exists()


def test_calibrate_fits_a_scale_and_writes_it_into_the_file(folder: Path, run: Run) -> None:
    file = folder / "fitted.json"
    file.write_text(json.dumps(MINE))
    status, printed, _ = run("calibrate", file, "--num-showers", 400, "--num-tested", 20)
    assert status == 0
    header, *rows, stored = printed.splitlines()
    assert header.split() == ["E", "[GeV]", "median", "IQR/1.349/median"]
    assert [float(row.split()[0]) for row in rows] == [1, 2, 5, 10, 20, 50]
    assert all(0.7 < float(row.split()[1]) < 1.3 for row in rows)
    assert stored == f"The scale: {file}"
    assert {**json.loads(file.read_text()), "hadron_scale": None} == {**MINE, "hadron_scale": None}
    detector = find_detector(str(file))
    sums, truth = Showers(detector)((10.0, 10.0), 200, 3)
    response = load_hadron_scale(detector).energy(sums) / truth
    assert np.median(response) == pytest.approx(1.0, abs=0.1)


def test_a_calibration_with_too_few_showers_is_refused(folder: Path, run: Run) -> None:
    file = folder / "few.json"
    file.write_text(json.dumps(MINE))
    status, _, error = run("calibrate", file, "--num-showers", 10)
    assert status == 2
    assert "--num-showers 10: give at least 200" in error
    assert json.loads(file.read_text()) == MINE


def test_a_calibration_of_an_unknown_detector_is_refused(run: Run) -> None:
    status, _, error = run("calibrate", "atlas")
    assert status == 2
    assert "'atlas' is unknown" in error
