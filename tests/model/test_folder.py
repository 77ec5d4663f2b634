import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from partflow.core.errors import InputError, OutputError, SchemaError
from partflow.core.provenance import make_provenance
from partflow.dataset.batches import batch_of_elements
from partflow.model.config import ModelConfig, ReadoutConfig
from partflow.model.folder import load_config, load_model, load_provenance, save_model
from partflow.model.mlpf import MLPF

FORMER_FOLDERS = Path(__file__).with_name("folders")
"""Networks of the earlier version, whose weights have other names, and their predictions."""


@pytest.fixture
def folder(model, tmp_path):
    save_model(model, tmp_path / "run", make_provenance("model", {"preset": "test"}, seed=3))
    return tmp_path / "run"


def edit_config(folder, change):
    path = folder / "config.json"
    description = json.loads(path.read_text())
    change(description)
    path.write_text(json.dumps(description))


def edit_weights(folder, change):
    path = folder / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path)


def test_a_saved_network_predicts_as_before(model, folder, events):
    loaded = load_model(folder)
    batch = batch_of_elements(events.elements, np.arange(events.elements.num_events))
    with torch.inference_mode():
        before, after = model(batch), loaded(batch)
    assert torch.equal(before.is_particle_logit, after.is_particle_logit)
    assert torch.equal(before.log_energy_ratio, after.log_energy_ratio)
    assert loaded.config == model.config and not loaded.training


@pytest.mark.parametrize("head", ["direct", "sharing"])
def test_a_folder_of_an_earlier_version_is_read_as_before(head, learnable_events):
    folder = FORMER_FOLDERS / head
    events = learnable_events([3, 4], [6, 7], seed=2)
    with torch.inference_mode():
        output = load_model(folder)(batch_of_elements(events.elements, events.event_id))
    for name, before in load_file(folder / "predictions.safetensors").items():
        torch.testing.assert_close(getattr(output, name), before, rtol=1e-5, atol=1e-5)


def test_configuration_and_provenance_are_read_as_they_were_written(tmp_path):
    config = ModelConfig(dim=16, num_layers=1, num_heads=2, dropout=0.1, distance_bias=False,
                         readout=ReadoutConfig("threshold", 0.3, 0.1))  # fmt: skip
    provenance = make_provenance("model", {"epochs": 3}, seed=5)
    save_model(MLPF(config), tmp_path, provenance)
    assert load_config(tmp_path) == config
    assert load_provenance(tmp_path) == provenance


def test_a_folder_without_a_model_says_what_to_give(tmp_path):
    with pytest.raises(InputError, match=r"config\.json: no such file; give the output folder"):
        load_model(tmp_path)


def test_missing_weights_are_named(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"model\.safetensors: no such file"):
        load_model(folder)


def test_a_missing_tensor_is_named(folder):
    edit_weights(folder, lambda w: w.pop("backbone.norm.weight"))
    with pytest.raises(InputError, match=r"'backbone\.norm\.weight' is missing"):
        load_model(folder)


def test_an_extra_tensor_is_named(folder):
    edit_weights(folder, lambda w: w.update(surplus=torch.zeros(2)))
    with pytest.raises(InputError, match="'surplus' belongs to no part"):
        load_model(folder)


def test_a_tensor_of_another_shape_is_named(folder):
    edit_weights(folder, lambda w: w.update({"backbone.norm.weight": torch.zeros(7)}))
    with pytest.raises(
        InputError, match=r"'backbone\.norm\.weight' has shape \(7,\).* needs \(32,\)"
    ):
        load_model(folder)


def test_a_tensor_of_another_type_is_named(folder):
    edit_weights(folder, lambda w: w.update({"backbone.norm.weight": torch.zeros(32).double()}))
    with pytest.raises(InputError, match=r"'backbone\.norm\.weight' is torch\.float64"):
        load_model(folder)


def test_truncated_weights_are_refused(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="damaged weights"):
        load_model(folder)


def test_another_format_is_refused(folder):
    edit_config(folder, lambda c: c.update(format_version=99))
    with pytest.raises(SchemaError, match="model format 99, this version reads 4"):
        load_model(folder)


def test_a_foreign_json_is_refused(folder):
    (folder / "config.json").write_text("[1, 2]")
    with pytest.raises(SchemaError, match="not the configuration of a partflow model"):
        load_model(folder)
    (folder / "config.json").write_text('{"dim": ')
    with pytest.raises(InputError, match="cannot be read"):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.__setitem__(2, "rapidity"), "column 2 .* is 'rapidity', .* is 'eta'"),
        (lambda f: f.append("colour"), "the elements have no column 'colour'"),
        (lambda f: f.pop(), "the model does not know 'radius_of_outermost_hit'"),
    ],
)
def test_a_feature_list_that_differs_names_the_column(folder, change, message):
    edit_config(folder, lambda c: change(c["model"]["features"]))
    with pytest.raises(SchemaError, match=message):
        load_model(folder)


def test_an_unknown_setting_is_named(folder):
    edit_config(folder, lambda c: c["model"].update(memory="long"))
    with pytest.raises(
        SchemaError, match=r"config\.json: .* memory: unknown; the fields here are backbone, dim, "
    ):
        load_model(folder)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"dim": 64.5}, "dim: expected `int`, got `float`"),
        ({"distance_bias": 1}, "distance_bias: expected `bool`, got `int`"),
        ({"features": ["type", 3]}, r"features\[1\]: expected `str`, got `int`"),
        ({"favor": []}, "favor: expected `object`, got `array`"),
        ({"gnn_lsh": {"bin_size": "32"}}, r"gnn_lsh\.bin_size: expected `int`, got `str`"),
        ({"readout": {"cut": 0.5}}, r"readout\.cut: unknown"),
        ({"readout": {"threshold": 2}}, r"readout\.threshold = 2"),
        (
            {"backbone": "mamba"},
            "backbone = 'mamba'; choose one of transformer, gnn_lsh, favor, or give",
        ),
    ],
)
def test_a_setting_of_a_wrong_type_or_value_is_named(folder, setting, message):
    edit_config(folder, lambda c: c["model"].update(setting))
    with pytest.raises(SchemaError, match=r"config\.json: .*" + message):
        load_model(folder)


def test_a_whole_number_is_accepted_for_a_float_setting(folder):
    edit_config(folder, lambda c: c["model"].update(dropout=0, face_radius=1500))
    assert load_config(folder).face_radius == 1500.0


def test_a_damaged_provenance_is_named(folder):
    edit_config(folder, lambda c: c["provenance"].update(seed="three"))
    with pytest.raises(SchemaError, match=r"config\.json: damaged provenance: seed: expected"):
        load_provenance(folder)


def test_settings_that_contradict_each_other_are_refused(folder):
    edit_config(folder, lambda c: c["model"].update(num_heads=5))
    with pytest.raises(SchemaError, match="no multiple"):
        load_model(folder)


def test_a_write_that_fails_leaves_the_old_model(folder, model, monkeypatch):
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def full_disk(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OutputError, match="disk is full"):
        save_model(model, folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
