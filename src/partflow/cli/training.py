"""Verbs for the training of a network: its configuration, the training itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import FlagCreatePairsOff, Positional, arg

from partflow.cli.app import InputPaths, OptionalPath, defaults_from

PresetName = Literal["tiny", "small", "base"]
OutputOfTraining = Annotated[
    Path | None, arg(metavar="PATH", help_behavior_hint="(required, but for --dry-run)")
]
RunFolder = Annotated[
    Path | None, arg(metavar="[PATH]", help_behavior_hint="(default: the preset)")
]
InitialModel = Annotated[
    Path | None, arg(metavar="MODEL", help_behavior_hint="(default: new weights)")
]
Flag = FlagCreatePairsOff[bool]


def _default_options(arguments: list[str]) -> dict[str, Any]:
    """The groups of options from the configuration, which is only read where it is needed."""
    from partflow.cli.options import default_options

    return default_options(arguments)


@defaults_from(_default_options)
def train(
    labelled: InputPaths,
    output: OutputOfTraining = None,
    preset: PresetName = "small",
    config: OptionalPath = None,
    init: InitialModel = None,
    resume: Flag = False,
    dry_run: Flag = False,
    model: Any = None,
    train: Any = None,
) -> None:
    """Train a network on labelled events.

    Writes a folder with the model, checkpoints, the loss curve and the configuration. Every field
    of the configuration is an option; --preset or --config give the values that options override.
    The training ends after --epochs or --max-minutes, whichever comes first; the learning rate
    decreases towards that end. After Ctrl-C, --resume continues the training. Next: `partflow
    reconstruct`.

    Example: partflow train labelled/ --preset small --output run/ --max-minutes 10

    Args:
        labelled: Folders of `partflow label`, or of `partflow ingest --format tfds`. Events of
            several folders are mixed; --weights gives their proportions.
        output: Folder to write.
        preset: Network and settings to start from.
        config: Configuration file (`partflow config`) to start from, or the folder of a former run;
            what it does not contain is that of the preset.
        init: Model folder, or name of a bundled model, to start from: its network is trained
            further, on other events or for another detector, whatever --preset and --config say of
            the network; --freeze keeps a part of it.
        resume: Continue the training in --output.
        dry_run: Print the size of the network, its memory, events/s and the estimated end, and
            write nothing.
        model: The network.
        train: Its training.
    """
    from partflow import pipeline
    from partflow.cli.options import given_options
    from partflow.core.errors import ConfigError
    from partflow.presets import starting_configuration

    start = starting_configuration(preset, config, init)
    given = given_options({"model": model, "train": train}, start)
    if dry_run:
        print(pipeline.dry_run(labelled, preset, config, initial_model=init, **given))
        return
    if output is None:
        raise ConfigError("no --output: give the folder to write, or --dry-run")
    result = pipeline.train(
        labelled, output, preset, config, resume=resume, initial_model=init, **given
    )
    if result.rank > 0:  # all processes of a scheduler or of torchrun come here
        return
    print(
        f"{result.folder}: trained on {result.events_seen:,} events in {result.minutes:.1f} min "
        f"({result.events_per_second:.0f} events/s); validation loss {result.validation_loss:.4f}"
    )
    for source, loss in result.source_losses.items():
        print(f"  validation loss of {source}: {loss:.4f}")


def config(run: Positional[RunFolder] = None, preset: PresetName = "small") -> None:
    """Print the configuration of a preset or of a run, as a file for `partflow train --config`.

    The file is TOML with a comment for each field. Next: change it, then `partflow train`.

    Example: partflow config --preset small > my.toml

    Args:
        run: Folder of a former run, or a configuration file.
        preset: Network and settings to print; with a file, those of the fields it does not have.
    """
    from partflow.presets import starting_configuration
    from partflow.train.configuration import config_text

    chosen = starting_configuration(preset, run)
    print(config_text(chosen.model, chosen.train), end="")
