"""Model folders: trained on labelled events, or imported from a published checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partflow.core.outputs import growing_folder
from partflow.core.progress import say_done
from partflow.core.provenance import make_provenance
from partflow.pipeline.folders import PACKED

if TYPE_CHECKING:  # torch is imported by the stages that need it
    from partflow.dataset.packed import PackedDataset
    from partflow.train.configuration import Configuration
    from partflow.train.dry_run import DryRun


def train(
    labelled: Path,
    output: Path,
    preset: str = "small",
    config: Path | None = None,
    *,
    resume: bool = False,
    **options: Any,
) -> Any:
    """Train a network on labelled events.

    Args:
        labelled: Folder of `label`.
        output: Model folder to write.
        preset: Name of the preset (`partflow.presets`) to start from.
        config: Configuration file to start from, or the folder of a former run, instead.
        resume: Continue the run in `output`.
        options: Fields of the configuration that override the start, by the names of the options of
            the command line: `dim=256`, `max_minutes=10`, `**{"loss.share": 5}`.

    Returns:
        `train.trainer.TrainResult`.

    Raises:
        ConfigError: A preset, an option or a field of the file is unknown or not possible.
    """
    from partflow.train.trainer import train as train_network

    dataset, configuration = _configured(labelled, preset, config, options)
    settings = {"preset": preset, **asdict(configuration)}
    provenance = make_provenance("model", settings, configuration.train.seed, [labelled])
    return train_network(
        dataset,
        configuration.model,
        configuration.train,
        output,
        resume=resume,
        provenance=provenance,
    )


def dry_run(
    labelled: Path, preset: str = "small", config: Path | None = None, **options: Any
) -> DryRun:
    """Size, memory, speed and end of the training that `train` would run; writes nothing.

    Arguments and errors are those of `train`.
    """
    from partflow.train.dry_run import dry_run as measure

    dataset, configuration = _configured(labelled, preset, config, options)
    return measure(dataset, configuration.model, configuration.train)


def _configured(
    labelled: Path, preset: str, config: Path | None, options: Mapping[str, Any]
) -> tuple[PackedDataset, Configuration]:
    """The labelled events, and the configuration of a training on them."""
    from partflow.dataset.packed import PackedDataset
    from partflow.presets import starting_configuration

    chosen = starting_configuration(preset, config).with_options(options)
    dataset = PackedDataset.open(labelled / PACKED)
    model = chosen.model.for_labels(dataset.element_set, dataset.shares is not None)
    return dataset, replace(chosen, model=model.at(dataset.face))


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
