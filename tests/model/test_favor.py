import pytest
import torch

from partflow.core.errors import ConfigError
from partflow.model.attention import AttentionContext, PackedSelfAttention
from partflow.model.favor import FavorAttention, FavorConfig, orthogonal_directions
from partflow.model.layout import EventRows

DIM, NUM_HEADS = 32, 2
ROWS = (EventRows(0, 4, 30), EventRows(30, 30, 31), EventRows(31, 40, 80))


def layer(num_features, seed=0):
    torch.manual_seed(seed)
    return FavorAttention(DIM, NUM_HEADS, FavorConfig(num_features)).eval()


@pytest.fixture(scope="module")
def x():
    return torch.randn(80, DIM, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def softmax(x):
    """The attention that the features estimate, with the same weights."""
    exact = PackedSelfAttention(DIM, NUM_HEADS)
    favor = layer(4)
    exact.load_state_dict({k: v for k, v in favor.state_dict().items() if k != "directions"})
    return exact


def with_weights_of(favor, exact):
    favor.load_state_dict(exact.state_dict(), strict=False)
    return favor


@torch.no_grad()
def test_with_many_features_the_attention_approaches_softmax_attention(x, softmax):
    expected = softmax(x, AttentionContext(ROWS, None))
    errors = []
    for num_features in (64, 1024, 16384):
        drawn = (with_weights_of(layer(num_features, seed), softmax) for seed in range(3))
        errors.append(sum((f(x, ROWS) - expected).square().mean() / 3 for f in drawn).sqrt())
    # The error falls as the inverse root: by 4 for 16 times as many, here within a factor.
    assert errors[1] < 0.4 * errors[0] and errors[2] < 0.4 * errors[1]
    assert errors[2] < 0.05 * expected.square().mean().sqrt()


@torch.no_grad()
def test_the_linear_sums_are_the_attention_weights_times_the_values(x):
    favor = layer(24)
    weights = favor.attention_weights(x, ROWS)
    value = favor.query_key_value(x).view(80, 3, NUM_HEADS, -1)[:, 2].transpose(0, 1)
    parts = [w @ value[:, r.begin : r.end] for w, r in zip(weights, ROWS, strict=True)]
    expected = favor.output(torch.cat(parts, 1).transpose(0, 1).flatten(1))
    torch.testing.assert_close(favor(x, ROWS), expected)


@torch.no_grad()
def test_large_queries_and_keys_give_finite_normalised_attention_weights(x):
    favor = layer(16)
    for weights in favor.attention_weights(1e3 * x, ROWS):
        assert bool(weights.isfinite().all() and (weights >= 0).all())
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:2]))
    assert bool(favor(1e3 * x, ROWS).isfinite().all())


def test_directions_are_orthogonal_in_groups_with_the_lengths_of_normal_vectors():
    directions = orthogonal_directions(40, 50, 16, torch.Generator().manual_seed(2))
    assert directions.shape == (40, 16, 50)
    group = directions[:, :, 16:32]
    products = group.transpose(1, 2) @ group
    off_diagonal = products - torch.diag_embed(torch.diagonal(products, dim1=1, dim2=2))
    torch.testing.assert_close(off_diagonal, torch.zeros_like(products), atol=1e-4, rtol=0)
    # |w|^2 of a normal vector in 16 dimensions: 16 +- sqrt(32), mean of 2000.
    assert directions.square().sum(1).mean().item() == pytest.approx(16.0, abs=4 * 32**0.5 / 44)


@torch.no_grad()
def test_features_are_redrawn_on_request_and_stored_with_the_weights(x):
    favor, other = layer(16), layer(16, seed=9)
    before = favor(x, ROWS)
    assert torch.equal(favor(x, ROWS), before)
    favor.redraw(torch.Generator().manual_seed(3))
    redrawn = favor(x, ROWS)
    assert not torch.allclose(redrawn, before)
    favor.redraw(torch.Generator().manual_seed(3))
    assert torch.equal(favor(x, ROWS), redrawn)
    other.load_state_dict(favor.state_dict())
    assert torch.equal(other(x, ROWS), redrawn)


def test_zero_features_are_refused():
    with pytest.raises(ConfigError, match=r"favor\.num_features = 0"):
        FavorConfig(0)
