"""Stages on a Ray cluster: the files of the local executor, byte for byte, also if workers die."""

import importlib.util
from pathlib import Path

import pytest

from partflow import pipeline
from partflow.core.ray_executor import RayExecutor
from partflow.generate.config import GenerationConfig

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="no Ray"),
]


@pytest.fixture(scope="module")
def ray():
    with RayExecutor(workers=2) as executor:
        yield executor


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """Generated, simulated and labelled events in two shards, made without Ray."""
    folder = tmp_path_factory.mktemp("local")
    pipeline.generate(GenerationConfig("qq", 120, seed=3), folder / "gen.parquet")
    pipeline.simulate([folder / "gen.parquet"], folder / "events")
    pipeline.label(folder / "events", folder / "labelled")
    return folder


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


def test_simulate_and_label_write_the_same_files_on_ray(local, ray, tmp_path):
    pipeline.simulate([local / "gen.parquet"], tmp_path / "events", executor=ray)
    assert contents(tmp_path / "events") == contents(local / "events")
    pipeline.label(tmp_path / "events", tmp_path / "labelled", executor=ray)
    assert contents(tmp_path / "labelled") == contents(local / "labelled")


def test_the_files_are_the_same_if_a_worker_is_killed(local, ray, tmp_path):
    from tests.core.test_executors import kill_the_first_worker

    thread, killed = kill_the_first_worker(Path.cwd())
    pipeline.simulate([local / "gen.parquet"], tmp_path / "events", executor=ray)
    thread.join()
    assert killed
    assert contents(tmp_path / "events") == contents(local / "events")


def test_finished_shards_are_not_made_again_on_ray(local, ray, tmp_path):
    partial = tmp_path / "events.partial"
    partial.mkdir()
    for name in ("provenance.json", "events-00000.parquet"):
        (partial / name).write_bytes((local / "events" / name).read_bytes())
    before = (partial / "events-00000.parquet").stat().st_mtime_ns
    pipeline.simulate([local / "gen.parquet"], tmp_path / "events", executor=ray)
    assert (tmp_path / "events" / "events-00000.parquet").stat().st_mtime_ns == before
    assert contents(tmp_path / "events") == contents(local / "events")


def test_ingest_writes_the_same_files_on_ray(local, ray, tmp_path):
    for part in ("a", "b"):
        pipeline.export_dataset(local / "events", tmp_path / "rec" / part, "edm4hep")
    files = sorted((tmp_path / "rec").rglob("*.root"))
    assert len(files) >= 2
    pipeline.ingest(files, tmp_path / "one", executor=None)
    pipeline.ingest(files, tmp_path / "two", executor=ray)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
