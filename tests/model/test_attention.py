import pytest
import torch
from torch.nn import functional as F

from partflow.model import attention
from partflow.model.attention import (
    bias_of_event,
    distance_bias,
    inverse_length_scales,
    packed_attention,
    padded_attention,
)
from partflow.model.layout import EventRows

SIZES = (5, 1, 8)


@pytest.fixture
def rows():
    ends = torch.cumsum(torch.tensor(SIZES), 0).tolist()
    return tuple(
        EventRows(end - size, end - size, end) for size, end in zip(SIZES, ends, strict=True)
    )


def projections(num_heads=4, width=3):
    generator = torch.Generator().manual_seed(0)
    shape = (sum(SIZES), 3, num_heads, width)
    return torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)


def one_big_masked_attention(qkv, rows, biases):
    """Attention by torch on all rows at once, with everything outside an event masked."""
    bias = torch.full((qkv.shape[2], len(qkv), len(qkv)), -torch.inf, dtype=qkv.dtype)
    for event, block in zip(rows, biases, strict=True):
        bias[:, event.begin : event.end, event.begin : event.end] = block
    query, key, value = qkv.permute(1, 2, 0, 3)
    attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    return attended.transpose(0, 1).flatten(1)


@pytest.mark.parametrize("has_bias", [True, False])
def test_packed_attention_and_its_gradient_are_those_of_masked_attention(rows, has_bias):
    qkv = projections()
    generator = torch.Generator().manual_seed(1)
    biases = [-torch.rand(4, n, n, generator=generator, dtype=qkv.dtype) for n in SIZES]
    if not has_bias:
        biases = [torch.zeros_like(b) for b in biases]
    packed = packed_attention(qkv, rows, biases if has_bias else None)
    expected = one_big_masked_attention(qkv, rows, biases)
    torch.testing.assert_close(packed, expected)
    upstream = torch.randn(packed.shape, generator=generator, dtype=qkv.dtype)
    (gradient,) = torch.autograd.grad(packed, qkv, upstream)
    (expected_gradient,) = torch.autograd.grad(expected, qkv, upstream)
    torch.testing.assert_close(gradient, expected_gradient)


@pytest.mark.parametrize("has_bias", [True, False])
def test_attention_on_padded_events_is_the_same(rows, has_bias):
    qkv = projections()
    generator = torch.Generator().manual_seed(1)
    biases = [-torch.rand(4, n, n, generator=generator, dtype=qkv.dtype) for n in SIZES]
    results = []
    for attend in (packed_attention, padded_attention):
        attended = attend(qkv, rows, biases if has_bias else None)
        (gradient,) = torch.autograd.grad(attended.square().sum(), qkv)
        results.append((attended, gradient))
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("cached", [1, 2**19])
def test_attention_in_bfloat16_is_that_of_rounded_numbers(rows, cached, monkeypatch):
    monkeypatch.setattr(attention, "CACHED_LOGITS", cached)
    biases = [-torch.rand(4, n, n, generator=torch.Generator().manual_seed(n)) for n in SIZES]
    rounded = projections().detach().bfloat16()
    results = []
    for qkv in (rounded.float(), rounded):
        qkv.requires_grad_()
        attended = packed_attention(qkv, rows, biases)
        (gradient,) = torch.autograd.grad(attended.float().square().sum(), qkv)
        assert attended.dtype == gradient.dtype == qkv.dtype
        results.append((attended.float(), gradient.float()))
    torch.testing.assert_close(*results, rtol=3e-2, atol=3e-2)


def test_a_batch_without_events_gives_no_rows():
    assert packed_attention(torch.zeros(0, 3, 2, 4), (), []).shape == (0, 8)


def test_the_distance_term_falls_with_distance_to_a_lower_bound():
    distance = torch.tensor([[0.0, 100.0], [100.0, 0.0]])
    bias = distance_bias(distance, torch.tensor([1 / 50.0, 1.0, 0.0]))
    assert bias[:, 0, 0].tolist() == [0.0, 0.0, 0.0]
    torch.testing.assert_close(bias[:, 0, 1], torch.tensor([-2.0, -10.0, 0.0]))


@pytest.mark.parametrize("num_heads", [1, 2, 4, 8])
def test_some_heads_have_a_distance_term_and_of_several_one_has_none(num_heads):
    inverse = inverse_length_scales(num_heads)
    assert len(inverse) == num_heads
    assert inverse[0] == pytest.approx(1 / 20.0)
    assert torch.all(inverse[1:] <= inverse[:-1])
    assert num_heads == 1 or inverse[-1] == 0


@pytest.mark.parametrize("has_bias", [True, False])
def test_a_large_event_in_parts_gives_the_attention_of_the_whole(rows, has_bias, monkeypatch):
    qkv = projections().detach()
    distances = [100.0 * torch.rand(n, n, dtype=qkv.dtype) for n in SIZES]
    scales = inverse_length_scales(4).to(qkv.dtype)

    def attended():
        biases = [bias_of_event(d, scales) for d in distances] if has_bias else None
        return packed_attention(qkv, rows, biases)

    whole = attended()
    monkeypatch.setattr(attention, "MAX_LOGITS", 4 * 8 * 3)
    assert isinstance(bias_of_event(distances[2], scales), attention.DistanceBias)
    torch.testing.assert_close(attended(), whole)
