"""Verbs that show how good a reconstruction is."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from partflow.cli.app import NamedFiles, OptionalPath, OutputPath, named_files

JetMinPt = Annotated[
    float | None,
    arg(metavar="GEV", help_behavior_hint="(default: 5 with --jet-radius 0.4, 15 with 0.7)"),
]


def demo(output: OutputPath = Path("demo"), workers: int = 2, seed: int = 1) -> None:
    """Run all stages in a few minutes: events, training, reconstruction, report.

    Generates and simulates 3300 events, trains a small network for two and a half minutes, and
    evaluates it on events that it has not seen. `partflow inspect demo/` lists what was written.

    Example: partflow demo --output demo/

    Args:
        output: Folder to write.
        workers: Number of processes and threads.
        seed: Seed of the random numbers; the same seed gives the same events.
    """
    from partflow import pipeline

    _show_metrics(pipeline.demo(output, workers, seed), output / "report")


def evaluate(
    events: Positional[Path],
    output: OutputPath,
    candidates: NamedFiles = (),
    jet_radius: float = 0.4,
    jet_min_pt: JetMinPt = None,
    correct: bool = False,
    require: OptionalPath = None,
    no_plots: bool = False,
    overwrite: bool = False,
    workers: int = 2,
) -> None:
    """Compare candidates with the truth: jets, missing momentum, particles.

    The baseline, perfect particle flow and the training target are evaluated with the given
    candidate sets. Writes metrics.json, plots, and the report index.html.

    Example: partflow evaluate events/ --candidates mlpf=mlpf.parquet --output report/

    Args:
        events: Folder of `partflow simulate` or `partflow ingest`.
        output: Folder to write.
        candidates: Candidate sets: a name for the report, and a file of `partflow reconstruct`.
        jet_radius: Radius parameter R of the jets (0.7 in older publications).
        jet_min_pt: Smallest pt of jets [GeV].
        correct: Give jet metrics also with corrected energies. The correction in pt and eta is
            derived on one half of the events and applied to the other half.
        require: Gate file with bounds on metrics; a metric outside of its bounds ends in status 6.
        no_plots: Write tables only: plots and event displays take most of the time.
        overwrite: Replace an output that was made with other settings.
        workers: Number of threads and processes for intervals and plots.
    """
    from partflow import pipeline
    from partflow.evaluate import EvaluationConfig
    from partflow.evaluate.gate import read_gate
    from partflow.evaluate.gate import require as require_bounds

    bounds = None if require is None else read_gate(require)  # a bad gate file fails at once
    config = replace(EvaluationConfig.with_radius(jet_radius, jet_min_pt), correct=correct)
    metrics = pipeline.evaluate(
        events, named_files(candidates), output, overwrite, config, workers, not no_plots
    )
    _show_metrics(metrics, output)
    if require is not None and bounds is not None:
        require_bounds(metrics, bounds, require)


def compare(first: Positional[Path], second: Positional[Path], output: OptionalPath = None) -> None:
    """Compare two reports: which metrics differ, by how much, and how significantly.

    Reports on the same events are compared event by event, others as independent samples.

    Example: partflow compare report-before/ report-after/

    Args:
        first: Folder of `partflow evaluate`.
        second: Another one; its metrics are compared with those of the first.
        output: JSON file to write, with all differences.
    """
    from rich.console import Console

    from partflow import pipeline
    from partflow.report.terminal import comparison_table

    comparison = pipeline.compare(first, second, output)
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(comparison_table(comparison))
    console.print(comparison.sentence, markup=False, soft_wrap=True)


def display(
    events: Positional[Path],
    output: OutputPath,
    event: tuple[int, ...] = (0,),
    candidates: NamedFiles = (),
    overwrite: bool = False,
) -> None:
    """Show events in 3D: hits, tracks, clusters, particles, and errors in red.

    Writes one HTML page that opens from disk, and a PNG of each event. The baseline, perfect
    particle flow and the training target are shown with the given candidate sets.

    Example: partflow display events/ --event 3 --candidates mlpf=mlpf.parquet --output show.html

    Args:
        events: Folder of `partflow simulate` or `partflow ingest`.
        output: HTML page to write.
        event: Positions of the events in the folder, from 0.
        candidates: Candidate sets: a name for the page, and a file of `partflow reconstruct`.
        overwrite: Replace an existing page.
    """
    from partflow import pipeline

    for file in pipeline.display(events, event, named_files(candidates), output, overwrite):
        print(file)


def _show_metrics(metrics: dict[str, Any], report: Path) -> None:
    """Print the table of jets, and where the report is."""
    from rich.console import Console

    from partflow.report.terminal import jet_table

    # In a file or a pipe the table must not depend on the width of the terminal.
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(jet_table(metrics))
    console.print(f"The report: {report / 'index.html'}", markup=False, soft_wrap=True)
