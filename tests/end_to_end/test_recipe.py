"""The recipe of the bundled models, in small: all steps, once, with the seeds that are written."""

from pathlib import Path

import pytest

from partflow.core.errors import ConfigError
from partflow.core.store import num_events, read_provenance
from partflow.pipeline.recipe import FAST_TEST, FAST_TRAINING, SAMPLES, Recipe
from partflow.simulate.geant4.config import Geant4Config

SCALE = 2e-4


def test_the_samples_are_large_enough_and_share_no_seed() -> None:
    assert sum(sample.num_events for sample in FAST_TRAINING) >= 100_000
    assert {"ttbar", "qq", "ww", "zh", "uds"} == {sample.process for sample in FAST_TRAINING}
    assert all(sample.num_events >= 3_000 for sample in FAST_TEST)
    seeds = [sample.seed for samples in SAMPLES.values() for sample in samples]
    assert len(set(seeds)) == len(seeds)


def test_the_steps_with_geant4_are_those_without_and_more(tmp_path: Path) -> None:
    fast, both = (
        [step.name for step in Recipe(tmp_path, geant4=settings).steps()]
        for settings in (None, Geant4Config())
    )
    assert both[: len(fast)] == fast
    assert both[-3:] == ["clic-geant4", "clic-geant4.parquet", "clic-geant4-report"]


def test_an_impossible_scale_or_step_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="above 0, at most 1"):
        Recipe(tmp_path, scale=0.0)
    with pytest.raises(ConfigError, match="no such step; the steps are train/ttbar-380"):
        Recipe(tmp_path).run(until="test/nothing")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_every_step_is_done_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    recipe = Recipe(tmp_path, SCALE)
    recipe.run(until="train/labelled")
    assert not (tmp_path / "test").exists()
    for sample in recipe.scaled(FAST_TRAINING):
        file = tmp_path / "train" / f"{sample.name}.parquet"
        assert num_events(file, "generated") == sample.num_events
        assert read_provenance(file).seed == sample.seed
    capfd.readouterr()
    from partflow.pipeline import recipe as module

    monkeypatch.setattr(module, "evaluate", lambda events, candidates, output, workers: (
        output.mkdir(), candidates["clic-fast"].stat()))  # fmt: skip
    recipe.run()
    said = capfd.readouterr().err
    assert "train/labelled:" not in said and "clic-fast.parquet: 3 events" in said
    assert all(step.finished.exists() for step in recipe.steps())
    recipe.run()
    assert capfd.readouterr().err == ""
