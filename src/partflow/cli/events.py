"""Verbs that make events, or take them in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from partflow.cli.app import Output, app
from partflow.core.errors import ConfigError
from partflow.generate.config import Gun


@app.command
def generate(
    output: Output,
    process: str = "ttbar",
    num_events: int = 200,
    seed: int = 1,
    energy: float = 380.0,
    gun: Gun = Gun(),  # noqa: B008 (frozen)
    detector: str = "clic",
    overwrite: bool = False,
) -> None:
    """Make generator particles with Pythia8, or single particles with a gun.

    Example: partflow generate --process ttbar --num-events 200 --seed 7 --output gen.parquet

    Args:
        output: Parquet file to write.
        process: qq, ttbar, ww (both to quarks), zh, uds (no radiation), gamma_gamma (hadrons
            of beam photons), or gun.
        num_events: Number of events.
        seed: The same seed gives the same events.
        energy: Centre-of-mass energy [GeV].
        gun: Settings of --process gun.
        detector: Detector to make events for: K0S and hyperons decay inside its tracker. clic, cld,
            or a JSON file.
        overwrite: Replace an output made with other settings.
    """
    from partflow import pipeline
    from partflow.core.detector_file import find_detector
    from partflow.generate.config import GenerationConfig

    config = GenerationConfig(process, num_events, seed, energy, gun)
    config = config.made_for(find_detector(detector))
    pipeline.generate(config, output, overwrite)


@app.command
def simulate(
    generated: Positional[list[Path]],
    output: Output,
    detector: str = "clic",
    workers: int = 1,
    tracker_material: bool = True,
    realistic: bool = False,
    fine_elements: bool = False,
    overlay: Path | None = None,
    overlay_mean: float | None = None,
    overwrite: bool = False,
) -> None:
    """Simulate the detector and run the rule-based reconstruction.

    Writes a folder of Parquet shards with hits, tracks, clusters, the baseline's particles,
    and the truth. An interrupted run goes on where it stopped.

    Example: partflow simulate gen.parquet --output events/ --workers 2

    Args:
        generated: File(s) of `partflow generate`.
        output: Folder to write.
        detector: Detector to simulate: clic, cld, or a JSON file (docs/simulation.md).
        workers: Processes to use; the result is the same with any number.
        tracker_material: Conversions and interactions in the tracker.
        realistic: Decays in flight, bremsstrahlung, fake and duplicate tracks, noise, hit times
            and yoke hits, too; the published figures of this program are without them.
        fine_elements: Write finer clusters, too, for `label --elements fine`.
        overlay: File of `partflow generate --process gamma_gamma`: events of it are laid over
            each event as beam-induced background.
        overlay_mean: Mean number of these (CLICdet's reconstruction at 380 GeV: 5.4).
        overwrite: Replace an output made with other settings.
    """
    from partflow import pipeline
    from partflow.simulate.background import OverlayConfig
    from partflow.simulate.config import SimulationConfig
    from partflow.simulate.config import realistic as with_everything

    config = with_everything() if realistic else SimulationConfig()
    config = replace(config, tracker_material=tracker_material)
    background = None
    if overlay is not None and overlay_mean is not None:
        background = pipeline.Background(overlay, OverlayConfig(overlay_mean))
    elif overlay is not None or overlay_mean is not None:
        raise ConfigError("--overlay FILE and --overlay-mean NUMBER: give both, or neither")
    pipeline.simulate(
        generated, output, detector, config, workers, overwrite, fine_elements, background
    )


@app.command
def ingest(
    files: Positional[list[Path]],
    output: Output,
    format: Literal["edm4hep", "tfds"] = "edm4hep",
    detector: str = "clic",
    process: str | None = None,
    workers: int = 1,
    overwrite: bool = False,
) -> None:
    """Read full-simulation EDM4hep files, or published data sets, in place of a simulation.

    A bad event costs itself and a bad file costs itself: both are named in ingest-report.json.

    Example: partflow ingest 'rec/*.root' --detector cld --output events/

    Args:
        files: Files, folders or patterns; with --format tfds, data set folders.
        output: Folder to write; with --format tfds it holds train/ and test/, labelled.
        format: edm4hep or tfds.
        detector: Detector the files are of: clic, cld, or a JSON file; it sets the field and where
            the calorimeter begins.
        process: What the events are; the file's name without its number, if not given.
        workers: Processes to use; the result is the same with any number.
        overwrite: Replace an output made with other settings.
    """
    from partflow import pipeline

    pipeline.ingest(files, output, format, detector, workers, process, overwrite)
