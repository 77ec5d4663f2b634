"""The program, its kinds of arguments, and how docstrings become help texts."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg
from tyro.extras import SubcommandApp

from partflow.core.errors import ConfigError

InputPaths = Positional[
    Annotated[list[Path], arg(metavar="PATH [PATH ...]", help_behavior_hint="(required)")]
]
OutputPath = Annotated[Path, arg(metavar="PATH")]
OptionalPath = Annotated[Path | None, arg(metavar="PATH", help_behavior_hint="(default: none)")]
NamedFiles = Annotated[
    tuple[str, ...], arg(metavar="[NAME=FILE ...]", help_behavior_hint="(default: none)")
]
"""Candidate sets, see `named_files`."""

DESCRIPTION = (
    "Machine-learned particle flow for e+e- collisions: from simulated collisions to reconstructed "
    "particles and their evaluation. The verbs are listed in the order of the work; `partflow VERB "
    "--help` explains one of them."
)


def run_verb(verbs: Sequence[Callable[..., None]], arguments: Sequence[str]) -> None:
    """Parse `arguments` and call the verb that they name, with its options.

    `partflow --help` shows the first sentence of each verb, `partflow VERB --help` its whole
    docstring.
    """
    app = SubcommandApp()
    is_overview = not arguments or arguments[0].startswith("-")
    for verb in verbs:
        verb.__doc__ = _with_joined_lines(verb.__doc__ or "")
        summary = verb.__doc__.partition("\n")[0]
        name = verb.__name__.replace("_", "-")
        app.command(name=name, help=summary if is_overview else None)(verb)
    app.cli(prog="partflow", description=DESCRIPTION, args=arguments, config=(FlagCreatePairsOff,))


def named_files(pairs: tuple[str, ...]) -> dict[str, Path]:
    """The pairs NAME=FILE as a dictionary; raises ConfigError for anything else.

    >>> named_files(("mlpf=mlpf.parquet",))
    {'mlpf': PosixPath('mlpf.parquet')}
    """
    named: dict[str, Path] = {}
    for pair in pairs:
        name, equals, file = pair.partition("=")
        if not (name and equals and file):
            raise ConfigError(f"--candidates {pair}: give NAME=FILE, as in mlpf=mlpf.parquet")
        if name in named:
            raise ConfigError(f"--candidates {pair}: the name {name!r} is given twice")
        named[name] = Path(file)
    return named


def _with_joined_lines(docstring: str) -> str:
    """The docstring with each paragraph, and the text of each argument, on one line.

    Otherwise the help would keep some of the docstring's line breaks.
    """
    text, title, arguments = inspect.cleandoc(docstring).partition("\n\nArgs:\n")
    text = re.sub(r"(?<!\n)\n(?!\n)", " ", text)
    return text + title + re.sub(r"\n {8}(?=\S)", " ", arguments)
