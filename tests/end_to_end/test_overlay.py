"""Beam-induced background through the stages."""

from pathlib import Path

import numpy as np
import pytest

from partflow import pipeline
from partflow.cli import main
from partflow.core.errors import InputError
from partflow.core.store import read_events, read_provenance
from partflow.evaluate import EvaluationConfig
from partflow.generate import GenerationConfig
from partflow.simulate import OverlayConfig

SHARD = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("overlay")
    pipeline.generate(GenerationConfig("gamma_gamma", 40, seed=9), folder / "gg.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("partflow.pipeline.events.SHARD_EVENTS", SHARD)
        pipeline.generate(GenerationConfig("qq", 2 * SHARD, seed=5), folder / "gen.parquet")
    background = pipeline.Background(folder / "gg.parquet", OverlayConfig(4.0))
    generated = [folder / "gen.parquet"]
    pipeline.simulate(generated, folder / "one", background=background)
    pipeline.simulate(generated, folder / "two", workers=2, background=background)
    pipeline.simulate(generated, folder / "plain")
    return folder


def test_overlaid_events_are_the_same_with_any_number_of_workers(folder: Path) -> None:
    one, two = (read_events(folder / name, "events") for name in ("one", "two"))
    assert len(one) == 2 * SHARD
    for name, collection in one.collections.items():
        for column, values in collection.columns.items():
            np.testing.assert_array_equal(values, two.collections[name].columns[column])


def test_the_signal_is_in_overlaid_events_and_its_jets_are_the_generator_jets(folder: Path) -> None:
    plain, overlaid = (read_events(folder / name, "events") for name in ("plain", "one"))
    assert (plain.particles.is_overlay == 0).all()
    signal = overlaid.particles.select(overlaid.particles.is_overlay == 0)
    np.testing.assert_array_equal(signal.energy, plain.particles.energy)
    gen_jets = []
    for name in ("plain", "one"):
        evaluator = pipeline.judge(folder / name, {}, EvaluationConfig())
        gen_jets.append(evaluator.metrics()["jets"]["baseline"]["num_gen"])
    assert gen_jets[0] == gen_jets[1] > 0


def test_the_background_is_part_of_the_provenance(folder: Path) -> None:
    plain, overlaid = (
        read_provenance(folder / name / "events-00000.parquet").config for name in ("plain", "one")
    )
    assert "overlay" not in plain
    assert overlaid["overlay"]["mean"] == 4.0
    assert overlaid["background"]


def test_a_background_file_without_a_mean_number_or_the_reverse_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verb = ["partflow", "simulate", str(folder / "gen.parquet"), "--output", str(folder / "none")]
    for option in (["--overlay", str(folder / "gg.parquet")], ["--overlay-mean", "3"]):
        monkeypatch.setattr("sys.argv", [*verb, *option])
        with pytest.raises(SystemExit):
            main()
        assert "--overlay-mean NUMBER" in capsys.readouterr().err
    assert not (folder / "none").exists()


def test_a_missing_background_file_is_refused(folder: Path) -> None:
    missing = pipeline.Background(folder / "nothing.parquet", OverlayConfig(1.0))
    with pytest.raises(InputError, match="no such file"):
        pipeline.simulate([folder / "gen.parquet"], folder / "none", background=missing)
    assert not (folder / "none").exists()
