"""Linear layers: x W^T + b, by oneDNN where the processor computes it and torch offers it.

The cost is linear in the number of rows. `torch_operators` says why oneDNN is used. Gradients are
products of the same kind, of the transposed matrices. On other devices, for other types of numbers,
under autocast and in export the product is `F.linear`.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from partflow.model.torch_operators import is_onednn_enabled, operators, plain_linear


def linear(
    x: Float[Tensor, "row input"],
    weight: Float[Tensor, "output input"],
    bias: Float[Tensor, " output"] | None = None,
    relu: bool = False,
) -> Float[Tensor, "row output"]:
    """The product x weight^T + bias, or its positive part if `relu`."""
    if not _is_onednn_used(x, weight):
        return plain_linear(x, weight, bias, relu)
    if torch.is_grad_enabled():
        product: Tensor = _OnednnLinear.apply(x, weight, bias, relu)
        return product
    return operators().linear(x, weight, bias, relu)


def linear_add(
    x: Float[Tensor, "row input"],
    weight: Float[Tensor, "output input"],
    bias: Float[Tensor, " output"] | None,
    other: Float[Tensor, "row output"],
) -> Float[Tensor, "row output"]:
    """The sum other + x weight^T + bias."""
    if torch.is_grad_enabled() or not _is_onednn_used(x, weight):
        return other + linear(x, weight, bias)
    return operators().linear_add(x, weight, bias, other)


class Linear(nn.Linear):
    """`nn.Linear` of rows, computed by `linear`."""

    def forward(self, x: Float[Tensor, "row input"]) -> Float[Tensor, "row output"]:
        """The product x weight^T + bias."""
        return linear(x, self.weight, self.bias)


def _is_onednn_used(x: Tensor, weight: Tensor) -> bool:
    """Whether oneDNN computes the product of `x` and `weight`."""
    return (
        x.device.type == "cpu"
        and len(x) > 0  # the gradient of the weights would be a product without terms
        and x.dtype == weight.dtype == torch.float32
        and is_onednn_enabled()
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and operators().linear is not plain_linear
    )


class _OnednnLinear(torch.autograd.Function):
    """`linear` by oneDNN, with its gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, relu: bool) -> Tensor:
        """The product y = x W^T + b, or max(y, 0)."""
        y = operators().linear(x, weight, bias, relu)
        ctx.save_for_backward(x, weight, y if relu else None)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        """With dy the gradient of y: dx = dy W, dW = dy^T x, db = sum of dy over the rows."""
        x, weight, positive = ctx.saved_tensors
        (gradient,) = upstream
        if positive is not None:
            gradient = gradient * (positive > 0)
        product = operators().linear
        needs_x, needs_weight, needs_bias, _ = ctx.needs_input_grad
        return (
            product(gradient, weight.t(), None, False) if needs_x else None,
            product(gradient.t(), x.t(), None, False) if needs_weight else None,
            gradient.sum(0) if needs_bias else None,
            None,
        )
