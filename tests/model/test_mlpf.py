from dataclasses import fields

import numpy as np
import pytest
import torch

from partflow.core.errors import DataError
from partflow.core.features import ELEMENTS
from partflow.core.records import Collection
from partflow.dataset.batches import batch_of_elements
from partflow.model.config import BACKBONES, ModelConfig
from partflow.model.heads import PARTICLE_CLASSES, Output
from partflow.model.mlpf import MLPF
from partflow.presets import preset

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
"""Float32 through a few layers, with products summed in another order."""


def predicted(model, elements):
    with torch.inference_mode():
        return model(batch_of_elements(elements, np.arange(elements.num_events)))


def assert_same(a, b, rows_of_b=slice(None)):
    for field in fields(Output):
        torch.testing.assert_close(
            getattr(a, field.name), getattr(b, field.name)[rows_of_b], **TOLERANCE
        )


def rows_of(elements, event):
    return slice(elements.offsets[event], elements.offsets[event + 1])


def changed(elements, **columns):
    return Collection(ELEMENTS, elements.offsets, {**elements.columns, **columns})


def test_an_event_has_the_same_result_alone_and_in_any_batch(model_of_any_backbone, events):
    together = predicted(model_of_any_backbone, events.elements)
    backwards = np.arange(len(events))[::-1]
    reversed_batch = predicted(model_of_any_backbone, events.elements.take(backwards))
    offset = 0
    for event in backwards:
        alone = predicted(model_of_any_backbone, events.elements[event : event + 1])
        assert_same(alone, together, rows_of(events.elements, event))
        size = events.elements.counts[event]
        assert_same(alone, reversed_batch, slice(offset, offset + size))
        offset += size


@pytest.mark.parametrize("backbone", ["transformer", "favor"])
def test_elements_in_another_order_have_the_same_predictions_in_that_order(
    backbone, random_network, events
):
    model = random_network(backbone=backbone)
    elements = events.elements
    rng = np.random.default_rng(0)
    order = np.lexsort((rng.uniform(size=len(elements)), elements.event_index))
    shuffled = changed(elements, **{n: v[order] for n, v in elements.columns.items()})
    assert np.any(np.diff(shuffled.type) < 0), "clusters are between tracks"
    assert_same(predicted(model, shuffled), predicted(model, elements), torch.from_numpy(order))


def test_an_event_does_not_depend_on_another(model_of_any_backbone, events):
    before = predicted(model_of_any_backbone, events.elements)
    first, last = rows_of(events.elements, 0), rows_of(events.elements, 5)
    energy = events.elements.energy.copy()
    energy[first] *= 3.0
    after = predicted(model_of_any_backbone, changed(events.elements, energy=energy))
    assert torch.equal(before.is_particle_logit[last], after.is_particle_logit[last])
    assert not torch.equal(before.is_particle_logit[first], after.is_particle_logit[first])


def test_every_element_depends_on_the_others_of_its_event(model, events):
    features = batch_of_elements(events.elements[:1], events.event_id[:1])
    event = features.features.clone()
    before = model(features).is_particle_logit.detach()
    event[3, 5] *= 2.0  # the momentum of one track
    from dataclasses import replace

    after = model(replace(features, features=event)).is_particle_logit.detach()
    assert bool((before != after).all())


def test_a_track_is_never_neutral_and_a_cluster_never_charged(model, events):
    probability = torch.softmax(predicted(model, events.elements).class_logits, 1).numpy()
    is_track = events.elements.type == 1
    is_charged_class = np.isin(PARTICLE_CLASSES, (211, 11, 13))
    assert np.all(probability[is_track][:, ~is_charged_class] == 0)
    assert np.all(probability[~is_track][:, is_charged_class] == 0)
    np.testing.assert_allclose(probability.sum(1), 1.0, rtol=1e-6)


def test_a_direction_in_the_transverse_plane_is_a_unit_vector(model, events):
    output = predicted(model, events.elements)
    length = output.sin_phi.square() + output.cos_phi.square()
    torch.testing.assert_close(length, torch.ones_like(length))


def test_an_untrained_network_predicts_the_momentum_of_the_element(batch):
    output = MLPF(ModelConfig(dim=16, num_layers=1, num_heads=2))(batch)
    assert bool((output.log_pt_ratio == 0).all() and (output.log_energy_ratio == 0).all())
    torch.testing.assert_close(output.eta, batch.features[:, 2])


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_parameter_has_a_gradient_from_a_batch(backbone, batch):
    model = MLPF(ModelConfig(backbone=backbone, dim=16, num_layers=2, num_heads=2))
    with torch.no_grad():  # the heads begin at 0, which would hide gradients behind them
        for heads in (model.head.track_heads, model.head.cluster_heads):
            heads.momentum[-1].weight.fill_(0.1)
    output = model(batch)
    possible = output.class_logits[output.class_logits > -100]
    total = possible.square().sum()
    for field in fields(Output):
        if field.name != "class_logits":
            total = total + getattr(output, field.name).square().sum()
    total.backward()
    without_gradient = [
        name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()
    ]
    assert without_gradient == []


def test_batches_without_elements_give_empty_predictions(model_of_any_backbone):
    for number in (0, 3):
        output = predicted(model_of_any_backbone, Collection.empty(ELEMENTS, number))
        assert all(len(getattr(output, field.name)) == 0 for field in fields(Output))


def test_an_element_of_another_type_is_refused(model, events):
    hits = changed(events.elements, type=np.full(len(events.elements), 3.0))
    with pytest.raises(DataError, match=r"elements\.type = 3"):
        predicted(model, hits)


@pytest.mark.parametrize(
    ("name", "low", "high"), [("tiny", 5e4, 2e5), ("small", 5e5, 1e6), ("base", 3e6, 6e6)]
)
def test_presets_have_the_promised_size(name, low, high):
    assert low < MLPF(preset(name).model).num_parameters < high


def test_without_the_distance_term_attention_does_not_depend_on_distance(events):
    from partflow.model.layout import layout
    from partflow.model.transformer import Transformer

    batch = batch_of_elements(events.elements[:1], events.event_id[:1])
    rows = layout(batch.features, batch.counts)
    x = torch.randn(len(batch), 16, generator=torch.Generator().manual_seed(1))
    near, far = (torch.full((len(batch), len(batch)), d).fill_diagonal_(0) for d in (1.0, 1e4))
    for bias, is_same in ((False, True), (True, False)):
        torch.manual_seed(2)
        backbone = Transformer(ModelConfig(dim=16, num_heads=2, distance_bias=bias)).eval()
        same = torch.equal(backbone(x, rows.events, [near]), backbone(x, rows.events, [far]))
        assert same == is_same


@pytest.mark.parametrize("head", ["direct", "sharing"])
def test_the_background_is_predicted_for_every_element_if_the_configuration_says_so(head, events):
    config = {"dim": 16, "num_layers": 1, "num_heads": 2, "head": head}
    without = predicted(MLPF(ModelConfig(**config)), events.elements)
    assert without.background_logit.shape == (len(events.elements), 0)
    assert bool((without.background_probability == 0).all())
    model = MLPF(ModelConfig(**config, predict_background=True))
    output = predicted(model, events.elements)
    assert output.background_logit.shape == (len(events.elements), 1)
    assert bool(((output.background_probability > 0) & (output.background_probability < 1)).all())
    order = np.lexsort((-np.arange(len(events.elements)), events.elements.event_index))
    columns = {n: v[order] for n, v in events.elements.columns.items()}
    assert_same(predicted(model, changed(events.elements, **columns)), output,
                torch.from_numpy(order))  # fmt: skip
