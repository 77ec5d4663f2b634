"""Import of checkpoints of published MLPF v2.2.0, without executing anything in them.

A checkpoint is a file of `torch.save`, which contains a pickle; the arguments of its model are
stored next to it, as JSON or as another pickle. Unpickling a file from elsewhere can execute any
code. The checkpoint is therefore read with `weights_only`, which makes tensors and plain containers
only. The pickle of the arguments may contain only opcodes that make plain values: none of them can
name a class or a function.
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
"""Entry of a checkpoint with the weights; the other entries are for resuming a training."""
MAX_KWARGS_BYTES = 1_000_000
"""Largest accepted file of arguments."""
PLAIN_OPCODES = frozenset(
    [
        *("PROTO", "FRAME", "STOP", "MARK", "MEMOIZE", "BINPUT", "BINGET"),
        *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
        *("SHORT_BINUNICODE", "BINUNICODE"),
        *("EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_LIST", "APPEND", "APPENDS"),
        *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
    ]
)
"""Opcodes (of protocols from 2 on) that make numbers, strings, dictionaries, lists and tuples. None
of them can allocate more memory than the file is long."""


def import_checkpoint(checkpoint: Path, kwargs: Path) -> PublishedMLPF:
    """The network in a published `checkpoint` (.pth) with its arguments `kwargs` (.json or .pkl).

    Raises InputError, naming the file and the tensor or argument, where one is missing, does not
    fit or is not plain data.
    """
    try:
        config = PublishedConfig.from_kwargs(read_kwargs(kwargs))
    except ConfigError as error:
        raise InputError(f"{kwargs}: {error}") from error
    weights = read_weights(checkpoint)
    _check_num_layers(config, weights, checkpoint)
    with torch.device("meta"):  # shapes only: no memory is taken for sizes that do not fit
        model = PublishedMLPF(config)
    check_tensors(
        model.state_dict(), weights, checkpoint, f"check that {kwargs.name} belongs to it"
    )
    for name, tensor in weights.items():
        if not bool(tensor.isfinite().all()):
            raise InputError(
                f"{checkpoint}: tensor {name!r} holds values that are not finite; give another "
                "checkpoint of the training"
            )
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
            raise InputError(f"{path}: no valid JSON ({error}); correct the file") from error
    elif path.suffix in (".pkl", ".pickle"):
        kwargs = _unpickle_plain(content, path)
    else:
        raise InputError(
            f"{path}: unknown type of file; give the model's arguments as a .json or .pkl file"
        )
    if not isinstance(kwargs, dict) or not all(isinstance(name, str) for name in kwargs):
        raise InputError(
            f"{path}: holds no dictionary of arguments, but {_shortened(kwargs)}; give the "
            "arguments that were stored with the checkpoint"
        )
    return kwargs


def read_weights(path: Path) -> dict[str, Tensor]:
    """The weights in the checkpoint `path`, as float32 on the CPU.

    Raises InputError where the file is missing, damaged, no published checkpoint, or holds
    anything but tensors and plain values.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give a checkpoint (.pth)") from None
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: holds more than tensors and plain values ({_reason(error)}) and was not "
            "read, because nothing in a checkpoint is executed; save the weights alone"
        ) from error
    except Exception as error:  # a damaged archive fails in many ways
        raise InputError(
            f"{path}: no readable checkpoint ({_reason(error)}); copy or save it again"
        ) from error
    state = checkpoint.get(STATE) if isinstance(checkpoint, dict) else None
    if not isinstance(state, Mapping):
        content = (
            f"only {', '.join(map(str, checkpoint))}"
            if isinstance(checkpoint, dict)
            else "no dictionary"
        )
        raise InputError(
            f"{path}: holds no {STATE!r}, but {content}; give a checkpoint of published MLPF v2.2.0"
        )
    weights = {}
    for name, tensor in state.items():
        if not isinstance(tensor, Tensor) or tensor.layout != torch.strided:
            raise InputError(
                f"{path}: {STATE}[{name!r}] is no dense tensor; save the weights as such"
            )
        if not tensor.is_floating_point():
            raise InputError(
                f"{path}: tensor {name!r} is {tensor.dtype}; save the weights as torch.float32"
            )
        weights[str(name)] = tensor
    return {name: tensor.detach().float().contiguous() for name, tensor in weights.items()}


class _PlainUnpickler(pickle.Unpickler):
    """An unpickler that finds no class and no function."""

    def find_class(self, module: str, name: str) -> NoReturn:
        """Refuse every name."""
        raise pickle.UnpicklingError(f"{module}.{name}")


def _unpickle_plain(content: bytes, path: Path) -> Any:
    """The plain values in a pickle; raises InputError where it holds anything else."""
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name not in PLAIN_OPCODES:
                operand = f" {argument}" if argument is not None else ""
                raise InputError(
                    f"{path}: holds more than plain values ({opcode.name}{operand}) and was not "
                    "read, because nothing in it is executed; give the arguments as JSON"
                )
        return _PlainUnpickler(io.BytesIO(content)).load()
    except InputError:
        raise
    except Exception as error:  # a damaged pickle fails in many ways
        raise InputError(
            f"{path}: no readable pickle ({_reason(error)}); give the arguments as JSON"
        ) from error


def _read(path: Path) -> bytes:
    """The content of a file of arguments, MAX_KWARGS_BYTES at most."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_KWARGS_BYTES + 1)
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; give the arguments that were stored with the checkpoint"
        ) from None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); check its permissions"
        ) from error
    if len(content) > MAX_KWARGS_BYTES:
        raise InputError(
            f"{path}: too large for a model's arguments; check that it is not the checkpoint"
        )
    return content


def _check_num_layers(config: PublishedConfig, weights: Mapping[str, Tensor], path: Path) -> None:
    """Raise InputError unless there are as many layers as `config` says."""
    layers = {name.split(".")[1] for name in weights if name.startswith("conv_id.")}
    if len(layers) != config.num_convs:
        raise InputError(
            f"{path}: has {len(layers)} layers ('conv_id'), but the arguments have num_convs = "
            f"{config.num_convs}; give those that were stored with it"
        )


def _reason(error: Exception) -> str:
    """First line of the message of an exception."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _shortened(value: Any) -> str:
    """The value in at most 60 characters."""
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."
