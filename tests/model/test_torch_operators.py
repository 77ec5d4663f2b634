"""The private operators of torch and their plain forms: the same values and gradients."""

from pathlib import Path

import pytest
import torch

from partflow.model import torch_operators
from partflow.model.attention import packed_attention
from partflow.model.layout import EventRows
from partflow.model.linear import linear, linear_add
from partflow.model.torch_operators import PLAIN, operators

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
SHAPES = [(1, 17, 33), (7, 17, 33), (300, 64, 128)]


def drawn(*shape):
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator)


@pytest.fixture
def choose(monkeypatch):
    """`choose(chosen)`: the operators that partflow then computes with."""

    def set_operators(chosen):
        for module in ("linear", "attention"):
            monkeypatch.setattr(f"partflow.model.{module}.operators", lambda: chosen)

    return set_operators


@pytest.fixture
def fresh_choice():
    """The choice is made anew in this test, and again after it."""
    operators.cache_clear()
    yield
    operators.cache_clear()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("has_bias", [True, False])
def test_the_chosen_products_are_those_of_the_plain_form(shape, has_bias):
    rows, inputs, outputs = shape
    x, weight, other = drawn(rows, inputs), drawn(outputs, inputs), drawn(rows, outputs)
    bias = drawn(outputs) if has_bias else None
    for relu in (True, False):
        torch.testing.assert_close(
            operators().linear(x, weight, bias, relu),
            PLAIN.linear(x, weight, bias, relu),
            **TOLERANCE,
        )
    torch.testing.assert_close(
        operators().linear_add(x, weight, bias, other),
        PLAIN.linear_add(x, weight, bias, other),
        **TOLERANCE,
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(5,), (3, 7), (4, 9, 9)])
def test_the_chosen_gradient_of_softmax_is_that_of_the_plain_form_and_of_autograd(shape, dtype):
    logits, gradient = drawn(*shape).to(dtype).requires_grad_(), drawn(*shape, 2)[..., 0].to(dtype)
    weights = torch.softmax(logits, -1)
    (expected,) = torch.autograd.grad(weights, logits, gradient)
    for softmax_gradient in (operators().softmax_gradient, PLAIN.softmax_gradient):
        torch.testing.assert_close(softmax_gradient(gradient, weights.detach()), expected)


def test_values_and_gradients_of_the_layers_do_not_depend_on_the_operators(choose):
    events = (EventRows(0, 2, 5), EventRows(5, 5, 12))
    upstream = drawn(12, 8)

    def results():
        inputs = [drawn(12, 24), drawn(24, 24), drawn(24)]
        for tensor in inputs:
            tensor.requires_grad_()
        x, weight, bias = inputs
        qkv = linear(x, weight, bias, relu=True).view(12, 3, 2, 4)
        attended = packed_attention(qkv, events, None)
        attended.backward(upstream)
        with torch.inference_mode():
            total = linear_add(x, weight, bias, x)
        return [attended, total, *(tensor.grad for tensor in inputs)]

    offered = results()
    choose(PLAIN)
    for plain, expected in zip(results(), offered, strict=True):
        torch.testing.assert_close(plain, expected, **TOLERANCE)


def test_an_operator_that_torch_does_not_have_is_replaced(fresh_choice, monkeypatch):
    def missing(*arguments):
        return torch.ops.mkldnn._no_such_operator(*arguments)

    monkeypatch.setattr(torch_operators, "_onednn_linear_add", missing)
    chosen = operators()
    assert chosen.linear is PLAIN.linear and chosen.linear_add is PLAIN.linear_add
    assert operators() is chosen, "the choice is made once"


@pytest.mark.parametrize(
    "changed",
    [
        lambda gradient, weights: torch.ops.aten._softmax_backward_data(gradient),
        lambda gradient, weights: 2.0 * PLAIN.softmax_gradient(gradient, weights),
    ],
    ids=["other arguments", "other result"],
)
def test_an_operator_that_has_changed_is_replaced(changed, fresh_choice, monkeypatch):
    monkeypatch.setattr(torch_operators, "_aten_softmax_gradient", changed)
    assert operators().softmax_gradient is PLAIN.softmax_gradient


def test_the_choice_does_not_depend_on_the_defaults_of_torch(fresh_choice):
    usual = operators()
    operators.cache_clear()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            assert operators() == usual
    finally:
        torch.set_default_dtype(torch.float32)


def test_no_other_module_names_a_private_operator():
    for path in Path(torch_operators.__file__).parents[1].rglob("*.py"):
        if path.name != "torch_operators.py":
            text = path.read_text()
            assert "torch.ops." not in text and "torch._C" not in text, path
