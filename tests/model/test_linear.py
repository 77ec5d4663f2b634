import pytest
import torch
from torch.nn import functional as F

from partflow.model.linear import Linear, linear, linear_add
from partflow.model.torch_operators import PLAIN, operators

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(params=["onednn", "plain"], autouse=True)
def chosen_operators(request, monkeypatch):
    """The operator of oneDNN, and the plain form for a torch without it."""
    if request.param == "onednn" and operators().linear is PLAIN.linear:
        pytest.skip("this build of torch has no oneDNN")
    chosen = operators() if request.param == "onednn" else PLAIN
    monkeypatch.setattr("partflow.model.linear.operators", lambda: chosen)


def drawn(*shape):
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator)


@pytest.mark.parametrize("num_rows", [0, 1, 7, 300])
@pytest.mark.parametrize("has_bias", [True, False])
def test_the_product_is_that_of_torch(num_rows, has_bias):
    x, weight, bias = drawn(num_rows, 17), drawn(33, 17), drawn(33) if has_bias else None
    expected = F.linear(x, weight, bias)
    other = drawn(num_rows, 33)
    with torch.inference_mode():
        torch.testing.assert_close(linear(x, weight, bias), expected, **TOLERANCE)
        torch.testing.assert_close(linear(x, weight, bias, relu=True), F.relu(expected))
        torch.testing.assert_close(linear_add(x, weight, bias, other), other + expected)


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("num_rows", [0, 50])
def test_gradients_are_those_of_torch(relu, num_rows):
    upstream = drawn(num_rows, 33)

    def gradients(function):
        inputs = [drawn(num_rows, 17), drawn(33, 17), drawn(33)]
        for tensor in inputs:
            tensor.requires_grad_()
        function(*inputs).backward(upstream)
        return [tensor.grad for tensor in inputs]

    found = gradients(lambda x, w, b: linear(x, w, b, relu))
    expected = gradients(lambda x, w, b: F.relu(F.linear(x, w, b)) if relu else F.linear(x, w, b))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, **TOLERANCE)


def test_rows_and_weights_need_not_be_contiguous():
    x, weight = drawn(17, 40).t(), drawn(34, 17)[::2]
    with torch.inference_mode():
        torch.testing.assert_close(linear(x, weight), F.linear(x, weight), **TOLERANCE)


def test_only_tensors_that_require_a_gradient_get_one():
    x, layer = drawn(5, 4), Linear(4, 3)
    layer(x).sum().backward()
    assert x.grad is None and layer.weight.grad is not None
    layer.weight.requires_grad_(False)
    layer.zero_grad()
    layer(x).sum().backward()
    assert layer.weight.grad is None and layer.bias.grad is not None


def test_other_types_of_numbers_are_left_to_torch():
    x, layer = drawn(5, 4), Linear(4, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    assert layer.double()(x.double()).dtype == torch.float64
