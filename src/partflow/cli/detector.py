"""Verbs for the simulated detector: its energy scale, and whether it is realistic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from partflow.cli.app import OptionalPath, OutputPath
from partflow.cli.geant4_options import Geant4Options, geant4_settings
from partflow.core.errors import ConfigError
from partflow.simulate.geant4.config import Geant4Config

NumShowers = Annotated[
    int | None, arg(metavar="INT", help_behavior_hint="(default: 12000, with Geant4 4000)")
]
NumTested = Annotated[
    int | None, arg(metavar="INT", help_behavior_hint="(default: 1000, with Geant4 200)")
]
EventFolders = Annotated[
    tuple[Path, ...], arg(metavar="[PATH ...]", help_behavior_hint="(default: none)")
]


def detector(name_or_file: Positional[str] = "clic", gdml: OptionalPath = None) -> None:
    """Show what the calorimeters of a detector are made of, and export them for Geant4.

    Prints the slabs of a layer, and the depth of ECAL and HCAL in mm, radiation lengths and nuclear
    interaction lengths: as Geant4 computes it, and as the fast simulation assumes it. Needs Geant4
    (pip install "partflow[geant4]"), but none of its data sets.

    Example: partflow detector clic --gdml clic.gdml

    Args:
        name_or_file: clic, cld, or the JSON file of your own detector.
        gdml: File to write with the volumes, for other programs that read GDML.
    """
    from partflow.core.detector_file import find_detector
    from partflow.simulate.geant4.description import export_gdml, material_table

    description = find_detector(name_or_file)
    print(material_table(description))
    if gdml is not None:
        export_gdml(description, gdml)


def calibrate(
    detector: Positional[str],
    num_showers: NumShowers = None,
    num_tested: NumTested = None,
    engine: Literal["fast", "geant4"] = "fast",
    geant4: Geant4Options = Geant4Config(),  # noqa: B008 (frozen)
    workers: int = 1,
) -> None:
    """Fit the hadronic energy scale of a detector to simulated showers of K0L.

    A detector needs a scale before `partflow simulate` can use it, and a new one after each change
    of its calorimeters or of the simulation. The scale is written into the JSON file of your own
    detector; that of clic or cld is replaced in the package. Prints response and resolution of the
    scale for other showers. Takes a few minutes, with Geant4 half an hour; there it measures the
    sampling fractions of ECAL and HCAL, too.

    Example: partflow calibrate mine.json

    Args:
        detector: clic, cld, or the JSON file of your own detector.
        num_showers: Number of K0L of 0.8 to 80 GeV that the scale is fitted to.
        num_tested: Number of K0L at each energy of the table.
        engine: What simulates the showers: fast (parametrised) or geant4.
        geant4: Settings of --engine geant4.
        workers: Number of processes of --engine geant4.
    """
    from partflow import pipeline

    settings = geant4_settings(engine, geant4)
    fit = pipeline.calibrate(detector, num_showers, num_tested, settings, workers)
    if fit.sampling_fractions is not None:
        print("Sampling fractions of barrel and endcap:")
        for name, (barrel, endcap) in fit.sampling_fractions._asdict().items():
            print(f"{name.upper():>8}  1/{1 / barrel:.2f}  1/{1 / endcap:.2f}")
    print(f"{'E [GeV]':>8}{'median':>8}{'IQR/1.349/median':>18}")
    for energy, median, resolution in fit.tests:
        print(f"{energy:>8g}{median:>8.3f}{resolution:>18.3f}")
    print(f"The scale: {fit.path}")


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
