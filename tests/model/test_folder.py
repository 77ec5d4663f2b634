import errno
import json
import os

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


@pytest.fixture
def folder(model, tmp_path):
    save_model(model, tmp_path / "run", make_provenance("model", {"preset": "test"}, seed=3))
    return tmp_path / "run"


def edit_config(folder, change):
    path = folder / "config.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def edit_weights(folder, change):
    path = folder / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path)


def test_a_saved_network_answers_as_before(model, folder, events):
    loaded = load_model(folder)
    batch = batch_of_elements(events.elements, np.arange(events.elements.num_events))
    with torch.inference_mode():
        before, after = model(batch), loaded(batch)
    assert torch.equal(before.is_particle_logit, after.is_particle_logit)
    assert torch.equal(before.log_energy_ratio, after.log_energy_ratio)
    assert loaded.config == model.config and not loaded.training


def test_configuration_and_provenance_come_back(tmp_path):
    config = ModelConfig(dim=16, num_layers=1, num_heads=2, dropout=0.1, distance_bias=False,
                         readout=ReadoutConfig("threshold", 0.3, 0.1))  # fmt: skip
    record = make_provenance("model", {"epochs": 3}, seed=5)
    save_model(MLPF(config), tmp_path, record)
    assert load_config(tmp_path) == config
    assert load_provenance(tmp_path) == record


def test_a_folder_without_a_model_says_what_to_give(tmp_path):
    with pytest.raises(InputError, match=r"config\.json: no such file; give the output folder"):
        load_model(tmp_path)


def test_missing_weights_are_named(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"model\.safetensors: no such file"):
        load_model(folder)


def test_a_missing_tensor_is_named(folder):
    edit_weights(folder, lambda w: w.pop("trunk.norm.weight"))
    with pytest.raises(InputError, match=r"'trunk\.norm\.weight' is missing"):
        load_model(folder)


def test_an_extra_tensor_is_named(folder):
    edit_weights(folder, lambda w: w.update(surplus=torch.zeros(2)))
    with pytest.raises(InputError, match="'surplus' belongs to no part"):
        load_model(folder)


def test_a_misshapen_tensor_is_named(folder):
    edit_weights(folder, lambda w: w.update({"trunk.norm.weight": torch.zeros(7)}))
    with pytest.raises(InputError, match=r"'trunk\.norm\.weight' has shape \(7,\).* needs \(32,\)"):
        load_model(folder)


def test_a_tensor_of_another_type_is_named(folder):
    edit_weights(folder, lambda w: w.update({"trunk.norm.weight": torch.zeros(32).double()}))
    with pytest.raises(InputError, match=r"'trunk\.norm\.weight' is torch\.float64"):
        load_model(folder)


def test_cut_off_weights_are_refused(folder):
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
    with pytest.raises(SchemaError, match=r"model\.memory is unknown"):
        load_model(folder)


def test_a_setting_that_cannot_be_is_refused(folder):
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
