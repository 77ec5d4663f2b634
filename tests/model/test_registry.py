"""Backbones and heads by name; code of a model folder is only imported if the user names it."""

import sys
from dataclasses import fields
from importlib.metadata import EntryPoint

import numpy as np
import pytest
import torch

from partflow.core.errors import ConfigError
from partflow.core.features import ELEMENTS
from partflow.core.records import Collection
from partflow.dataset.batches import batch_of_elements
from partflow.model import registry
from partflow.model.config import BACKBONES, ModelConfig
from partflow.model.folder import load_model, save_model
from partflow.model.heads import Output
from partflow.model.mlpf import MLPF
from partflow.model.registry import BACKBONE_REGISTRY, HEAD_REGISTRY

OWN_CODE = """
import torch
from torch import nn

from partflow.model.heads import CLUSTER_CLASSES, TRACK_CLASSES, TypeHeads, decode
from partflow.model.layout import interleave

class Sum(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(float(config.backbone_options.get("factor", 1))))

    def forward(self, x, events):
        return self.factor * torch.cat([x[b:e] + x[b:e].mean(0) for b, _, e in events] or [x])

class Mean(Sum):
    def forward(self, x, events):
        return self.factor * torch.cat([x[b:e].mean(0).expand(e - b, -1) for b, _, e in events])

    def attention_weights(self, x, events):
        return [torch.stack([x[b:e] @ x[b:e].T for b, _, e in events])]

class Distances(Sum):
    needs_distances = True

    def forward(self, x, events, distances):
        near = [torch.exp(-d) @ x[b:e] for (b, _, e), d in zip(events, distances)]
        return self.factor * torch.cat(near or [x])

class Narrow(Sum):
    def forward(self, x, events):
        return x[:, :1]

class Simple(nn.Module):
    def __init__(self, config, num_track_inputs, num_cluster_inputs):
        super().__init__()
        self.tracks = TypeHeads(num_track_inputs, config.head_options["width"], TRACK_CLASSES)
        self.clusters = TypeHeads(num_cluster_inputs, 8, CLUSTER_CLASSES)

    def forward(self, tracks, clusters, features, rows):
        return decode(interleave(rows, self.tracks(tracks), self.clusters(clusters)), features)

class Words:
    def __init__(self, config): pass
"""
SMALL = {"dim": 16, "num_layers": 1, "num_heads": 2}


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Name of a module of the user's own, which this process has not imported."""
    name = f"own_code_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(OWN_CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "_IMPORTED", set())
    yield name
    sys.modules.pop(name, None)


def forget(name, monkeypatch):
    """As in another process, which has not imported the module."""
    sys.modules.pop(name, None)
    monkeypatch.setattr(registry, "_IMPORTED", set())


@pytest.mark.parametrize("name", BACKBONES)
def test_the_built_in_backbones_are_found(name):
    backbone = BACKBONE_REGISTRY.load(name)(ModelConfig(backbone=name, **SMALL))
    assert isinstance(backbone, torch.nn.Module)


