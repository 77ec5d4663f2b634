"""Operators of torch that are not part of its public interface, each with a plain substitute.

They are faster than public ones, but a later torch may drop or change them. `operators` tries each
of them once, on a small example, and takes the plain form where the operator is missing, does not
accept its arguments or gives another result. No other module of partflow calls a private operator.

- x W^T + b by oneDNN (`mkldnn::_linear_pointwise`), which the compiler of torch puts in the place
  of `nn.Linear`. Public products of float32 on a CPU are those of MKL, which uses half of a
  processor that is not Intel's: 2048^3 on two cores of an AMD EPYC (Zen 5) runs at 265 GFLOP/s in
  MKL and at 580 GFLOP/s in oneDNN.
- the weights of these products in an order that oneDNN prefers (`mkldnn::_reorder_linear_weight`),
  which it makes in every product otherwise: 5 % of the time for 1200 rows, width 1024.
- the gradient of softmax from its result (`aten::_softmax_backward_data`). Public functions need
  the softmax recorded by autograd.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Operators(NamedTuple):
    """The operators in use."""

    linear: Callable[[Tensor, Tensor, Tensor | None, bool], Tensor]
    """(x, weight, bias, relu) -> x weight^T + bias, or its positive part if `relu`. Anything but
    the plain form is for float32 or bfloat16 on a CPU, at least one row, and records no
    gradient."""
    linear_add: Callable[[Tensor, Tensor, Tensor | None, Tensor], Tensor]
    """(x, weight, bias, other) -> other + x weight^T + bias; as `linear`."""
    ordered: Callable[[Tensor], Tensor]
    """A weight [output, input] -> the same for `linear` and `linear_add` only, as often as the
    weight is used: in the order in memory that these prefer."""
    softmax_gradient: Callable[[Tensor, Tensor], Tensor]
    """(gradient, weights) -> gradient with respect to the logits, where `weights` is the softmax
    over their last dimension and `gradient` that with respect to `weights`."""


def plain_linear(x: Tensor, weight: Tensor, bias: Tensor | None, relu: bool) -> Tensor:
    """The product x weight^T + bias, or its positive part if `relu`, by public functions."""
    product = F.linear(x, weight, bias)
    return F.relu(product) if relu else product


def plain_linear_add(x: Tensor, weight: Tensor, bias: Tensor | None, other: Tensor) -> Tensor:
    """The sum other + x weight^T + bias, by public functions."""
    return other + F.linear(x, weight, bias)


def plain_ordered(weight: Tensor) -> Tensor:
    """The weight itself."""
    return weight


def plain_softmax_gradient(gradient: Tensor, weights: Tensor) -> Tensor:
    """With dA the gradient and A the weights: A (dA - sum(A dA)), by public functions."""
    product = weights * gradient
    return product - weights * product.sum(-1, keepdim=True)


PLAIN = Operators(plain_linear, plain_linear_add, plain_ordered, plain_softmax_gradient)
"""The operators that every torch has."""


def is_onednn_enabled() -> bool:
    """Whether oneDNN is not switched off by the user (`torch.backends.mkldnn.flags`)."""
    enabled: Any = torch.backends.mkldnn.enabled  # a property, which the stubs do not know
    return bool(enabled)


def _onednn_linear(x: Tensor, weight: Tensor, bias: Tensor | None, relu: bool) -> Tensor:
    """`plain_linear` in one call of oneDNN."""
    kind = "relu" if relu else "none"
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, kind, [], "")
    return product


def _onednn_linear_add(x: Tensor, weight: Tensor, bias: Tensor | None, other: Tensor) -> Tensor:
    """`plain_linear_add` in one call of oneDNN."""
    total: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, other, weight, bias, "add")
    return total


def _onednn_ordered(weight: Tensor) -> Tensor:
    """`weight` in the order of oneDNN."""
    ordered: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight)
    return ordered


def _aten_softmax_gradient(gradient: Tensor, weights: Tensor) -> Tensor:
    """`plain_softmax_gradient` in one call."""
    of_logits: Tensor = torch.ops.aten._softmax_backward_data(gradient, weights, -1, weights.dtype)
    return of_logits


@cache
def operators() -> Operators:
    """The fastest operators that the installed torch offers; tried at the first call.

    Not at the import of this module: a product starts the threads of oneDNN, and processes that
    are forked afterwards could not use them.
    """
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(3, 4, 4, generator=generator, dtype=torch.float32, device="cpu")
    x, weight, other = drawn
    bias, weights = other[0], torch.softmax(other, -1)
    products = [(x, weight, b, relu) for b in (None, bias) for relu in (False, True)]
    sums = [(x, weight, b, other) for b in (None, bias)]
    # All forms of the product come from one library: one of them alone is not used.
    has_onednn = all(
        _agree(_onednn_linear, plain_linear, products, dtype)
        and _agree(_onednn_linear_add, plain_linear_add, sums, dtype)
        for dtype in (torch.float32, torch.bfloat16)
    )
    has_order = has_onednn and _agree(
        lambda x, weight, *rest: _onednn_linear(x, _onednn_ordered(weight), *rest),
        plain_linear,
        products,
    )
    has_softmax = _agree(_aten_softmax_gradient, plain_softmax_gradient, [(x, weights)])
    return Operators(
        _onednn_linear if has_onednn else plain_linear,
        _onednn_linear_add if has_onednn else plain_linear_add,
        _onednn_ordered if has_order else plain_ordered,
        _aten_softmax_gradient if has_softmax else plain_softmax_gradient,
    )


def _agree(
    private: Callable[..., Tensor],
    plain: Callable[..., Tensor],
    examples: list[tuple[Any, ...]],
    dtype: torch.dtype = torch.float32,
) -> bool:
    """Whether the private operator exists and gives the values of the plain form.

    Tensors of the examples are converted to `dtype`.
    """
    tolerance = 1e-4 if dtype == torch.float32 else 2e-2
    try:
        return all(
            torch.allclose(private(*example), plain(*example), rtol=tolerance, atol=tolerance / 10)
            for example in (
                [x.to(dtype) if isinstance(x, Tensor) else x for x in example]
                for example in examples
            )
        )
    except (AttributeError, RuntimeError, TypeError, ValueError):  # missing, or changed
        return False
