"""Training that starts from a trained network: for another detector, engine or data set.

Fine-tuning with all weights or with the heads alone needs fewer events than a training from scratch
(arXiv:2503.00131 measures it for MLPF).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from partflow.core.errors import ConfigError
from partflow.model.config import ModelConfig
from partflow.model.folder import load_model
from partflow.model.mlpf import MLPF
from partflow.train.config import Frozen

OF_THE_EVENTS = ("detector", "face_radius", "face_half_length", "readout", "dropout")
"""Settings in which a network and the one that it starts from may differ."""


def load_initial_weights(model: MLPF, folder: str | Path) -> None:
    """Give `model` the weights and the standardisation of the network in `folder`.

    `folder` may be the name of a bundled model. Raises InputError where there is none, ConfigError
    where it has another configuration.
    """
    initial = load_model(folder)
    if not isinstance(initial, MLPF):
        raise ConfigError(f"{folder}: an imported network of MLPF v2.2.0 cannot be trained further")
    check_same_network(model.config, initial.config, folder)
    model.load_state_dict(initial.state_dict())


def check_same_network(config: ModelConfig, initial: ModelConfig, folder: str | Path) -> None:
    """Raise ConfigError, naming the first setting in which the two networks differ."""
    stored = asdict(initial)
    for name, value in asdict(config).items():
        if name not in OF_THE_EVENTS and value != stored[name]:
            raise ConfigError(
                f"{folder}: has model.{name} = {stored[name]}, not {value}; a training that starts "
                "from it needs the same network"
            )


def freeze(model: MLPF, frozen: Frozen) -> None:
    """Keep the weights of some parts of `model` as they are.

    Standardisations have no weights that are trained.
    """
    parts = {
        "nothing": [],
        "backbone": [model.backbone],
        "all_but_heads": [model.backbone, model.track_encoder, model.cluster_encoder],
    }[frozen]
    for part in parts:
        part.requires_grad_(False)