@pytest.mark.parametrize("class_name", ["Sum", "Distances"])
def test_a_backbone_of_ones_own_gets_its_options_and_does_not_mix_events(own, class_name, events):
    config = ModelConfig(backbone=f"{own}:{class_name}", backbone_options={"factor": 0.5}, **SMALL)
    model = MLPF(config).eval()
    assert model.backbone.factor.item() == 0.5
    elements = events.elements
    with torch.inference_mode():
        together = model(batch_of_elements(elements, events.event_id)).is_particle_logit
        alone = model(batch_of_elements(elements[5:6], events.event_id[5:6])).is_particle_logit
    begin = int(elements.offsets[5])
    torch.testing.assert_close(together[begin : begin + len(alone)], alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("class_name", ["Mean", *BACKBONES])
def test_a_batch_without_elements_gives_every_weight_a_gradient(own, class_name):
    """Several processes wait for each other's gradients; `Mean` fails if it is called."""
    backbone = class_name if class_name in BACKBONES else f"{own}:{class_name}"
    model = MLPF(ModelConfig(backbone=backbone, **SMALL))
    batch = batch_of_elements(Collection.empty(ELEMENTS, 2), np.arange(2))
    output = model(batch)
    sum(getattr(output, field.name).sum() for field in fields(Output)).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert model.represent(batch).shape == (0, SMALL["dim"])
    if hasattr(model.backbone, "attention_weights"):
        assert model.attention_weights(batch) == []


def test_a_head_of_ones_own_makes_the_predictions(own, batch):
    config = ModelConfig(head=f"{own}:Simple", head_options={"width": 4}, **SMALL)
    model = MLPF(config)
    assert model.head.tracks.identity[0].out_features == 4
    assert len(model(batch).is_particle_logit) == len(batch)


def test_an_entry_point_of_an_installed_package_is_a_name(own, monkeypatch, batch):
    entry = EntryPoint("my-sum", f"{own}:Sum", BACKBONE_REGISTRY.group)
    monkeypatch.setattr(
        registry, "entry_points", lambda group: [entry] if group == entry.group else []
    )
    model = MLPF(ModelConfig(backbone="my-sum", **SMALL))
    assert len(model.represent(batch)) == len(batch)
    with pytest.raises(ConfigError, match=r"= 'my-sun'; did you mean 'my-sum'\? Choose one of"):
        ModelConfig(backbone="my-sun")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mamba", r"model\.backbone = 'mamba'; choose one of transformer, gnn_lsh, favor, or give"),
        ("favour", r"did you mean 'favor'\?"),
        ("package:", r"or give package\.module:Class"),
        ("os; rm:x", r"or give package\.module:Class"),
    ],
)
def test_an_unknown_backbone_is_refused_before_anything_is_imported(name, message):
    with pytest.raises(ConfigError, match=message):
        ModelConfig(backbone=name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module_here:X", "there is no module 'no_such_module_here'; install it, or name"),
        ("{own}:Smu", r"has no 'Smu'; did you mean 'Sum'\?"),
        ("{own}:Words", r"it makes a Words, which is no torch\.nn\.Module"),
    ],
)
def test_a_class_that_is_not_there_is_refused(own, name, message):
    with pytest.raises(ConfigError, match=message):
        MLPF(ModelConfig(backbone=name.format(own=own), **SMALL))


def test_a_backbone_that_returns_another_shape_is_refused(own, batch):
    model = MLPF(ModelConfig(backbone=f"{own}:Narrow", **SMALL))
    with pytest.raises(ConfigError, match=r"Narrow' returned \[\d+, 1\] for elements \[\d+, 16\]"):
        model(batch)


def test_attention_maps_of_a_backbone_without_attention_are_refused(own, batch):
    model = MLPF(ModelConfig(backbone=f"{own}:Sum", **SMALL))
    with pytest.raises(ConfigError, match="has no attention weights; leave out --save-attention"):
        model.attention_weights(batch)


@pytest.mark.parametrize(
    ("part", "config"),
    [
        ("backbone", {"backbone": "{own}:Sum"}),
        ("head", {"head": "{own}:Simple", "head_options": {"width": 4}}),
    ],
)
def test_a_model_folder_does_not_import_code_that_the_user_did_not_name(
    part, config, own, tmp_path, monkeypatch, batch
):
    name = config[part].format(own=own)
    model = MLPF(ModelConfig(**{**SMALL, **config, part: name})).eval()
    save_model(model, tmp_path / "run")
    forget(own, monkeypatch)
    with pytest.raises(ConfigError, match=f"if you trust it, name it as well: --{part} {name}"):
        load_model(tmp_path / "run")
    assert own not in sys.modules
    with pytest.raises(ConfigError, match=rf"has the {part} '{name}', not 'other:Other'"):
        load_model(tmp_path / "run", **{part: "other:Other"})
    assert own not in sys.modules
    loaded = load_model(tmp_path / "run", **{part: name})
    with torch.inference_mode():
        assert torch.equal(loaded(batch).is_particle_logit, model(batch).is_particle_logit)
    load_model(tmp_path / "run")  # this process has imported it


def test_auto_is_no_head_of_a_network():
    assert MLPF(ModelConfig(head="auto", **SMALL)).config.head == "direct"
    assert ModelConfig(head="auto").for_labels("fine", has_shares=True).head == "sharing"
    assert set(HEAD_REGISTRY.built_in) == {"direct", "sharing"}


def test_a_head_of_ones_own_without_background_is_refused_for_its_prediction(own, events):
    config = ModelConfig(
        head=f"{own}:Simple", head_options={"width": 8}, predict_background=True, **SMALL
    )
    batch = batch_of_elements(events.elements, events.event_id)
    with pytest.raises(ConfigError, match="does not predict background"):
        MLPF(config)(batch)
