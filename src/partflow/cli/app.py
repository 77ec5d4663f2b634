"""What all verbs share: the program they belong to, and kinds of arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import arg
from tyro.extras import SubcommandApp

from partflow.core.errors import ConfigError

app = SubcommandApp()
Output = Annotated[Path, arg(metavar="PATH")]


def named_files(pairs: tuple[str, ...]) -> dict[str, Path]:
    """The pairs NAME=FILE as a dictionary; raises ConfigError for anything else."""
    named: dict[str, Path] = {}
    for pair in pairs:
        name, equals, file = pair.partition("=")
        if not (name and equals and file):
            raise ConfigError(f"--candidates {pair}: give NAME=FILE, as in mlpf=mlpf.parquet")
        if name in named:
            raise ConfigError(f"--candidates {pair}: the name {name!r} is given twice")
        named[name] = Path(file)
    return named
