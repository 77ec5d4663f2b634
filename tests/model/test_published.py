from dataclasses import fields

import numpy as np
import pytest
import torch

from partflow.core.errors import ConfigError, DataError
from partflow.model.published.checkpoint import import_checkpoint
from partflow.model.published.config import PublishedConfig
from partflow.model.published.mlpf import PublishedMLPF, PublishedOutput

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
"""What is asked of published checkpoints."""


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


def test_an_event_gets_the_same_answer_alone_and_in_any_batch(
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


def test_elements_in_another_order_get_the_same_answers_in_that_order(
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
def test_no_event_and_empty_ones_go_through(model, counts, packed):
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


def test_columns_behind_the_published_ones_are_not_looked_at(model, batch, packed):
    wider = torch.cat([batch.features, torch.full((len(batch), 3), 1e6)], 1)
    with torch.inference_mode():
        assert torch.equal(model(packed(wider, batch.counts)).momentum, model(batch).momentum)


def test_all_that_is_learned_has_a_gradient(model, batch):
    output = model.train()(batch)
    sum(getattr(output, f.name).square().sum() for f in fields(output)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all()), name
        assert bool((parameter.grad != 0).any()), name


def test_dropout_acts_while_training_only(attention, published_network, batch):
    model = published_network(attention | {"dropout_conv_id_mha": 0.5})
    quiet = model(batch)
    assert torch.equal(quiet.class_logits, model(batch).class_logits)
    loud = model.train()(batch)
    assert not torch.equal(quiet.class_logits, loud.class_logits)
    torch.testing.assert_close(quiet.momentum, loud.momentum)  # of the other stack


@pytest.mark.parametrize("name", ["attention_small", "gnn_lsh_small"])
@pytest.mark.parametrize("suffix", ["json", "pkl"])
def test_published_checkpoints_answer_as_published(shared_data, name, suffix, packed):
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
        ({"elemtypes_nonzero": "12"}, "elemtypes_nonzero = '12'; it is a list of int"),
        ({"conv_type": "mamba"}, "conv_type = 'mamba'; it is one of attention, gnn_lsh"),
        ({"activation": "silu"}, "activation = 'silu'"),
        ({"pt_mode": ["linear"]}, "pt_mode = "),
        ({"num_convs": 0}, "num_convs = 0; it lies between 1 and"),
        ({"num_convs": 10**9}, "num_convs = 1000000000; it lies between"),
        ({"num_heads": 3.5}, "num_heads = 3.5; it is of type int"),
        ({"use_pre_layernorm": 1}, "use_pre_layernorm = 1; it is of type bool"),
        ({"dropout_ff": 1.0}, "dropout_ff = 1.0; it lies in"),
    ],
)
def test_arguments_that_cannot_be_are_named(change, message, attention):
    with pytest.raises(ConfigError, match=message):
        PublishedConfig.from_kwargs(attention | change)


def test_the_published_configuration_has_the_published_number_of_parameters(attention):
    config = PublishedConfig.from_kwargs(
        attention | {"num_convs": 3, "head_dim": 32, "num_heads": 32}
    )
    with torch.device("meta"):
        assert round(PublishedMLPF(config).num_parameters / 1e6) == 52


def test_a_large_batch_goes_through_in_parts_with_the_same_answers(
    attention, published_network, batch, monkeypatch
):
    model = published_network(attention)
    with torch.inference_mode():
        whole = model(batch)
        for limit in (1, 41, 54, 80):
            monkeypatch.setattr("partflow.model.published.mlpf.CACHED_ELEMENTS", limit)
            rows_equal(model(batch), whole)
