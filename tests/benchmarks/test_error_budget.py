"""The error budget: what the truth replaces is the truth, and all wrong energy is counted once."""

import numpy as np
import pytest

from benchmarks.error_budget import VARIANTS, budget, ranged, table
from partflow import pipeline
from partflow.evaluate import EvaluationConfig
from partflow.generate import GenerationConfig
from partflow.model.config import ModelConfig
from partflow.model.folder import save_model
from partflow.model.mlpf import MLPF

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Metrics and confusion of an untrained network on six events of ten."""
    folder = tmp_path_factory.mktemp("budget")
    pipeline.generate(GenerationConfig("qq", 10, seed=5), folder / "gen.parquet")
    pipeline.simulate([folder / "gen.parquet"], folder / "events")
    config = ModelConfig(dim=16, num_layers=1, num_heads=2, head="sharing", elements="fine")
    save_model(MLPF(config), folder / "model")
    return budget(folder / "events", folder / "model", 6, EvaluationConfig(num_replicas=20))


def test_with_true_particles_and_momenta_the_candidates_are_the_targets(found):
    metrics, _ = found
    assert set(VARIANTS) < set(metrics["jets"])
    assert metrics["num_events"] == 6
    true = metrics["jets"]["particles + momenta"]
    assert true["median"] == pytest.approx(1.0, abs=0.01)
    assert true["iqr_over_median"] < 0.02 < metrics["jets"]["network"]["iqr_over_median"]
    for kind in ("photon", "neutral_hadron"):
        assert metrics["particles"]["particles"][kind]["efficiency"] == 1


def test_true_shares_improve_an_untrained_network(found):
    jets = found[0]["jets"]
    both, particles = (jets[n]["iqr_over_median"] for n in ("particles + shares", "particles"))
    assert both < 0.8 * particles


def test_energy_given_to_a_wrong_owner_is_in_both_tables_once(found):
    _, confusion = found
    assert confusion.num_events == 6
    assert confusion.flow.sum() == pytest.approx(confusion.wrong.sum(), rel=1e-6)
    assert 0 < confusion.wrong.sum() < confusion.total.sum()
    assert (confusion.wrong <= confusion.total * (1 + 1e-9)).all()
    assert confusion.text().count("\n|") >= 12


def test_the_table_names_bins_and_rows(found):
    rows = [line.split("|")[1].strip() for line in table(found[0]).splitlines()[2:]]
    assert rows[: len(VARIANTS)] == list(VARIANTS)
    assert rows[len(VARIANTS)] == "baseline"
    assert ranged(0.0, 1.0) == "0-1"
    assert not np.isnan([found[0]["jets"][name]["iqr_over_median"] for name in rows]).any()
