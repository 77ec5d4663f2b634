"""Linear layers: x W^T + b, in the type of numbers and by the library that `precision` chooses.

The cost is linear in the number of rows. Gradients are products of the same kind, of the transposed
matrices. On other devices, for other types of numbers, under autocast and in export the product is
`F.linear`.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from partflow.model.precision import Precision, current
from partflow.model.product_speed import is_mkl_faster
from partflow.model.torch_operators import is_onednn_enabled, operators, plain_linear


def linear(
    x: Float[Tensor, "row input"],
    weight: Float[Tensor, "output input"],
    bias: Float[Tensor, " output"] | None = None,
    relu: bool = False,
) -> Float[Tensor, "row output"]:
    """The product x weight^T + bias, or its positive part if `relu`.

    In a block of `precision`, `x` and the result may be bfloat16.
    """
    precision = current()
    dtype = precision.of_weight(weight)
    if not _is_ours(x, weight, dtype):
        return plain_linear(x, weight, bias, relu)
    if torch.is_grad_enabled():
        product: Tensor = _Linear.apply(x, weight, bias, relu, precision)
        return product
    prepared = _prepared(weight, bias, precision, is_ordered=precision.is_fixed)
    return operators().linear(x.to(dtype), *prepared, relu)


def linear_add(
    x: Float[Tensor, "row input"],
    weight: Float[Tensor, "output input"],
    bias: Float[Tensor, " output"] | None,
    other: Float[Tensor, "row output"],
) -> Float[Tensor, "row output"]:
    """The sum other + x weight^T + bias, of the type of `other`."""
    precision = current()
    dtype = precision.of_weight(weight)
    if torch.is_grad_enabled() or not _is_ours(x, weight, dtype):
        return other + linear(x, weight, bias)
    if dtype != other.dtype:
        return linear(x, weight, bias).to(other.dtype).add_(other)
    prepared = _prepared(weight, bias, precision, is_ordered=precision.is_fixed)
    return operators().linear_add(x.to(dtype), *prepared, other)


class Linear(nn.Linear):
    """`nn.Linear` of rows, computed by `linear`."""

    def forward(self, x: Float[Tensor, "row input"]) -> Float[Tensor, "row output"]:
        """The product x weight^T + bias."""
        return linear(x, self.weight, self.bias)


def _is_ours(x: Tensor, weight: Tensor, dtype: torch.dtype) -> bool:
    """Whether the product of `x` and `weight` in `dtype` is not left to `F.linear`."""
    if (
        x.device.type != "cpu"
        or not len(x)  # the gradient of the weights would be a product without terms
        or weight.dtype != torch.float32
        or x.dtype not in (torch.float32, torch.bfloat16)
        or torch.compiler.is_compiling()
        or torch.is_autocast_enabled("cpu")
    ):
        return False
    if dtype == torch.bfloat16 or x.dtype == torch.bfloat16:
        return True
    is_offered = is_onednn_enabled() and operators().linear is not plain_linear
    return is_offered and not is_mkl_faster()


def _prepared(
    weight: Tensor, bias: Tensor | None, precision: Precision, is_ordered: bool
) -> tuple[Tensor, Tensor | None]:
    """Weight and bias as the operators take them."""
    dtype = precision.of_weight(weight)
    bias = None if bias is None else bias.detach().to(dtype)
    if precision.copies is None:
        return weight, bias
    return precision.copies.of(weight, dtype, is_ordered), bias


class _Linear(torch.autograd.Function):
    """`linear` with its gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        relu: bool,
        precision: Precision,
    ) -> Tensor:
        """The product y = x W^T + b, or max(y, 0)."""
        rounded, bias = _prepared(weight, bias, precision, is_ordered=False)
        x = x.to(rounded.dtype)
        y = operators().linear(x, rounded, bias, relu)
        ctx.save_for_backward(x, rounded, y if relu else None)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        """With dy the gradient of y: dx = dy W, dW = dy^T x, db = sum of dy over the rows."""
        x, weight, positive = ctx.saved_tensors
        gradient = upstream[0]
        if positive is not None:
            gradient = gradient * (positive > 0)
        of_bias = gradient.sum(0, dtype=torch.float32) if ctx.needs_input_grad[2] else None
        gradient = gradient.to(weight.dtype)
        if weight.dtype == torch.bfloat16:
            # The public product takes transposed matrices of bfloat16 as they are.
            of_x = torch.mm(gradient, weight) if ctx.needs_input_grad[0] else None
            of_weight = torch.mm(gradient.t(), x) if ctx.needs_input_grad[1] else None
            return of_x, None if of_weight is None else of_weight.float(), of_bias, None, None
        product = operators().linear
        return (
            product(gradient, weight.t(), None, False) if ctx.needs_input_grad[0] else None,
            product(gradient.t(), x.t(), None, False) if ctx.needs_input_grad[1] else None,
            of_bias,
            None,
            None,
        )
