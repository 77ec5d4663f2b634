"""The command line: one thin verb per stage.

Rooms are imported by the verb that needs them, so that `--help` answers at once.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

from tyro.conf import FlagCreatePairsOff

from partflow import __version__

from partflow.cli import events, network, evaluation, files  # isort: skip (order of --help)
from partflow.cli.app import app
from partflow.core.errors import PartflowError

__all__ = ["evaluation", "events", "files", "main", "network"]

INTERRUPTED = 128 + signal.SIGINT


def main() -> None:
    """Entry point: a user's mistake ends in one line and a nonzero status."""
    if sys.argv[1:] == ["--version"]:
        print(f"partflow {__version__}")
        return
    sys.exit(_run(_parse_and_run))


def _parse_and_run() -> None:
    app.cli(prog="partflow", description=_DESCRIPTION, config=(FlagCreatePairsOff,))


_DESCRIPTION = """Machine-learned particle flow for e+e- collisions, from the generator to judged
particles. The verbs in their order: generate, simulate (or ingest), label, train, reconstruct,
evaluate; demo does them all."""


def _run(command: Callable[[], object]) -> int:
    try:
        command()
    except PartflowError as error:
        print(f"partflow: error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("partflow: interrupted; the same command goes on or starts again", file=sys.stderr)
        return INTERRUPTED
    return 0
