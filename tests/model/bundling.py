"""Tiny models as they come with the package, for tests that let `bundled.WEIGHTS` hold them."""

import tempfile
from pathlib import Path

import torch

from partflow.core.face import CalorimeterFace
from partflow.core.known_detectors import DETECTORS
from partflow.core.provenance import make_provenance
from partflow.model import bundled
from partflow.model.config import ModelConfig
from partflow.model.files import CONFIG_FILE, THRESHOLD_FILE, WEIGHTS_FILE
from partflow.model.folder import save_model
from partflow.model.mlpf import MLPF

FILES = (CONFIG_FILE, WEIGHTS_FILE, THRESHOLD_FILE, bundled.CARD_FILE)


def put_model(
    name: str, engine: str = "fast", detector: str = "clic", seed: int = 1, **config: object
) -> Path:
    """Bundle an untrained network as `name`; returns its folder."""
    config = {"dim": 16, "num_layers": 1, "num_heads": 2, **config}
    with torch.random.fork_rng(), tempfile.TemporaryDirectory() as made:
        torch.manual_seed(seed)
        face = CalorimeterFace.of(DETECTORS[detector])
        folder = Path(made)
        model = MLPF(ModelConfig(**config).at(face))  # type: ignore[arg-type]
        save_model(model, folder, make_provenance("model", {"name": name}))
        (folder / THRESHOLD_FILE).write_text("{}")
        (folder / bundled.CARD_FILE).write_text(f"# {name}\n")
        return bundled.bundle(folder, name, engine, f"An untrained network [seed {seed}].").folder
