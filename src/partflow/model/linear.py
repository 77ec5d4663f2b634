"""x W^T + b as fast as the processor can: float32 products by oneDNN instead of MKL.

On a CPU torch hands float32 products to MKL, which leaves half of a processor unused that is not
Intel's: 2048^3 on two cores of an AMD EPYC (Zen 5) runs at 265 GFLOP/s in MKL, at 580 GFLOP/s in
oneDNN, which torch carries as well and uses for other types of numbers. The operator called here
is the one that torch's compiler puts in the place of `nn.Linear`; it can add a ReLU or a second
tensor while the product is still in the cache. Gradients are products of the same kind.

Anywhere else (another device, another type of number, autocast, export) it is `F.linear`.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

IS_AVAILABLE = torch.backends.mkldnn.is_available() and hasattr(
    torch.ops.mkldnn, "_linear_pointwise"
)
"""Whether this build of torch has the operator."""


def linear(
    x: Float[Tensor, "row input"],
    weight: Float[Tensor, "output input"],
    bias: Float[Tensor, " output"] | None = None,
    relu: bool = False,
) -> Float[Tensor, "row output"]:
    """The product x weight^T + bias, or its positive part if `relu`."""
    if not _by_onednn(x, weight):
        y = F.linear(x, weight, bias)
        return F.relu(y) if relu else y
    if torch.is_grad_enabled():
        result: Tensor = _Linear.apply(x, weight, bias, relu)
        return result
    return _product(x, weight, bias, relu)


def linear_add(
    x: Float[Tensor, "row input"],
    weight: Float[Tensor, "output input"],
    bias: Float[Tensor, " output"] | None,
    other: Float[Tensor, "row output"],
) -> Float[Tensor, "row output"]:
    """The sum other + x weight^T + bias."""
    if torch.is_grad_enabled() or not _by_onednn(x, weight):
        return other + linear(x, weight, bias)
    result: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, other, weight, bias, "add")
    return result


class Linear(nn.Linear):
    """`nn.Linear` of rows by `linear`."""

    def forward(self, x: Float[Tensor, "row input"]) -> Float[Tensor, "row output"]:
        """The product x weight^T + bias."""
        return linear(x, self.weight, self.bias)


def _by_onednn(x: Tensor, weight: Tensor) -> bool:
    return (
        IS_AVAILABLE
        and x.device.type == "cpu"
        and len(x) > 0  # the gradient of the weights would be a product without terms
        and x.dtype == weight.dtype == torch.float32
        and torch._C._get_mkldnn_enabled()
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None, relu: bool = False) -> Tensor:
    kind = "relu" if relu else "none"
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, kind, [], "")
    return result


class _Linear(torch.autograd.Function):
    """`linear` with its gradients, products of the transposed matrices."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, relu: bool) -> Tensor:
        y = _product(x, weight, bias, relu)
        ctx.save_for_backward(x, weight, y if relu else None)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, positive = ctx.saved_tensors
        (gradient,) = upstream
        if positive is not None:
            gradient = gradient * (positive > 0)
        needs_x, needs_weight, needs_bias, _ = ctx.needs_input_grad
        return (
            _product(gradient, weight.t()) if needs_x else None,
            _product(gradient.t(), x.t()) if needs_weight else None,
            gradient.sum(0) if needs_bias else None,
            None,
        )
