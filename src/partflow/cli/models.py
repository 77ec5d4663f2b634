"""The verb for the models that come with the package."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

if TYPE_CHECKING:
    from rich.table import Table

    from partflow.model.bundled import BundledModel

ModelOfPath = Annotated[
    str | None, arg(metavar="[NAME]", help_behavior_hint="(required with path)")
]


def models(
    action: Positional[Literal["list", "path"]], name: Positional[ModelOfPath] = None
) -> None:
    """Show the trained networks that come with partflow, or where one of them is.

    `list` shows for which detector and simulation each was trained; `path` prints the model folder
    of one of them and nothing else, for scripts. `partflow reconstruct` uses the model that fits
    the events; its --model, and --init of `partflow train`, take a name.

    Example: partflow models list

    Args:
        action: What to show.
        name: Full name, or the short name, which stands for the newest version (path).
    """
    from partflow.core.errors import ConfigError
    from partflow.model.bundled import bundled_model

    if action == "path":
        if name is None:
            raise ConfigError("no NAME: give that of a model; `partflow models list` shows them")
        print(bundled_model(name).folder)
    elif name is not None:
        raise ConfigError(f"{name}: `partflow models list` lists all and takes no name")
    else:
        _list()


def _list() -> None:
    """Print a table of the models, and below it those that cannot be used."""
    from rich.console import Console

    from partflow.model.bundled import OWN_MODELS, bundled_models

    installed, errors = bundled_models()
    if installed:
        # In a file or a pipe the table must not depend on the width of the terminal.
        Console(width=None if sys.stdout.isatty() else 110).print(_table(installed))
    elif not errors:
        print(f"No models are installed with this partflow; {OWN_MODELS}.")
    for error in errors:
        print(f"cannot be used: {error}")


def _table(installed: list[BundledModel]) -> Table:
    """The models, one a row."""
    from rich.table import Table
    from rich.text import Text

    from partflow.model.bundled import TRAINED_ON

    table = Table(
        caption=f"A short name, such as {installed[0].short_name}, stands for the newest version.",
        caption_justify="left",
    )
    for heading in ("name", "detector", "trained on", "elements"):
        table.add_column(heading, no_wrap=True)
    for heading in ("parameters", "size"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("what it is")
    for model in installed:
        table.add_row(
            model.name,
            model.config.detector,
            TRAINED_ON[model.entry.engine],
            model.config.elements,
            f"{model.num_parameters / 1e6:.2f} M",
            f"{model.num_bytes / 1e6:.1f} MB",
            Text(model.entry.description),  # brackets stay brackets
        )
    return table
