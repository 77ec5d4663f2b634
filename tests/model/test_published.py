from dataclasses import fields

import numpy as np
import pytest
import torch

from partflow.core.errors import ConfigError, DataError
from partflow.model.published.checkpoint import import_checkpoint
from partflow.model.published.config import PublishedConfig
from partflow.model.published.mlpf import PublishedMLPF, PublishedOutput

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
"""Agreement with published checkpoints that is required."""


@pytest.fixture(params=["attention", "gnn_lsh"])
def model(request, published_kwargs, published_network):
    return published_network(published_kwargs[request.param])


@pytest.fixture
def attention(published_kwargs):
    return published_kwargs["attention"]


@pytest.fixture
def batch(published_events, packed):
    return packed(torch.cat(published_events), [len(event) for event in published_events])


def rows_equal(output, expected, rows=slice(None)):
    for f in fields(PublishedOutput):
        torch.testing.assert_close(
            getattr(output, f.name), getattr(expected, f.name)[rows], **TOLERANCE
        )


def test_an_event_has_the_same_result_alone_and_in_any_batch(
    model, batch, published_events, packed
):
    counts = batch.counts
    with torch.inference_mode():
        together = model(batch)
        begin = 0
        for event in published_events:
            alone = model(packed(event, [len(event)]))
            rows_equal(alone, together, slice(begin, begin + len(event)))
            begin += len(event)
        backwards = model(packed(torch.cat(published_events[::-1]), counts[::-1]))
    order = torch.cat(torch.arange(len(batch)).split(counts)[::-1])
    rows_equal(backwards, together, order)


def test_elements_in_another_order_have_the_same_predictions_in_that_order(
    attention, published_network, batch, packed
):
    model, generator = published_network(attention), torch.Generator().manual_seed(1)
    parts = torch.arange(len(batch)).split(batch.counts)
    order = torch.cat([part[torch.randperm(len(part), generator=generator)] for part in parts])
    with torch.inference_mode():
        ordered = model(batch)
        shuffled = model(packed(batch.features[order], batch.counts))
    rows_equal(shuffled, ordered, order)


@pytest.mark.parametrize("counts", [(), (0,), (0, 0)])
def test_batches_without_events_or_with_empty_events_are_accepted(model, counts, packed):
    output = model(packed(torch.empty(0, 17), counts))
    assert output.binary_logits.shape == (0, 2)
    assert output.class_logits.shape == (0, 6) and output.momentum.shape == (0, 5)


@pytest.mark.parametrize("encoding", ["joint", "split"])
def test_an_element_type_the_network_was_not_made_for_is_refused(
    encoding, attention, published_network, batch
):
    model = published_network(attention | {"elemtypes_nonzero": [2], "input_encoding": encoding})
    with pytest.raises(DataError, match=r"elements\.type = 1: .* made for the element types 2"):
        model(batch)


def test_columns_after_the_published_ones_have_no_effect(model, batch, packed):
    wider = torch.cat([batch.features, torch.full((len(batch), 3), 1e6)], 1)
    with torch.inference_mode():
        assert torch.equal(model(packed(wider, batch.counts)).momentum, model(batch).momentum)


def test_every_parameter_has_a_gradient(model, batch):
    output = model.train()(batch)
    sum(getattr(output, f.name).square().sum() for f in fields(output)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all()), name
        assert bool((parameter.grad != 0).any()), name


def test_dropout_acts_in_training_only(attention, published_network, batch):
    model = published_network(attention | {"dropout_conv_id_mha": 0.5})
    quiet = model(batch)
    assert torch.equal(quiet.class_logits, model(batch).class_logits)
    loud = model.train()(batch)
    assert not torch.equal(quiet.class_logits, loud.class_logits)
    torch.testing.assert_close(quiet.momentum, loud.momentum)  # of the other stack


@pytest.mark.parametrize("name", ["attention_small", "gnn_lsh_small"])
@pytest.mark.parametrize("suffix", ["json", "pkl"])
def test_published_checkpoints_predict_as_published(shared_data, name, suffix, packed):
    weights = shared_data / "weights"
    kwargs = weights / f"{name}_model_kwargs.{suffix}"
    model = import_checkpoint(weights / f"{name}.pth", kwargs)
    with np.load(weights / f"{name}_io.npz") as stored:
        with torch.inference_mode():
            output = model(packed(torch.from_numpy(stored["X"]), stored["num_elements"]))
        for found, column in (
            (output.binary_logits, "cls_binary"),
            (output.class_logits, "cls_id"),
            (output.momentum, "momentum"),
        ):
            np.testing.assert_allclose(found.numpy(), stored[column], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_heds": 3}, "'num_heds' is no argument"),
        ({"features": ["type"]}, "'features' is no argument"),
        ({"input_dim": 55}, "input_dim = 55; an element has 17 columns"),
        ({"num_classes": 9}, "num_classes = 9; the classes are"),
        ({"elemtypes_nonzero": [1, 4]}, r"elemtypes_nonzero = \[1, 4\]"),
        ({"elemtypes_nonzero": [1, 1]}, r"elemtypes_nonzero = \[1, 1\]"),
        ({"elemtypes_nonzero": "12"}, "elemtypes_nonzero: expected `array`, got `str`"),
        ({"conv_type": "mamba"}, "conv_type = 'mamba'; choose one of attention, gnn_lsh"),
        ({"activation": "silu"}, "activation = 'silu'"),
        ({"pt_mode": ["linear"]}, "pt_mode = "),
        ({"num_convs": 0}, "num_convs = 0; it must lie between 1 and"),
        ({"num_convs": 10**9}, "num_convs = 1000000000; it must lie between"),
        ({"num_heads": 3.5}, "num_heads: expected `int`, got `float`"),
        ({"use_pre_layernorm": 1}, "use_pre_layernorm: expected `bool`, got `int`"),
        ({"dropout_ff": 1.0}, "dropout_ff = 1.0; it must lie in"),
    ],
)
def test_invalid_arguments_are_named(change, message, attention):
    with pytest.raises(ConfigError, match=message):
        PublishedConfig.from_kwargs(attention | change)


def test_the_published_configuration_has_the_published_number_of_parameters(attention):
    config = PublishedConfig.from_kwargs(
        attention | {"num_convs": 3, "head_dim": 32, "num_heads": 32}
    )
    with torch.device("meta"):
        assert round(PublishedMLPF(config).num_parameters / 1e6) == 52


def test_a_large_batch_in_parts_has_the_same_predictions(
    attention, published_network, batch, monkeypatch
):
    model = published_network(attention)
    with torch.inference_mode():
        whole = model(batch)
        for limit in (1, 41, 54, 80):
            monkeypatch.setattr("partflow.model.published.mlpf.CACHED_ELEMENTS", limit)
            rows_equal(model(batch), whole)
