"""Model folders: the weights of a network and what is needed to use them.

    run/model.safetensors   weights and standardisation
    run/config.json         format, architecture, configuration, feature list, provenance

The architecture is that of `MLPF` or of published MLPF v2.2.0 (`ARCHITECTURES`). Nothing in a
folder is executed when it is read: safetensors holds numbers only, msgspec decodes the JSON into
the dataclasses of the configuration, and code outside of partflow that the configuration names is
imported only where the user names it as well. A folder from elsewhere is safe to open.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from partflow import __version__
from partflow.core.errors import ConfigError, InputError, SchemaError
from partflow.core.features import ELEMENTS
from partflow.core.json_objects import from_json_object
from partflow.core.outputs import replacing, write_text
from partflow.core.provenance import Provenance
from partflow.model.bundled import find_model
from partflow.model.config import ModelConfig
from partflow.model.files import CONFIG_FILE, WEIGHTS_FILE
from partflow.model.mlpf import MLPF
from partflow.model.published.config import PUBLISHED_FEATURES, PublishedConfig
from partflow.model.published.mlpf import PublishedMLPF
from partflow.model.registry import BACKBONE_REGISTRY, HEAD_REGISTRY

Config = ModelConfig | PublishedConfig
Model = MLPF | PublishedMLPF

FORMAT = "partflow-model"
FORMAT_VERSION = 4
"""Format of the folder; folders of other versions are refused."""


class Architecture(NamedTuple):
    """A kind of network that a folder may hold."""

    network: type[MLPF] | type[PublishedMLPF]
    config: type[ModelConfig] | type[PublishedConfig]
    features: tuple[str, ...]
    """The element columns that such a network reads."""


ARCHITECTURES = {
    "mlpf": Architecture(MLPF, ModelConfig, ELEMENTS.names),
    "published": Architecture(PublishedMLPF, PublishedConfig, PUBLISHED_FEATURES),
}
"""By the name in the file; a file without a name holds the first."""


FORMER_NAMES = {
    "trunk.": "backbone.",
    "track_heads.": "head.track_heads.",
    "cluster_heads.": "head.cluster_heads.",
    "sharing.": "head.sharing.",
}
"""Beginnings of the names of weights in folders of partflow up to 0.1.0, and the present ones."""


def save_model(model: Model, folder: Path, provenance: Provenance | None = None) -> None:
    """Write the weights of `model` and its configuration into `folder`, each file whole or not at
    all.

    Raises OutputError where the folder cannot be written.
    """
    description = {
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
    write_text(folder / CONFIG_FILE, json.dumps(description, indent=1))


def load_model(folder: str | Path, backbone: str | None = None, head: str | None = None) -> Model:
    """The network saved in `folder`, ready for inference.

    `folder` is a model folder or the name of a bundled model (`model.bundled`). A backbone or head
    that the folder names as package.module:Class is imported only if `backbone` or `head` names it,
    too.

    Raises InputError where a file is missing or damaged or a tensor does not fit, SchemaError
    where the folder is of another version or its features differ from those of this version, and
    ConfigError for an unknown name, and for a backbone or head that was not named or cannot be
    imported.
    """
    folder = find_model(folder)
    config = load_config(folder)
    weights = _read_weights(folder / WEIGHTS_FILE)
    model: Model
    if isinstance(config, ModelConfig):
        check_named_code(config, folder, backbone, head)
        model, weights = MLPF(config), with_present_names(weights)
    else:
        model = PublishedMLPF(config)
    check_tensors(
        model.state_dict(),
        weights,
        folder / WEIGHTS_FILE,
        "the files may be of two models; train or import the model again",
    )
    model.load_state_dict(weights)
    return model.eval()


def check_named_code(
    config: ModelConfig, folder: str | Path, backbone: str | None = None, head: str | None = None
) -> None:
    """Raise ConfigError unless the network `config`, read from `folder`, may be made.

    Call it before `MLPF(config)`: a folder from elsewhere could name any code that can be imported.
    `backbone` and `head` are what the user named.
    """
    BACKBONE_REGISTRY.check_named_again(config.backbone, backbone, folder)
    HEAD_REGISTRY.check_named_again(config.head, head, folder)


def with_present_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of an `MLPF`, by the names of this version if they have those of a former one.

    >>> import torch
    >>> list(with_present_names({"trunk.norm.weight": torch.zeros(2)}))
    ['backbone.norm.weight']
    """
    renamed = {}
    for name, tensor in weights.items():
        former = next((begin for begin in FORMER_NAMES if name.startswith(begin)), None)
        if former is not None:
            name = FORMER_NAMES[former] + name.removeprefix(former)
        renamed[name] = tensor
    return renamed


