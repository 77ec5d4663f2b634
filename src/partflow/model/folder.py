"""A trained network as a folder: weights and, beside them, everything needed to use them.

    run/model.safetensors   weights, and the standardisation fitted with them
    run/config.json         format, configuration, feature list, provenance

Nothing in the folder is executed when it is read, so a model from elsewhere is safe to open.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from partflow import __version__
from partflow.core.errors import ConfigError, InputError, SchemaError
from partflow.core.features import ELEMENTS
from partflow.core.outputs import replacing, write_text
from partflow.core.provenance import Provenance
from partflow.model.config import ModelConfig, ReadoutConfig
from partflow.model.favor import FavorConfig
from partflow.model.gnn_lsh import GnnLshConfig
from partflow.model.mlpf import MLPF

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
FORMAT = "partflow-model"
FORMAT_VERSION = 2
PARTS: Mapping[str, type] = {
    "readout": ReadoutConfig,
    "favor": FavorConfig,
    "gnn_lsh": GnnLshConfig,
}
"""Fields of `ModelConfig` that are configurations themselves."""


def save_model(model: MLPF, folder: Path, provenance: Provenance | None = None) -> None:
    """Write the weights of `model` and its configuration into `folder`, each file whole.

    Raises OutputError where the folder cannot be written.
    """
    record = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "partflow_version": __version__,
        "model": asdict(model.config),
        "num_parameters": model.num_parameters,
        "provenance": None if provenance is None else json.loads(provenance.to_json()),
    }
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    with replacing(folder / WEIGHTS_FILE) as temporary:
        temporary.write_bytes(save(weights, metadata={"format": FORMAT}))
    write_text(folder / CONFIG_FILE, json.dumps(record, indent=1))


def load_model(folder: Path) -> MLPF:
    """The network saved in `folder`, ready for inference.

    Raises InputError where a file is missing or damaged or a tensor does not fit, SchemaError
    where the folder is of another version or its features are not this program's.
    """
    config = load_config(folder)
    weights = _read_weights(folder / WEIGHTS_FILE)
    model = MLPF(config)
    _check_tensors(model.state_dict(), weights, folder / WEIGHTS_FILE)
    model.load_state_dict(weights)
    return model.eval()


def load_config(folder: Path) -> ModelConfig:
    """The configuration of the network saved in `folder`; raises what `load_model` does."""
    path = Path(folder) / CONFIG_FILE
    record = _read_record(path)
    if record.get("format") != FORMAT:
        raise SchemaError(f"{path}: not the configuration of a partflow model")
    if record.get("format_version") != FORMAT_VERSION:
        raise SchemaError(
            f"{path}: model format {record.get('format_version')}, this version reads "
            f"{FORMAT_VERSION}; train again or install the partflow that wrote it "
            f"({record.get('partflow_version', 'unknown')})"
        )
    stored = record.get("model")
    if not isinstance(stored, dict):
        raise SchemaError(f"{path}: holds no model configuration")
    values = dict(stored)
    parts: dict[str, Any] = {}
    for name, kind in PARTS.items():
        parts[name] = values.pop(name, {})
        if not isinstance(parts[name], dict):
            raise SchemaError(f"{path}: model.{name} is {parts[name]!r}, which is no configuration")
        _check_fields(path, kind, parts[name], f"model.{name}.")
    _check_fields(path, ModelConfig, {**values, **parts}, "model.")
    values["features"] = tuple(values["features"])
    _check_features(path, values["features"])
    try:
        made = {name: kind(**parts[name]) for name, kind in PARTS.items() if parts[name]}
        return ModelConfig(**values, **made)
    except (ConfigError, TypeError) as error:
        raise SchemaError(f"{path}: {error}; the file was changed or is damaged") from error


def load_provenance(folder: Path) -> Provenance | None:
    """Where the network in `folder` came from, if that was recorded."""
    record = _read_record(Path(folder) / CONFIG_FILE).get("provenance")
    return Provenance(**record) if isinstance(record, dict) else None


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; give the output folder of a finished `partflow train`"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); train again") from error
    if not isinstance(record, dict):
        raise SchemaError(f"{path}: not the configuration of a partflow model")
    return record


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; give the output folder of a finished `partflow train`"
        ) from None
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: damaged weights ({error}); train again") from error


def _check_fields(path: Path, kind: type, values: Mapping[str, Any], prefix: str) -> None:
    known = {f.name: f for f in fields(kind)}
    for name in values:
        if name not in known:
            raise SchemaError(f"{path}: {prefix}{name} is unknown to this version of partflow")
    for name, f in known.items():
        if name not in values and f.default is MISSING and f.default_factory is MISSING:
            raise SchemaError(f"{path}: {prefix}{name} is missing")


def _check_features(path: Path, features: tuple[str, ...]) -> None:
    """Raise SchemaError, naming the column, unless `features` are the element columns."""
    for number, (needed, present) in enumerate(zip(features, ELEMENTS.names, strict=False)):
        if needed != present:
            raise SchemaError(
                f"{path}: column {number} of the model's features is {needed!r}, that of the "
                f"elements is {present!r}; use the partflow that trained the model, or train again"
            )
    if len(features) != len(ELEMENTS.names):
        longer = features if len(features) > len(ELEMENTS.names) else ELEMENTS.names
        odd = longer[min(len(features), len(ELEMENTS.names))]
        where = "the elements have no column" if longer is features else "the model does not know"
        raise SchemaError(f"{path}: {where} {odd!r}; train again with this version")


def _check_tensors(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path) -> None:
    for name, tensor in expected.items():
        if name not in found:
            raise InputError(f"{path}: tensor {name!r} is missing; train again")
        if found[name].shape != tensor.shape:
            raise InputError(
                f"{path}: tensor {name!r} has shape {tuple(found[name].shape)}, the configuration "
                f"beside it needs {tuple(tensor.shape)}; were files of two models mixed?"
            )
        if found[name].dtype != tensor.dtype:
            raise InputError(
                f"{path}: tensor {name!r} is {found[name].dtype}, needed is {tensor.dtype}"
            )
    for name in found:
        if name not in expected:
            raise InputError(
                f"{path}: tensor {name!r} belongs to no part of the configured network; "
                "were files of two models mixed?"
            )
