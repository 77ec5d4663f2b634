"""The program, its kinds of arguments, and how docstrings become help texts."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

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


Verb = TypeVar("Verb", bound=Callable[..., None])


def defaults_from(find: Callable[[list[str]], Mapping[str, Any]]) -> Callable[[Verb], Verb]:
    """Decorator of a verb some of whose options depend on others of its arguments.

    `find` makes the defaults of parameters from the arguments of the verb; the type of a default is
    the type of the parameter. It is only called for the verb that the user names.
    """

    def decorate(verb: Verb) -> Verb:
        verb.find_defaults = find  # type: ignore[attr-defined]
        return verb

    return decorate


def run_verb(verbs: Sequence[Callable[..., None]], arguments: Sequence[str]) -> None:
    """Parse `arguments` and call the verb that they name, with its options.

    `partflow --help` shows the first sentence of each verb, `partflow VERB --help` its whole
    docstring. Only the verb that the user names gets its options, which takes time.
    """
    app = SubcommandApp()
    config: tuple[Any, ...] = (FlagCreatePairsOff,)
    for verb in verbs:
        verb.__doc__ = _with_joined_lines(verb.__doc__ or "")
        name = verb.__name__.replace("_", "-")
        if name not in arguments[:1]:
            app.command(name=name, help=verb.__doc__.partition("\n")[0])(_without_options)
            continue
        command = verb
        if find_defaults := getattr(verb, "find_defaults", None):
            command, config = _with_defaults(verb, find_defaults(list(arguments[1:]))), ()
        app.command(name=name)(command)
    app.cli(prog="partflow", description=DESCRIPTION, args=arguments, config=config)


def _without_options() -> None:
    """Stands for the verbs that are listed, but not called."""


def _with_defaults(verb: Callable[..., None], defaults: Mapping[str, Any]) -> Callable[..., None]:
    """`verb` with other defaults, whose types become those of its parameters."""
    changed = functools.partial(verb, **defaults)
    verb.__annotations__ |= {name: type(default) for name, default in defaults.items()}
    return changed


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
