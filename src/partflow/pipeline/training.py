"""Model folders: trained on labelled events, or imported from a published checkpoint."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from partflow.core.outputs import growing_folder
from partflow.core.progress import say_done
from partflow.core.provenance import make_provenance
from partflow.pipeline.folders import PACKED

NO_LIMIT = 1_000_000
"""Epochs of a run that only the time limit ends: more than any run reaches."""


def train(
    labelled: Path,
    output: Path,
    preset: str = "small",
    max_minutes: float | None = None,
    epochs: int | None = None,
    seed: int = 1,
    threads: int | None = None,
    resume: bool = False,
    backbone: Literal["transformer", "gnn_lsh", "favor"] = "transformer",
    head: Literal["direct", "sharing"] | None = None,
) -> Any:
    """Train a network on labelled events.

    Args:
        labelled: Folder of `label`.
        output: Model folder to write.
        preset: Name of the preset (`partflow.presets`).
        max_minutes: Minutes of training; no limit if None.
        epochs: Passes over the events. If None: no limit with `max_minutes`, else the preset's.
        seed: Seed of the weights and of the order of events.
        threads: CPU threads; all cores if None.
        resume: Continue the run in `output`.
        backbone: Backbone of the network.
        head: Head of the network. If None: `sharing` where the labels hold energy shares, else
            `direct`.

    Returns:
        `train.trainer.TrainResult`.
    """
    from partflow.dataset.packed import PackedDataset
    from partflow.presets import preset as find_preset
    from partflow.train.trainer import train as train_network

    chosen = find_preset(preset)
    if epochs is None:
        epochs = chosen.train.epochs if max_minutes is None else NO_LIMIT
    config = replace(
        chosen.train, epochs=epochs, max_minutes=max_minutes, seed=seed, threads=threads
    )
    dataset = PackedDataset.open(labelled / PACKED)
    if head is None:
        head = "direct" if dataset.shares is None else "sharing"
    model = replace(chosen.model, elements=dataset.element_set, backbone=backbone, head=head)
    model = model.at(dataset.face)
    settings = {"preset": preset, "model": asdict(model), "train": asdict(config)}
    provenance = make_provenance("model", settings, seed, [labelled])
    return train_network(dataset, model, config, output, resume=resume, provenance=provenance)


def import_checkpoint(
    checkpoint: Path, kwargs: Path, output: Path, overwrite: bool = False
) -> None:
    """Make a model folder of a checkpoint of the published MLPF v2.2.0.

    Args:
        checkpoint: File with the weights (.pth).
        kwargs: File with the arguments of the network (.pkl or .json).
        output: Model folder to write.
        overwrite: Whether to replace a folder of another checkpoint.
    """
    from partflow.model.folder import save_model
    from partflow.model.published.checkpoint import import_checkpoint as read_checkpoint

    model = read_checkpoint(checkpoint, kwargs)  # first: it checks the files
    settings = {"architecture": "published"}
    provenance = make_provenance("model", settings, inputs=[checkpoint, kwargs])
    with growing_folder(output, provenance, overwrite) as folder:
        if folder is None:
            return say_done(output)
        save_model(model, folder, provenance)
