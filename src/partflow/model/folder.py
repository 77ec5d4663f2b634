"""A trained network as a folder: weights and, beside them, everything needed to use them.

    run/model.safetensors   weights, and the standardisation fitted with them
    run/config.json         format, architecture, configuration, feature list, provenance

The architecture is this project's own or a published one (`ARCHITECTURES`).

Nothing in the folder is executed when it is read, so a model from elsewhere is safe to open.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any, NamedTuple

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
from partflow.model.published.config import PUBLISHED_FEATURES, PublishedConfig
from partflow.model.published.mlpf import PublishedMLPF

Config = ModelConfig | PublishedConfig
Model = MLPF | PublishedMLPF

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
FORMAT = "partflow-model"
FORMAT_VERSION = 4


class Architecture(NamedTuple):
    """A kind of network that a folder may hold."""

    network: type[MLPF] | type[PublishedMLPF]
    config: type[ModelConfig] | type[PublishedConfig]
    parts: Mapping[str, type]
    """Fields of the configuration that are configurations themselves."""
    features: tuple[str, ...]
    """The element columns that such a network must have been made for."""


ARCHITECTURES = {
    "mlpf": Architecture(
        MLPF,
        ModelConfig,
        {"readout": ReadoutConfig, "favor": FavorConfig, "gnn_lsh": GnnLshConfig},
        ELEMENTS.names,
    ),
    "published": Architecture(
        PublishedMLPF, PublishedConfig, {"readout": ReadoutConfig}, PUBLISHED_FEATURES
    ),
}
"""By the name in the file; a file without one holds the first."""


def save_model(model: Model, folder: Path, provenance: Provenance | None = None) -> None:
    """Write the weights of `model` and its configuration into `folder`, each file whole.

    Raises OutputError where the folder cannot be written.
    """
    record = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "partflow_version": __version__,
        "architecture": _architecture_name(model),
        "model": asdict(model.config),
        "num_parameters": model.num_parameters,
        "provenance": None if provenance is None else json.loads(provenance.to_json()),
    }
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    with replacing(folder / WEIGHTS_FILE) as temporary:
        temporary.write_bytes(save(weights, metadata={"format": FORMAT}))
    write_text(folder / CONFIG_FILE, json.dumps(record, indent=1))


def load_model(folder: Path) -> Model:
    """The network saved in `folder`, ready for inference.

    Raises InputError where a file is missing or damaged or a tensor does not fit, SchemaError
    where the folder is of another version or its features are not this program's.
    """
    config = load_config(folder)
    weights = _read_weights(folder / WEIGHTS_FILE)
    model = MLPF(config) if isinstance(config, ModelConfig) else PublishedMLPF(config)
    check_tensors(
        model.state_dict(),
        weights,
        folder / WEIGHTS_FILE,
        "were files of two models mixed? Train or import it again",
    )
    model.load_state_dict(weights)
    return model.eval()


def load_config(folder: Path) -> Config:
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
    name = record.get("architecture", next(iter(ARCHITECTURES)))
    if name not in ARCHITECTURES:
        raise SchemaError(
            f"{path}: architecture {name!r} is unknown to this version of partflow, which has "
            f"{', '.join(ARCHITECTURES)}"
        )
    stored = record.get("model")
    if not isinstance(stored, dict):
        raise SchemaError(f"{path}: holds no model configuration")
    return _resolve(path, ARCHITECTURES[name], stored)


def _resolve(path: Path, architecture: Architecture, stored: Mapping[str, Any]) -> Config:
    """The configuration in the JSON object `stored`."""
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()
    }
    parts: dict[str, Any] = {}
    for name, kind in architecture.parts.items():
        parts[name] = values.pop(name, {})
        if not isinstance(parts[name], dict):
            raise SchemaError(f"{path}: model.{name} is {parts[name]!r}, which is no configuration")
        _check_fields(path, kind, parts[name], f"model.{name}.")
    _check_fields(path, architecture.config, {**values, **parts}, "model.")
    _check_features(path, values.get("features", ()), architecture.features)
    try:
        made = {n: kind(**parts[n]) for n, kind in architecture.parts.items() if parts[n]}
        return architecture.config(**values, **made)
    except (ConfigError, TypeError) as error:
        raise SchemaError(f"{path}: {error}; the file was changed or is damaged") from error


def _architecture_name(model: Model) -> str:
    return next(n for n, a in ARCHITECTURES.items() if type(model) is a.network)


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


def _check_features(path: Path, features: Any, columns: tuple[str, ...]) -> None:
    """Raise SchemaError, naming the column, unless `features` are the element's `columns`."""
    if not isinstance(features, tuple):
        raise SchemaError(f"{path}: model.features is {features!r}, which is no list of columns")
    for number, (needed, present) in enumerate(zip(features, columns, strict=False)):
        if needed != present:
            raise SchemaError(
                f"{path}: column {number} of the model's features is {needed!r}, that of the "
                f"elements is {present!r}; use the partflow that trained the model, or train again"
            )
    if len(features) != len(columns):
        longer = features if len(features) > len(columns) else columns
        odd = longer[min(len(features), len(columns))]
        where = "the elements have no column" if longer is features else "the model does not know"
        raise SchemaError(f"{path}: {where} {odd!r}; train again with this version")


def check_tensors(
    expected: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path, question: str
) -> None:
    """Raise InputError, naming the tensor, unless `found` in `path` are those `expected`.

    `question` is what to ask oneself, and do, if a tensor is not of this network.
    """
    for name, tensor in expected.items():
        if name not in found:
            raise InputError(f"{path}: tensor {name!r} is missing; {question}")
        if found[name].shape != tensor.shape:
            raise InputError(
                f"{path}: tensor {name!r} has shape {tuple(found[name].shape)}, the configuration "
                f"beside it needs {tuple(tensor.shape)}; {question}"
            )
        if found[name].dtype != tensor.dtype:
            raise InputError(
                f"{path}: tensor {name!r} is {found[name].dtype}, needed is {tensor.dtype}"
            )
    for name in found:
        if name not in expected:
            raise InputError(
                f"{path}: tensor {name!r} belongs to no part of the configured network; {question}"
            )
