"""The example of a backbone of one's own: trained, saved, loaded, used."""

import sys
from pathlib import Path

import numpy as np
import pytest

from partflow import pipeline
from partflow.core.errors import ConfigError
from partflow.core.provenance import Provenance
from partflow.dataset.packing import pack
from partflow.infer.reconstruction import reconstruct
from partflow.model import registry
from partflow.model.config import ReadoutConfig
from partflow.model.folder import load_config, load_model
from partflow.pipeline import PACKED

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
BACKBONE = "own_backbone:GatedMean"


@pytest.fixture
def labelled(learnable_events, tmp_path):
    """A folder of labelled toy events, as `partflow label` writes it for a training."""
    events = learnable_events([6] * 150, [12] * 150, seed=3)
    folder = tmp_path / "labelled"
    pack([events], folder / PACKED, Provenance("labelled", {"detector": "clic"}))
    return folder


def test_a_backbone_of_ones_own_trains_is_saved_and_loaded_and_reconstructs(
    labelled, learnable_events, tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    run = tmp_path / "run"
    result = pipeline.train(
        labelled, run, "tiny", backbone=BACKBONE, backbone_options={"gate_bias": -1.0},
        epochs=4, batch_elements=300, threads=1,
    )  # fmt: skip
    untrained = np.log(2) * 10  # of the term with the largest weight, at probability 1/2
    assert result.validation_loss < 0.5 * untrained
    config = load_config(run)
    assert (config.backbone, config.backbone_options) == (BACKBONE, {"gate_bias": -1.0})

    sys.modules.pop("own_backbone")  # as in another process
    monkeypatch.setattr(registry, "_IMPORTED", set())
    with pytest.raises(ConfigError, match=f"name it as well: --backbone {BACKBONE}"):
        load_model(run)
    model = load_model(run, backbone=BACKBONE)
    events = learnable_events([6] * 20, [12] * 20, seed=4)
    candidates = reconstruct(model, events.elements, ReadoutConfig("threshold"))
    num_targets = np.count_nonzero(events.targets.pdg_id)
    assert 0.8 * num_targets < len(candidates) < 1.2 * num_targets
