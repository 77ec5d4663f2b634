"""Verbs beside the way: look at files, hand them on, check the simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from partflow.cli.app import Output, app, named_files


@app.command
def inspect(path: Positional[Path]) -> None:
    """Say what a file or folder is, and what will not work with it.

    Example: partflow inspect events/

    Args:
        path: Output of a partflow command, EDM4hep file or TFDS data set.
    """
    from rich.console import Console

    from partflow.ingest.inspection import inspect as look
    from partflow.ingest.inspection_page import render

    Console().print(render(look(path)))


@app.command(name="export-dataset")
def export_dataset(
    source: Positional[Path],
    output: Output,
    format: Literal["tfds", "edm4hep"] = "tfds",
    name: str = "",
    candidates: tuple[str, ...] = (),
    overwrite: bool = False,
) -> None:
    """Write labelled events as a published data set, or events as EDM4hep files.

    Example: partflow export-dataset labelled/ --format tfds --output tfds/

    Args:
        source: Folder of `partflow label` (tfds) or of `simulate` or `ingest` (edm4hep).
        output: Folder to write.
        format: tfds or edm4hep.
        name: Name of the data set (tfds); clic_edm_PROCESS_pf if not given.
        candidates: NAME=FILE, further ReconstructedParticle collections (edm4hep).
        overwrite: Replace an output made with other settings.
    """
    from partflow import pipeline

    pipeline.export_dataset(source, output, format, name, named_files(candidates), overwrite)


@app.command
def validate(
    output: Output,
    reduced: bool = False,
    workers: int = 1,
    seed: int = 31_000,
    write_docs: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Check the simulated detector and the baseline against a table of targets.

    Writes the table, pictures and event displays; ends with status 1 if a line fails. An
    interrupted run goes on where it stopped.

    Example: partflow validate --output validation/

    Args:
        output: Folder to write.
        reduced: A small fraction of the events, with wide intervals.
        workers: Processes to use; the result is the same with any number.
        seed: First seed; those below 10000 belong to tuning and are refused.
        write_docs: Page whose table is replaced, as docs/simulation.md.
        overwrite: Replace an output made with other settings.
    """
    from partflow.validate import validate as run
    from partflow.validate.page import write_page

    passed = run(output, reduced, workers, seed, overwrite)
    if write_docs is not None:
        write_page(output, write_docs)
    if not passed:
        raise SystemExit(1)
