"""Verbs for the simulated detector: its energy scale, and whether it is realistic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from partflow.cli.app import OptionalPath, OutputPath
from partflow.core.errors import ConfigError

EventFolders = Annotated[
    tuple[Path, ...], arg(metavar="[PATH ...]", help_behavior_hint="(default: none)")
]


def calibrate(detector: Positional[str], num_showers: int = 12_000, num_tested: int = 1000) -> None:
    """Fit the hadronic energy scale of a detector to simulated showers of K0L.

    A detector needs a scale before `partflow simulate` can use it, and a new one after each change
    of its calorimeters or of the simulation. The scale is written into the JSON file of your own
    detector; that of clic or cld is replaced in the package. Prints response and resolution of the
    scale for other showers. Takes a few minutes.

    Example: partflow calibrate mine.json

    Args:
        detector: clic, cld, or the JSON file of your own detector.
        num_showers: Number of K0L of 0.8 to 80 GeV that the scale is fitted to.
        num_tested: Number of K0L at each energy of the table.
    """
    from partflow import pipeline

    path, tests = pipeline.calibrate(detector, num_showers, num_tested)
    print(f"{'E [GeV]':>8}{'median':>8}{'IQR/1.349/median':>18}")
    for energy, median, resolution in tests:
        print(f"{energy:>8g}{median:>8.3f}{resolution:>18.3f}")
    print(f"The scale: {path}")


def validate(
    output: OutputPath,
    against: EventFolders = (),
    reduced: bool = False,
    workers: int = 1,
    seed: int = 31_000,
    write_docs: OptionalPath = None,
    overwrite: bool = False,
) -> None:
    """Compare the simulated detector and the baseline with a table of expected values.

    Simulates its own events. Writes the table, plots and event displays; ends with status 1 if a
    line of the table fails. An interrupted run continues where it stopped.

    With --against the fast simulation is compared with stored events of another engine instead,
    such as those of `partflow simulate --engine geant4`. The same generator particles are simulated
    again, and showers of single particles and jets of collisions are compared with intervals, in
    tables, plots and displays. Differences do not change the exit status.

    Example: partflow validate --output validation/

    Args:
        output: Folder to write.
        against: Folders of `partflow simulate` to compare the fast simulation with.
        reduced: Use a small fraction of the events; intervals are wide (not with --against).
        workers: Number of processes; the output is the same with any number.
        seed: First seed; seeds below 10000 are refused, because the tuning used them (not with
            --against).
        write_docs: Page in which the table is replaced, such as docs/explanation/validation.md.
        overwrite: Replace an output that was made with other settings.
    """
    from partflow.validate import compare_engines, write_comparison_into, write_table_into
    from partflow.validate import validate as run_validation

    if against:
        if reduced:
            raise ConfigError("--reduced: all events of --against are compared; leave it out")
        compare_engines(against, output, workers, overwrite)
        if write_docs is not None:
            write_comparison_into(write_docs, output)
        return
    passed = run_validation(output, reduced, workers, seed, overwrite)
    if write_docs is not None:
        write_table_into(write_docs, output)
    if not passed:
        raise SystemExit(1)
