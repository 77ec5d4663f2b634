"""The type of numbers in which a network computes its products.

In bfloat16 a processor with AVX512-bf16 or AMX multiplies 2 to 5 times as fast as in float32, and a
GPU as well. Inputs and weights of a product are rounded to 8 significant bits; its sum is float32.
Weights, norms, softmax and residuals stay float32, and so do narrow products (`SMALLEST_BFLOAT16`),
whose inputs are measured quantities or whose outputs are logits and momenta, and what a network
puts into a block of `float32_products`: the heads of `MLPF`.

    with precision("bfloat16"):
        model(batch)

On a CPU, `linear` and `attention` ask `current` for the type. `torch.autocast` does not know the
products of oneDNN and rounds every weight again in every forward pass. On other devices the context
is that of `torch.autocast`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from partflow.core.errors import ConfigError
from partflow.model.dtype import Dtype
from partflow.model.product_speed import is_bfloat16_faster
from partflow.model.torch_operators import operators

SMALLEST_BFLOAT16 = 128
"""Inputs and outputs from which on a product is computed in bfloat16."""


class WeightCopies:
    """Weights as products take them: in their type of numbers, and in the order of oneDNN.

    Each copy is made at the first product. The weights must not change as long as the copies are
    used: an optimiser makes no note of the change.
    """

    def __init__(self) -> None:
        self._copies: dict[tuple[object, ...], tuple[Tensor, Tensor]] = {}

    def of(self, weight: Tensor, dtype: torch.dtype, is_ordered: bool) -> Tensor:
        """`weight`, which may be rows of a larger one, of type `dtype`."""
        key = (
            weight.data_ptr(), tuple(weight.shape), weight.stride(), dtype, is_ordered
        )  # fmt: skip
        if key not in self._copies:
            copy = weight.detach().to(dtype)
            # The weight is stored as well, so that no other one gets its address.
            self._copies[key] = weight, operators().ordered(copy) if is_ordered else copy
        return self._copies[key][1]


class Precision(NamedTuple):
    """How products are computed on a CPU."""

    dtype: torch.dtype
    """Type of their inputs and weights."""
    copies: WeightCopies | None
    """Copies of the weights; None: a float32 weight is used as it is."""
    is_fixed: bool
    """Whether the weights do not change as long as the copies exist."""

    def of_weight(self, weight: Tensor) -> torch.dtype:
        """Type of the products with `weight` [output, input]."""
        is_narrow = min(weight.shape) < SMALLEST_BFLOAT16
        return torch.float32 if is_narrow else self.dtype


_FLOAT32 = Precision(torch.float32, None, False)
_of_thread = threading.local()


def current() -> Precision:
    """The precision of the context that this thread is in; float32 outside of all."""
    precision: Precision = getattr(_of_thread, "precision", _FLOAT32)
    return precision


@contextlib.contextmanager
def precision(
    dtype: Dtype | torch.dtype,
    device: str | torch.device = "cpu",
    fixed_weights: WeightCopies | None = None,
) -> Iterator[None]:
    """Compute products in `dtype` in the block, in this thread.

    A step of training needs a new block: it rounds each weight once in a block.

    Args:
        dtype: Type of the inputs of products.
        device: Device of the network.
        fixed_weights: Copies of weights that do not change, kept from one block to the next. They
            make inference faster in float32, too. Several threads may share them.

    Example:
        >>> layer = torch.nn.Linear(2, 2)
        >>> with precision("bfloat16"):
        ...     current().dtype
        torch.bfloat16
    """
    device = torch.device(device)
    number = dtype if isinstance(dtype, torch.dtype) else choose_dtype(device, dtype)
    if device.type != "cpu":
        with torch.autocast(device.type, torch.bfloat16, enabled=number == torch.bfloat16):
            yield
        return
    before = current()
    copies = fixed_weights
    if copies is None and number != torch.float32:
        copies = WeightCopies()
    _of_thread.precision = Precision(number, copies, fixed_weights is not None)
    try:
        yield
    finally:
        _of_thread.precision = before


@contextlib.contextmanager
def float32_products(device: torch.device) -> Iterator[None]:
    """Compute products in float32 in the block, in a part of a network that needs it."""
    if device.type != "cpu":
        with torch.autocast(device.type, enabled=False):
            yield
        return
    before = current()
    _of_thread.precision = before._replace(dtype=torch.float32)
    try:
        yield
    finally:
        _of_thread.precision = before


def choose_dtype(device: str | torch.device = "cpu", dtype: Dtype = "auto") -> torch.dtype:
    """The type that an option `--dtype` means on `device`.

    `auto` is bfloat16 on a CPU on which its products are measured to be faster (`product_speed`),
    and on a CUDA or ROCm device that says that it has them; on other devices it is float32.

    Raises ConfigError for a GPU without bfloat16.
    """
    device = torch.device(device)
    if device.type == "cuda":
        has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
        if dtype == "bfloat16" and not has_bfloat16:
            raise ConfigError(f"{device} has no bfloat16; use --dtype float32")
        is_auto_bfloat16 = has_bfloat16
    else:
        is_auto_bfloat16 = dtype == "auto" and device.type == "cpu" and is_bfloat16_faster()
    is_bfloat16 = is_auto_bfloat16 if dtype == "auto" else dtype == "bfloat16"
    return torch.bfloat16 if is_bfloat16 else torch.float32
