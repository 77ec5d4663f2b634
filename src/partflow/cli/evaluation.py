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
    jet_radius: float = 0.4,
    jet_min_pt: float | None = None,
    require: Path | None = None,
    overwrite: bool = False,
    workers: int = 2,
) -> None:
    """Judge particles against truth: jets, missing momentum, efficiencies.

    The baseline, perfect particle flow and the training target always stand beside the given
    candidates. Writes metrics.json, plots and index.html.

    Example: partflow evaluate events/ --candidates mlpf=mlpf.parquet --output report/

    Args:
        events: Folder of `partflow simulate`.
        output: Folder to write.
        candidates: NAME=FILE, files of `partflow reconstruct`.
        jet_radius: Radius of the jets; 0.7 is that of the older definition.
        jet_min_pt: Lowest pt of jets [GeV]; if not given 5 with radius 0.4, 15 with 0.7.
        require: Gate file; a bound of it that is broken ends in status 6.
        overwrite: Replace an output made with other settings.
        workers: Threads and processes for intervals and figures.
    """
    from partflow import pipeline
    from partflow.evaluate import EvaluationConfig
    from partflow.evaluate.gate import read_gate
    from partflow.evaluate.gate import require as require_bounds

    bounds = None if require is None else read_gate(require)  # a mistake in it is told at once
    config = EvaluationConfig.with_radius(jet_radius, jet_min_pt)
    metrics = pipeline.evaluate(events, named_files(candidates), output, overwrite, config, workers)
    _show_verdict(metrics, output)
    if require is not None and bounds is not None:
        require_bounds(metrics, bounds, require)


@app.command
def compare(first: Positional[Path], second: Positional[Path], output: Path | None = None) -> None:
    """Say which figures of two reports differ, and by how much.

    Reports on the same events are compared event by event, others as independent samples.

    Example: partflow compare report-before/ report-after/

    Args:
        first: Folder of `partflow evaluate`.
        second: Another one; its figures are set against those of the first.
        output: JSON file with all differences.
    """
    from rich.console import Console

    from partflow import pipeline
    from partflow.report.terminal import comparison_table

    found = pipeline.compare(first, second, output)
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(comparison_table(found))
    console.print(found.sentence, soft_wrap=True)


@app.command
def display(
    events: Positional[Path],
    output: Output,
    event: tuple[int, ...] = (0,),
    candidates: tuple[str, ...] = (),
    overwrite: bool = False,
) -> None:
    """Show events in 3D: hits, tracks, clusters, particles, and in red what went wrong.

    Writes a page that needs nothing beside it, and a PNG of each event. Baseline, perfect
    particle flow and the training target always stand beside the given candidates.

    Example: partflow display events/ --event 3 --candidates mlpf=mlpf.parquet --output show.html

    Args:
        events: Folder of `partflow simulate` or `partflow ingest`.
        output: Page to write.
        event: Number(s) of the events in the folder, from 0.
        candidates: NAME=FILE, files of `partflow reconstruct`.
        overwrite: Replace a page that is there.
    """
    from partflow import pipeline

    for file in pipeline.display(events, event, named_files(candidates), output, overwrite):
        print(file)


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

    from partflow.report.terminal import jet_table

    # Into a file or a pipe the table is written whole, however narrow the terminal was.
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(jet_table(metrics))
    console.print(f"The report: {report / 'index.html'}", soft_wrap=True)
