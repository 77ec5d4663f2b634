"""Verbs that end in a verdict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from partflow.cli.app import Output, app, named_files


@app.command
def evaluate(
    events: Positional[Path],
    output: Output,
    candidates: tuple[str, ...] = (),
    overwrite: bool = False,
) -> None:
    """Judge particles against truth: jets, missing momentum, efficiencies.

    The baseline, perfect particle flow and the training target always stand beside the given
    candidates. Writes metrics.json, plots and index.html.

    Example: partflow evaluate events/ --candidates mlpf=mlpf.parquet --output report/

    Args:
        events: Folder of `partflow simulate`.
        output: Folder to write.
        candidates: NAME=FILE, files of `partflow reconstruct`.
        overwrite: Replace an output made with other settings.
    """
    from partflow import pipeline

    _show_verdict(pipeline.evaluate(events, named_files(candidates), output, overwrite), output)


@app.command
def demo(output: Output = Path("demo"), workers: int = 2, seed: int = 1) -> None:
    """Go the whole way in a few minutes: events, training, reconstruction, report.

    Example: partflow demo --output demo/

    Args:
        output: Folder for everything that is made.
        workers: Processes and threads to use.
        seed: The same seed gives the same events.
    """
    from partflow import pipeline

    _show_verdict(pipeline.demo(output, workers, seed), output / "report")


def _show_verdict(metrics: dict[str, Any], report: Path) -> None:
    from rich.console import Console

    from partflow.evaluate.table import jet_table

    # Into a file or a pipe the table is written whole, however narrow the terminal was.
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(jet_table(metrics))
    console.print(f"The report: {report / 'index.html'}", soft_wrap=True)
