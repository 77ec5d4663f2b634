import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from partflow.core.provenance import Provenance
from partflow.dataset.batches import batch_of_elements
from partflow.infer.embeddings import (
    attention_of,
    attention_path,
    embeddings_path,
    open_embedding_writer,
)
from partflow.infer.reconstruction import reconstruct
from partflow.model.config import BACKBONES, ModelConfig
from partflow.model.gnn_lsh import GnnLshConfig
from partflow.model.mlpf import MLPF

SIZES = ((4, 9), (0, 0), (3, 0), (12, 20))
NUM_LAYERS, DIM = 2, 16


def network(backbone):
    torch.manual_seed(1)
    binned = GnnLshConfig(bin_size=8, layer_norm=False)
    config = ModelConfig(
        backbone=backbone, dim=DIM, num_layers=NUM_LAYERS, num_heads=2, gnn_lsh=binned
    )
    return MLPF(config).eval()


@pytest.fixture(scope="module")
def events(learnable_events):
    return learnable_events(*np.transpose(SIZES), seed=3)


@pytest.fixture(scope="module", params=BACKBONES)
def written(request, events, tmp_path_factory):
    """Embeddings of all events, attention maps of the first, the empty and the last."""
    output = tmp_path_factory.mktemp(request.param) / "mlpf.parquet"
    chosen = events.event_id[[0, 1, 3]].tolist()
    model = network(request.param)
    with open_embedding_writer(model, output, Provenance("candidates"), True, chosen) as writer:
        writer.write(events.elements, events.event_id)
    return model, output


def test_the_file_holds_the_embedding_of_every_element(written, events):
    model, output = written
    table = pq.read_table(embeddings_path(output))
    assert table["event_id"].to_pylist() == events.event_id.tolist()
    with torch.inference_mode():
        expected = model.represent(batch_of_elements(events.elements, events.event_id))
    rows = table["embedding"].to_pylist()
    assert [len(row) for row in rows] == [sum(size) for size in SIZES]
    np.testing.assert_array_equal(
        np.concatenate([np.reshape(r, (-1, DIM)) for r in rows]), expected
    )
    np.testing.assert_allclose(
        np.concatenate([np.array(x) for x in table["pt"].to_pylist()]), events.elements.pt
    )


def test_the_file_holds_a_map_of_every_layer_and_head_of_the_chosen_events(written, events):
    model, output = written
    rows = pq.read_table(attention_path(output)).to_pylist()
    num_heads = 1 if model.config.backbone == "gnn_lsh" else model.config.num_heads
    found = [(row["event_id"], row["layer"], row["head"]) for row in rows]
    assert found == [
        (events.event_id[event], layer, head)
        for event in (0, 3)  # the empty event has no map
        for layer in range(NUM_LAYERS)
        for head in range(num_heads)
    ]
    sizes = {events.event_id[0]: 13, events.event_id[3]: 32}
    for row in rows:
        weight = np.array(row["weight"])
        assert weight.shape == (sizes[row["event_id"]],) * 2
        assert np.all(weight >= 0)
        if model.config.backbone == "gnn_lsh":
            np.testing.assert_allclose(weight, weight.T, atol=1e-6)
            assert np.all((weight > 0).sum(1) <= model.config.gnn_lsh.bin_size)
        else:
            np.testing.assert_allclose(weight.sum(1), 1.0, atol=1e-5)


def test_the_map_times_the_values_is_the_output_of_the_attention(events):
    """Checked for the first layer of the transformer."""
    model = network("transformer")
    batch = batch_of_elements(events.elements[3:], events.event_id[3:])
    captured = {}
    attention = model.backbone.blocks[0].attention
    hook = attention.output.register_forward_pre_hook(lambda _, x: captured.update(mixed=x[0]))
    projected = attention.query_key_value.register_forward_hook(
        lambda _, x, y: captured.update(qkv=y)
    )
    with torch.no_grad():
        model(batch)
        hook.remove(), projected.remove()
        (map_,) = model.attention_weights(batch)
    value = captured["qkv"].view(32, 3, 2, -1)[:, 2].transpose(0, 1)
    mixed = (map_[0] @ value).transpose(0, 1).flatten(1)
    torch.testing.assert_close(mixed, captured["mixed"], atol=1e-5, rtol=1e-5)


def test_a_map_does_not_depend_on_the_order_of_the_elements(events):
    model = network("transformer")
    elements = events.elements[3:]
    (row, *_) = attention_of(model, elements, events.event_id[3:]).to_pylist()
    order = np.random.default_rng(0).permutation(len(elements))
    columns = {name: values[order] for name, values in elements.columns.items()}
    shuffled = type(elements)(elements.schema, elements.offsets, columns)
    (other, *_) = attention_of(model, shuffled, events.event_id[3:]).to_pylist()
    expected = np.array(row["weight"])[np.ix_(order, order)]
    np.testing.assert_allclose(other["weight"], expected, atol=1e-5)


def test_writing_embeddings_does_not_change_the_candidates(events, tmp_path):
    model = network("favor").train()
    before = reconstruct(model, events.elements)
    output, provenance = tmp_path / "x.parquet", Provenance("candidates")
    with open_embedding_writer(model, output, provenance, True, ()) as writer:
        writer.write(events.elements, events.event_id)
    assert model.training
    np.testing.assert_array_equal(reconstruct(model, events.elements).pt, before.pt)
    assert not attention_path(output).exists()


def test_an_error_in_the_block_leaves_no_file(events, tmp_path):
    model, output, provenance = network("favor"), tmp_path / "x.parquet", Provenance("candidates")
    with (
        pytest.raises(ZeroDivisionError),
        open_embedding_writer(model, output, provenance, True, [1]),
    ):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
