"""A network is used with the detector it was trained on: known detectors, and one from a file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from partflow import pipeline
from partflow.core.detector import ENDCAP
from partflow.core.detector_file import find_detector
from partflow.core.errors import ConfigError
from partflow.core.features import build_elements
from partflow.core.store import num_events, read_events, read_provenance
from partflow.dataset.batches import batch_of_elements
from partflow.dataset.packed import PackedDataset
from partflow.generate import GenerationConfig
from partflow.model.config import ModelConfig
from partflow.model.folder import CONFIG_FILE, load_config, save_model
from partflow.model.inputs import Columns, cluster_columns
from partflow.model.published.config import PublishedConfig
from partflow.model.published.mlpf import PublishedMLPF

Run = Callable[..., tuple[int, str, str]]

MINE = {
    "base": "clic",
    "name": "mine",
    "ecal": {"inner_radius": 1600.0, "endcap_outer_radius": 1802.0, "endcap_z": 2400.0},
    "hcal": {"inner_radius": 1840.0, "endcap_outer_radius": 3430.0, "endcap_z": 2640.0},
    "ring_z": 2428.0,
    "yoke": {"endcap_z": 4300.0},
    "hadron_scale": "clic",
}
FACES = {"clic": (1500.0, 2307.0), "cld": (2150.0, 2307.0), "mine": (1600.0, 2400.0)}
"""Inner radius and half length of the calorimeters [mm]."""
DEPTH_UNIT = 300.0
"""Of the input `depth` [mm]."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NAME/events, NAME/labelled and NAME/run, a network trained on them, for each detector."""
    folder = tmp_path_factory.mktemp("detectors")
    (folder / "mine.json").write_text(json.dumps(MINE))
    for name in FACES:
        part, detector = folder / name, str(folder / "mine.json") if name == "mine" else name
        config = GenerationConfig("qq", 10, seed=5).made_for(find_detector(detector))
        pipeline.generate(config, part / "gen.parquet")
        pipeline.simulate([part / "gen.parquet"], part / "events", detector)
        pipeline.label(part / "events", part / "labelled")
        pipeline.train(part / "labelled", part / "run", "tiny", epochs=1, threads=1)
    return folder


def columns_of(events: Path, config: ModelConfig) -> Columns:
    """The inputs of the clusters of `events` by name."""
    stored = read_events(events, "events")
    batch = batch_of_elements(build_elements(stored.tracks, stored.clusters), stored.event_id)
    return cluster_columns(batch.features[batch.is_cluster], config)


@pytest.mark.parametrize("name", FACES)
def test_a_network_is_made_for_the_detector_of_its_events(folder: Path, name: str) -> None:
    face = PackedDataset.open(folder / name / "labelled" / "packed").face
    assert (face.detector, face.radius, face.half_length) == (name, *FACES[name])
    config = load_config(folder / name / "run")
    assert isinstance(config, ModelConfig) and config.face == face
    stored = json.loads((folder / name / "run" / CONFIG_FILE).read_text())
    assert stored["model"]["detector"] == name
    assert stored["provenance"]["config"]["model"]["detector"] == name


@pytest.mark.parametrize("name", FACES)
def test_its_depths_are_measured_from_the_face_of_that_detector(folder: Path, name: str) -> None:
    config = load_config(folder / name / "run")
    assert isinstance(config, ModelConfig)
    depth = DEPTH_UNIT * columns_of(folder / name / "events", config)["depth"].numpy()
    clusters = read_events(folder / name / "events", "events").clusters
    radius, half_length = FACES[name]
    expected = np.maximum(np.hypot(clusters.x, clusters.y) - radius, abs(clusters.z) - half_length)
    np.testing.assert_allclose(depth, expected, atol=0.1)
    # Most showers begin in the 202 mm of the ECAL, and none before it.
    assert np.quantile(depth, 0.01) > 0.0
    assert 20.0 < np.quantile(depth, 0.25) < 202.0


