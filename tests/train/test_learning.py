"""A small network learns the known rules of toy events in seconds."""

from dataclasses import replace

import numpy as np
import pytest

from partflow.core.provenance import Provenance
from partflow.core.records import Collection
from partflow.dataset.mixture import Mixture
from partflow.dataset.packing import pack
from partflow.infer.reconstruction import reconstruct
from partflow.model.config import ModelConfig, ReadoutConfig
from partflow.model.folder import load_model
from partflow.train.config import TrainConfig
from partflow.train.trainer import train


def random_toy_events(learnable_events, num_events, seed):
    rng = np.random.default_rng(seed)
    return learnable_events(rng.integers(2, 9, num_events), rng.integers(6, 15, num_events), seed)


@pytest.fixture(scope="module")
def candidates(learnable_events, tmp_path_factory):
    """Every element of 200 unseen events as a candidate, and the events."""
    folder = tmp_path_factory.mktemp("learning")
    dataset = pack(
        [random_toy_events(learnable_events, 300, 1)],
        folder / "packed",
        Provenance("labelled", {"detector": "clic"}),
    )
    config = TrainConfig(
        epochs=8, batch_elements=300, learning_rate=6e-3, threads=1, accelerator="cpu"
    )
    model = ModelConfig(dim=32, num_layers=1, num_heads=2)
    train(Mixture.open([dataset.folder]), model, config, folder / "run")
    unseen = random_toy_events(learnable_events, 200, 2)
    readout = ReadoutConfig("threshold", threshold=0.0)
    return reconstruct(load_model(folder / "run"), unseen.elements, readout), unseen.targets


def test_clusters_behind_a_track_are_recognised_as_its_shower(candidates):
    found, targets = candidates
    is_cluster = found.cluster_index >= 0
    is_listed = found.probability > 0.5
    agree = is_listed == (targets.pdg_id != 0)
    assert np.mean(agree[is_cluster]) > 0.97
    assert np.all(is_listed[~is_cluster])


def test_the_response_of_neutral_hadrons_and_of_photons_is_one(candidates):
    found, targets = candidates
    for pdg_id in (22, 130):
        of_class = (targets.pdg_id == pdg_id) & (found.probability > 0.5)
        assert np.mean(found.pdg_id[of_class] == pdg_id) > 0.97
        response = found.pt[of_class] / targets.pt[of_class]
        assert np.median(response) == pytest.approx(1.0, abs=0.03)
        assert np.std(response) < 0.1


def test_soft_background_is_recognised_and_left_out(learnable_events, tmp_path):
    events = random_toy_events(learnable_events, 300, 3)
    is_pu = (events.targets.pt < 5) & (events.targets.pdg_id != 0)
    columns = {**events.targets.columns, "is_pu": is_pu}
    targets = Collection(events.targets.schema, events.targets.offsets, columns)
    dataset = pack(
        [events.with_collections(targets=targets)],
        tmp_path / "packed",
        Provenance("labelled", {"detector": "clic"}),
    )
    config = TrainConfig(
        epochs=8, batch_elements=300, learning_rate=6e-3, threads=1, accelerator="cpu"
    )
    model = ModelConfig(dim=32, num_layers=1, num_heads=2, predict_background=True)
    train(Mixture.open([dataset.folder]), model, config, tmp_path / "run")
    network = load_model(tmp_path / "run")
    unseen = random_toy_events(learnable_events, 200, 4)
    everything = ReadoutConfig("threshold")
    cut = replace(everything, max_background_probability=0.5)
    found, kept = (reconstruct(network, unseen.elements, readout) for readout in (everything, cut))
    is_signal = found.pt > 5
    assert 0.4 < np.mean(is_signal) < 0.7
    assert np.mean(kept.pt > 5) > 0.95
    assert np.sum(kept.pt > 5) > 0.95 * np.sum(is_signal)
