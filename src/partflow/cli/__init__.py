"""The command line: one thin verb for each stage.

A verb imports the packages it needs when it is called, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from partflow import __version__
from partflow.cli.app import run_verb
from partflow.cli.cards import card, pull, push
from partflow.cli.detector import calibrate, detector, validate
from partflow.cli.evaluation import compare, demo, display, evaluate
from partflow.cli.events import generate, ingest, simulate
from partflow.cli.files import export_dataset, inspect
from partflow.cli.geant4 import geant4
from partflow.cli.models import models
from partflow.cli.network import import_checkpoint, label, reconstruct
from partflow.cli.recipe import recipe
from partflow.cli.training import config, train
from partflow.cli.tuning import tune
from partflow.core.errors import PartflowError
from partflow.core.threads import shorten_waiting

__all__ = ["VERBS", "main"]

INTERRUPTED = 128 + signal.SIGINT
CLOSED_PIPE = 128 + signal.SIGPIPE
"""Exit status where the program that reads the output has ended."""
VERBS: tuple[Callable[..., None], ...] = (
    demo,
    generate,
    simulate,
    ingest,
    label,
    config,
    train,
    tune,
    import_checkpoint,
    models,
    reconstruct,
    evaluate,
    compare,
    card,
    push,
    pull,
    display,
    inspect,
    export_dataset,
    detector,
    calibrate,
    validate,
    geant4,
    recipe,
)
"""All verbs, in the order of `partflow --help`."""


def main() -> None:
    """Run the verb on the command line; a user's mistake ends in one line and a nonzero status."""
    if sys.argv[1:] == ["--version"]:
        print(f"partflow {__version__}")
        return
    shorten_waiting()  # before a verb imports torch
    sys.exit(_status_of_verb(sys.argv[1:]))


def _status_of_verb(arguments: list[str]) -> int:
    """Exit status of the verb; errors are printed on standard error."""
    try:
        run_verb(VERBS, arguments)
    except PartflowError as error:
        print(f"partflow: error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(
            "partflow: interrupted; run the same command again to continue or to start over",
            file=sys.stderr,
        )
        return INTERRUPTED
    except BrokenPipeError:  # `partflow train --help | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the last flush
        return CLOSED_PIPE
    return 0