@pytest.mark.parametrize("name", FACES)
def test_a_cluster_counts_as_endcap_if_most_of_its_energy_is_there(folder: Path, name: str) -> None:
    config = load_config(folder / name / "run")
    assert isinstance(config, ModelConfig)
    is_endcap = columns_of(folder / name / "events", config)["is_endcap"].numpy() == 1.0
    events = read_events(folder / name / "events", "events")
    cluster = events.clusters.flat_index(events.hits.event_index, events.hit_clusters.cluster_index)
    weight = np.where(cluster >= 0, events.hits.energy_em, 0.0)
    total, in_endcap = (
        np.bincount(np.maximum(cluster, 0), w, len(events.clusters))
        for w in (weight, weight * (events.hits.region == ENDCAP))
    )
    is_truly_endcap = in_endcap > 0.5 * total
    assert 0.2 < is_truly_endcap.mean() < 0.8
    assert np.mean(is_endcap == is_truly_endcap) > 0.99


def test_events_of_another_detector_are_refused_by_name(
    folder: Path, run: Run, tmp_path: Path
) -> None:
    words = ("reconstruct", folder / "mine" / "events", "--model", folder / "cld" / "run")
    status, _, said = run(*words, "--output", tmp_path / "out.parquet")
    assert status == 2
    said = " ".join(said.split())
    assert "events of mine (calorimeter from r = 1600 mm" in said
    assert "trained on cld (calorimeter from r = 2150 mm" in said
    assert "--adapt-detector" in said
    assert not (tmp_path / "out.parquet").exists()
    assert run(*words, "--output", tmp_path / "out.parquet", "--adapt-detector")[0] == 0


def test_an_adapted_network_measures_from_the_face_of_the_events(
    folder: Path, tmp_path: Path
) -> None:
    """Its candidates are those of the same weights with the face of the other detector."""
    shutil.copytree(folder / "cld" / "run", tmp_path / "run")
    config = json.loads((tmp_path / "run" / CONFIG_FILE).read_text())
    radius, half_length = FACES["mine"]
    of_mine = {"detector": "mine", "face_radius": radius, "face_half_length": half_length}
    config["model"] |= of_mine
    (tmp_path / "run" / CONFIG_FILE).write_text(json.dumps(config))
    events = folder / "mine" / "events"
    pipeline.reconstruct(events, str(tmp_path / "run"), tmp_path / "expected.parquet")
    pipeline.reconstruct(
        events, str(folder / "cld" / "run"), tmp_path / "adapted.parquet", adapt_detector=True
    )
    expected, adapted = (
        read_events(tmp_path / f"{name}.parquet", "candidates").candidates
        for name in ("expected", "adapted")
    )
    assert len(adapted)
    np.testing.assert_array_equal(adapted.energy, expected.energy)
    assert read_provenance(tmp_path / "adapted.parquet").config["adapt_detector"] is True

    config["model"] |= dict(zip(("face_radius", "face_half_length"), FACES["cld"], strict=True))
    (tmp_path / "run" / CONFIG_FILE).write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="trained on mine"):  # the name alone does not do
        pipeline.reconstruct(events, str(tmp_path / "run"), tmp_path / "none.parquet")


def test_a_published_network_takes_events_of_any_detector(folder: Path, tmp_path: Path) -> None:
    """It reads the published columns only, and none of them is measured from the face."""
    config = PublishedConfig(elemtypes_nonzero=(1, 2), num_convs=1, num_heads=2, head_dim=4)
    save_model(PublishedMLPF(config), tmp_path / "published")
    output = tmp_path / "out.parquet"
    pipeline.reconstruct(folder / "cld" / "events", str(tmp_path / "published"), output)
    assert num_events(output, "candidates") == 10


def test_a_flag_to_adapt_the_baseline_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="events' own detector"):
        pipeline.reconstruct(
            folder / "clic" / "events", "baseline", tmp_path / "x.parquet", adapt_detector=True
        )


def test_events_of_two_detectors_are_not_labelled_together(folder: Path, tmp_path: Path) -> None:
    for name in ("clic", "cld"):
        (file,) = (folder / name / "events").glob("*.parquet")
        (tmp_path / "both").mkdir(exist_ok=True)
        shutil.copy(file, tmp_path / "both" / f"{name}.parquet")
    with pytest.raises(ConfigError, match="events of cld and of clic"):
        pipeline.label(tmp_path / "both", tmp_path / "labelled")
    assert not (tmp_path / "labelled").exists()
