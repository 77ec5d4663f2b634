"""Model folders: trained on labelled events, or imported from a published checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partflow.core.origins import Origin, origin_of
from partflow.core.outputs import growing_folder
from partflow.core.progress import say_done
from partflow.core.provenance import fingerprint, make_provenance
from partflow.model.bundled import find_model
from partflow.pipeline.folders import PACKED

if TYPE_CHECKING:  # torch is imported by the stages that need it
    from partflow.dataset.mixture import Mixture
    from partflow.train.configuration import Configuration
    from partflow.train.dry_run import DryRun


def train(
    labelled: Path | Sequence[Path],
    output: Path,
    preset: str = "small",
    config: Path | None = None,
    *,
    resume: bool = False,
    initial_model: str | Path | None = None,
    report: Callable[[int, float], bool] | None = None,
    **options: Any,
) -> Any:
    """Train a network on labelled events.

    Args:
        labelled: Folders of `label`, or of an `ingest` of published data.
        output: Model folder to write.
        preset: Name of the preset (`partflow.presets`) to start from.
        config: Configuration file to start from, or the folder of a former run, instead.
        resume: Continue the run in `output`.
        initial_model: Model folder, or name of a bundled model, that the training starts from, with
            its network.
        report: Called after every validation with step and loss; True ends the run.
        options: Fields of the configuration that override the start, by the names of the options of
            the command line: `dim=256`, `max_minutes=10`, `**{"loss.share": 5}`.

    Returns:
        `train.trainer.TrainResult`.

    Raises:
        ConfigError: A preset, an option or a field of the file is unknown or not possible.
    """
    from partflow.train.trainer import train as train_network

    folders = [labelled] if isinstance(labelled, Path) else list(labelled)
    if initial_model is not None:
        initial_model = find_model(initial_model)
    mixture, configuration = _configured(folders, preset, config, options, initial_model)
    settings = {"preset": preset, **asdict(configuration)}
    inputs = folders if initial_model is None else [*folders, initial_model]
    provenance = make_provenance("model", settings, configuration.train.seed, inputs)
    result = train_network(
        mixture,
        configuration.model,
        configuration.train,
        output,
        resume=resume,
        initial_model=initial_model,
        provenance=provenance,
        report=report,
    )
    if result.rank == 0:  # all processes of a scheduler or of torchrun come here
        _describe_data(output, mixture, initial_model)
    return result


def _describe_data(output: Path, mixture: Mixture, initial_model: Path | None) -> None:
    """Write `data.json`: the events of the training, and how they were made."""
    from partflow.train.training_data import TrainingData, source_events, write_training_data

    def origin(path: Path) -> Origin:
        return origin_of(path, fingerprint(path), [])

    packed = (source.dataset.folder for source in mixture.sources)
    data = TrainingData(
        source_events(mixture),
        tuple(origin(path.parent if path.name == PACKED else path) for path in packed),
        None if initial_model is None else origin(initial_model),
    )
    write_training_data(output, data)


def dry_run(
    labelled: Path | Sequence[Path],
    preset: str = "small",
    config: Path | None = None,
    *,
    initial_model: str | Path | None = None,
    **options: Any,
) -> DryRun:
    """Size, memory, speed and end of the training that `train` would run; writes nothing.

    Arguments and errors are those of `train`.
    """
    from partflow.train.dry_run import dry_run as measure

    folders = [labelled] if isinstance(labelled, Path) else list(labelled)
    mixture, configuration = _configured(folders, preset, config, options, initial_model)
    return measure(mixture, configuration.model, configuration.train)


def _configured(
    folders: Sequence[Path],
    preset: str,
    config: Path | None,
    options: Mapping[str, Any],
    initial_model: str | Path | None = None,
) -> tuple[Mixture, Configuration]:
    """The labelled events, and the configuration of a training on them.

    A training that starts from a model has its network, but for what `options` name.
    """
    from partflow.dataset.mixture import Mixture
    from partflow.model.folder import check_named_code
    from partflow.presets import starting_configuration

    start = starting_configuration(preset, config, initial_model)
    if initial_model is not None:
        named = options.get("backbone"), options.get("head")
        check_named_code(start.model, initial_model, *named)
    chosen = start.with_options(options)
    training = chosen.train
    mixture = Mixture.open(
        folders,
        training.weights or None,
        training.train_events,
        training.validation_events,
        training.validation_fraction,
    )
    model = chosen.model.for_labels(mixture.element_set, mixture.has_shares)
    return mixture, replace(chosen, model=model.at(mixture.face))


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
