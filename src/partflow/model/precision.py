"""Stand-in until the module of the same name is merged."""

from __future__ import annotations

import contextlib

import torch


def precision(dtype, device):
    if dtype == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(torch.device(device).type, dtype)


def resolve_dtype(name, device):
    return torch.bfloat16 if name == "bfloat16" else torch.float32
