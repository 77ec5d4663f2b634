"""The physics gate: a small sample, simulated in the test, is within the bounds of a gate file."""

from pathlib import Path

import pytest

from partflow import pipeline
from partflow.core.errors import RequirementError
from partflow.evaluate import EvaluationConfig
from partflow.evaluate.gate import read_gate, require
from partflow.generate import GenerationConfig

GATE = Path(__file__).parents[1] / "gates" / "baseline.toml"
NUM_EVENTS, SEED = 200, 4242


@pytest.fixture(scope="module")
def metrics(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gate")
    pipeline.generate(GenerationConfig("ttbar", NUM_EVENTS, SEED), folder / "generated.parquet")
    pipeline.simulate([folder / "generated.parquet"], folder / "events")
    return pipeline.judge(folder / "events", {}, EvaluationConfig()).metrics()


def test_the_sample_is_within_the_bounds(metrics):
    require(metrics, read_gate(GATE), GATE)


def test_a_wider_response_violates_the_gate(metrics):
    entry = metrics["jets"]["baseline"]
    worse = {**entry, "iqr_over_median": 1.25 * entry["iqr_over_median"]}
    changed = {**metrics, "jets": {**metrics["jets"], "baseline": worse}}
    with pytest.raises(RequirementError, match=r"jets\.baseline\.iqr_over_median"):
        require(changed, read_gate(GATE), GATE)
