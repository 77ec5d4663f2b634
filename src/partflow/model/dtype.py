"""The choices of `--dtype`. Nothing here imports torch, so that the command line starts at once."""

from __future__ import annotations

from typing import Literal

Dtype = Literal["auto", "float32", "bfloat16"]
"""`auto`: what is faster on the device; see `model.precision.choose_dtype`."""