def load_config(folder: str | Path) -> Config:
    """The configuration of the network saved in `folder`; raises what `load_model` does."""
    path = find_model(folder) / CONFIG_FILE
    description = _read_description(path)
    if description.get("format_version") != FORMAT_VERSION:
        raise SchemaError(
            f"{path}: model format {description.get('format_version')}, this version reads "
            f"{FORMAT_VERSION}; train again or install the partflow that wrote it "
            f"({description.get('partflow_version', 'unknown')})"
        )
    name = description.get("architecture", next(iter(ARCHITECTURES)))
    if name not in ARCHITECTURES:
        raise SchemaError(
            f"{path}: architecture {name!r} is unknown to this version of partflow, which has "
            f"{', '.join(ARCHITECTURES)}; install the partflow that wrote it"
        )
    stored = description.get("model")
    if not isinstance(stored, dict):
        raise SchemaError(f"{path}: holds no model configuration; train or import the model again")
    architecture = ARCHITECTURES[name]
    try:
        config: Config = from_json_object(architecture.config, stored)
    except ConfigError as error:
        raise SchemaError(
            f"{path}: the model configuration is damaged or of another version of partflow: {error}"
        ) from error
    _check_features(path, stored.get("features", ()), architecture.features)
    return config


def load_provenance(folder: str | Path) -> Provenance | None:
    """The provenance stored in `folder`, None if there is none; raises what `load_model` does."""
    path = find_model(folder) / CONFIG_FILE
    stored = _read_description(path).get("provenance")
    if stored is None:
        return None
    try:
        return from_json_object(Provenance, stored)
    except ConfigError as error:
        raise SchemaError(f"{path}: damaged provenance: {error}") from error


def _architecture_name(model: Model) -> str:
    """The name of the architecture of `model`."""
    return next(n for n, a in ARCHITECTURES.items() if type(model) is a.network)


def _read_description(path: Path) -> dict[str, Any]:
    """The JSON object in `path`; raises SchemaError where it does not describe a model."""
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; give the output folder of a finished `partflow train`"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); train again") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise SchemaError(
            f"{path}: not the configuration of a partflow model; give the output folder of "
            "`partflow train`"
        )
    return description


def _read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors in `path`, by name."""
    try:
        return load_file(path)
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; give the output folder of a finished `partflow train`"
        ) from None
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: damaged weights ({error}); train again") from error


def _check_features(path: Path, features: Sequence[str], columns: tuple[str, ...]) -> None:
    """Raise SchemaError, naming the column, unless `features` are the element's `columns`."""
    for index, (feature, column) in enumerate(zip(features, columns, strict=False)):
        if feature != column:
            raise SchemaError(
                f"{path}: column {index} of the model's features is {feature!r}, that of the "
                f"elements is {column!r}; use the partflow that trained the model, or train again"
            )
    if len(features) != len(columns):
        longer = features if len(features) > len(columns) else columns
        extra = longer[min(len(features), len(columns))]
        where = "the elements have no column" if longer is features else "the model does not know"
        raise SchemaError(f"{path}: {where} {extra!r}; train again with this version")


def check_tensors(
    expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor], path: Path, advice: str
) -> None:
    """Raise InputError, naming the tensor, unless the `tensors` of `path` are those `expected`.

    Names, shapes and types are compared; `advice` ends the message.
    """
    for name, needed in expected.items():
        tensor = tensors.get(name)
        if tensor is None:
            raise InputError(f"{path}: tensor {name!r} is missing; {advice}")
        if tensor.shape != needed.shape:
            raise InputError(
                f"{path}: tensor {name!r} has shape {tuple(tensor.shape)}, the configuration next "
                f"to it needs {tuple(needed.shape)}; {advice}"
            )
        if tensor.dtype != needed.dtype:
            raise InputError(
                f"{path}: tensor {name!r} is {tensor.dtype}, needed is {needed.dtype}; {advice}"
            )
    for name in tensors:
        if name not in expected:
            raise InputError(
                f"{path}: tensor {name!r} belongs to no part of the configured network; {advice}"
            )
