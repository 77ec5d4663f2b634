"""Checkpoints of MLPF v2.2.0, as a stranger may have written them: read, never executed.

A checkpoint is a file of `torch.save`, a pickle in the end, and the arguments of its model lie
beside it in another pickle. Both could run anything when they are read carelessly. The first is
read with `weights_only`, which makes tensors and plain containers and nothing else. Of the second
only the opcodes of plain values are accepted: no name of a class or function can occur in it.
"""

from __future__ import annotations

import io
import json
import pickle
import pickletools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from partflow.core.errors import ConfigError, InputError
from partflow.model.folder import check_tensors
from partflow.model.published.config import PublishedConfig
from partflow.model.published.mlpf import PublishedMLPF

STATE = "model_state_dict"
"""Where a checkpoint keeps the weights; what else is in it is for going on with a training."""
MAX_KWARGS_BYTES = 1_000_000
PLAIN_OPCODES = frozenset(
    [
        *("PROTO", "FRAME", "STOP", "MARK", "MEMOIZE", "BINPUT", "BINGET"),
        *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
        *("SHORT_BINUNICODE", "BINUNICODE"),
        *("EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_LIST", "APPEND", "APPENDS"),
        *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
    ]
)
"""Opcodes (of protocols from 2 on) that make plain values: numbers, strings, dictionaries, lists,
tuples. None of them can ask for more memory than the file is long."""


def import_checkpoint(checkpoint: Path, kwargs: Path) -> PublishedMLPF:
    """The network in a published `checkpoint` (.pth) with its arguments `kwargs` (.json, .pkl).

    Raises InputError, naming the file and the tensor or argument, where something is missing,
    does not fit or is not plain data.
    """
    try:
        config = PublishedConfig.from_kwargs(read_kwargs(kwargs))
    except ConfigError as error:
        raise InputError(f"{kwargs}: {error}") from error
    weights = read_weights(checkpoint)
    _check_num_layers(config, weights, checkpoint)
    with torch.device("meta"):  # shapes first: no memory is taken for sizes that do not fit
        model = PublishedMLPF(config)
    check_tensors(model.state_dict(), weights, checkpoint, f"does {kwargs.name} belong to it?")
    for name, tensor in weights.items():
        if not bool(tensor.isfinite().all()):
            raise InputError(f"{checkpoint}: tensor {name!r} holds values that are not finite")
    model.load_state_dict(weights, assign=True)
    return model.eval()


def read_kwargs(path: Path) -> dict[str, Any]:
    """The arguments of a model from `path`, a JSON object or a pickled dictionary.

    Raises InputError where the file is missing, is neither, or holds more than plain values.
    """
    content = _read(path)
    if path.suffix == ".json":
        try:
            kwargs = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: no JSON ({error})") from error
    elif path.suffix in (".pkl", ".pickle"):
        kwargs = _unpickle_plain(content, path)
    else:
        raise InputError(f"{path}: give the model's arguments as a .json or .pkl file")
    if not isinstance(kwargs, dict) or not all(isinstance(name, str) for name in kwargs):
        raise InputError(f"{path}: holds no dictionary of arguments, but {_shortened(kwargs)}")
    return kwargs


def read_weights(path: Path) -> dict[str, Tensor]:
    """The weights in the checkpoint `path`, as float32 on the host.

    Raises InputError where the file is missing, damaged, no published checkpoint, or holds
    anything but tensors and plain values.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give a checkpoint of MLPF v2.2.0") from None
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: holds more than tensors and plain values, and was not read: nothing in a "
            f"checkpoint is executed ({_reason(error)})"
        ) from error
    except Exception as error:  # a damaged archive fails in many ways
        raise InputError(f"{path}: no readable checkpoint ({_reason(error)})") from error
    state = checkpoint.get(STATE) if isinstance(checkpoint, dict) else None
    if not isinstance(state, Mapping):
        found = ", ".join(map(str, checkpoint)) if isinstance(checkpoint, dict) else "no dictionary"
        raise InputError(f"{path}: no {STATE!r}, so no checkpoint of MLPF v2.2.0; found: {found}")
    weights = {}
    for name, tensor in state.items():
        if not isinstance(tensor, Tensor) or tensor.layout != torch.strided:
            raise InputError(f"{path}: {STATE}[{name!r}] is no dense tensor")
        if not tensor.is_floating_point():
            raise InputError(f"{path}: tensor {name!r} is {tensor.dtype}, needed is torch.float32")
        weights[str(name)] = tensor
    return {name: tensor.detach().float().contiguous() for name, tensor in weights.items()}


class _PlainUnpickler(pickle.Unpickler):
    """An unpickler that knows no class and no function."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"{module}.{name}")


def _unpickle_plain(content: bytes, path: Path) -> Any:
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name not in PLAIN_OPCODES:
                named = f" {argument}" if argument is not None else ""
                raise InputError(
                    f"{path}: holds more than plain values ({opcode.name}{named}), and was not "
                    "read: nothing in it is executed; give the arguments as JSON"
                )
        return _PlainUnpickler(io.BytesIO(content)).load()
    except InputError:
        raise
    except Exception as error:  # a damaged pickle fails in many ways
        raise InputError(f"{path}: no readable pickle ({_reason(error)})") from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_KWARGS_BYTES + 1)
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; give the arguments that were stored beside the checkpoint"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if len(content) > MAX_KWARGS_BYTES:
        raise InputError(f"{path}: too large for a model's arguments; was the checkpoint given?")
    return content


def _check_num_layers(config: PublishedConfig, weights: Mapping[str, Tensor], path: Path) -> None:
    """Raise InputError unless there are as many layers as `config` says."""
    layers = {name.split(".")[1] for name in weights if name.startswith("conv_id.")}
    if len(layers) != config.num_convs:
        raise InputError(
            f"{path}: has {len(layers)} layers ('conv_id'), its arguments say num_convs = "
            f"{config.num_convs}"
        )


def _reason(error: Exception) -> str:
    """First line of what an exception says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."
