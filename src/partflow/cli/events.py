"""Verbs that make events, or read them from files of other programs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from partflow.cli.app import InputPaths, OptionalPath, OutputPath
from partflow.cli.executor_options import Address, ExecutorName
from partflow.cli.geant4_options import Geant4Options, geant4_settings
from partflow.core.errors import ConfigError
from partflow.core.executors import open_executor
from partflow.generate.config import Gun
from partflow.simulate.geant4.config import Geant4Config

Material = Annotated[bool, arg(help_behavior_hint="(default: they are simulated)")]
OverlayMean = Annotated[
    float | None, arg(metavar="NUMBER", help_behavior_hint="(required with --overlay)")
]
ProcessName = Annotated[
    str | None, arg(metavar="NAME", help_behavior_hint="(default: name of the file, no number)")
]


def generate(
    output: OutputPath,
    process: str = "ttbar",
    num_events: int = 200,
    seed: int = 1,
    energy: float = 380.0,
    gun: Gun = Gun(),  # noqa: B008 (frozen)
    detector: str = "clic",
    overwrite: bool = False,
) -> None:
    """Generate collisions with Pythia8, or single particles with a gun.

    Writes one Parquet file with the stable particles of each event. Next: `partflow simulate`.

    Example: partflow generate --process ttbar --num-events 200 --seed 7 --output gen.parquet

    Args:
        output: Parquet file to write.
        process: qq, ttbar, ww (both decay to quarks), zh, uds (without initial-state radiation),
            gamma_gamma (hadrons from beam photons, for `simulate --overlay`), or gun.
        num_events: Number of events.
        seed: Seed of the random numbers; the same seed gives the same events.
        energy: Centre-of-mass energy [GeV].
        gun: Settings of --process gun.
        detector: Detector that the events are for: clic, cld, or a JSON file. K0S and hyperons
            decay inside its tracker.
        overwrite: Replace an output that was made with other settings.
    """
    from partflow import pipeline
    from partflow.core.detector_file import find_detector
    from partflow.generate.config import GenerationConfig

    config = GenerationConfig(process, num_events, seed, energy, gun)
    config = config.made_for(find_detector(detector))
    pipeline.generate(config, output, overwrite)


def simulate(
    generated: InputPaths,
    output: OutputPath,
    detector: str = "clic",
    workers: int = 1,
    tracker_material: Material = True,
    realistic: bool = False,
    overlay: OptionalPath = None,
    overlay_mean: OverlayMean = None,
    engine: Literal["fast", "geant4"] = "fast",
    geant4: Geant4Options = Geant4Config(),  # noqa: B008 (frozen)
    executor: ExecutorName = "local",
    address: Address = None,
    overwrite: bool = False,
) -> None:
    """Simulate the detector, and reconstruct the events by rules (the baseline).

    A fast simulation, or with --engine geant4 a full one of the calorimeters, which takes seconds
    per event (pip install "partflow[geant4]", then `partflow geant4 install`). Reads files of
    `partflow generate`. Writes a folder of Parquet
    shards with hits, tracks, clusters, the candidates of the baseline, and the truth. An
    interrupted run continues where it stopped. Next: `partflow label` or `partflow evaluate`.

    Example: partflow simulate gen.parquet --output events/ --workers 2

    Args:
        generated: Files of `partflow generate`.
        output: Folder to write.
        detector: Detector to simulate: clic, cld, or the JSON file of your own detector.
        workers: Number of processes; the output is the same with any number.
        tracker_material: Leave out conversions and interactions in the material of the tracker.
        realistic: Add decays in flight, bremsstrahlung, fake and duplicate tracks, noise, hit
            times and yoke hits. The published results of partflow are without them.
        overlay: File of `partflow generate --process gamma_gamma`; events from it are overlaid on
            each event as beam-induced background.
        overlay_mean: Mean number of overlaid events (5.4 in CLICdet's reconstruction at 380 GeV).
        engine: What simulates the showers: fast (parametrised) or geant4. Tracks are the same.
        geant4: Settings of --engine geant4.
        executor: Where shards are simulated: in processes of this machine (local) or on a Ray
            cluster (pip install "partflow[ray]"). The output is the same.
        address: Address of the Ray cluster.
        overwrite: Replace an output that was made with other settings.
    """
    from partflow import pipeline
    from partflow.simulate.background import OverlayConfig
    from partflow.simulate.config import SimulationConfig
    from partflow.simulate.config import realistic as realistic_config

    _require_inputs(generated, "give files of `partflow generate`")
    config = realistic_config() if realistic else SimulationConfig()
    config = replace(config, tracker_material=tracker_material)
    background = None
    if overlay is not None and overlay_mean is not None:
        background = pipeline.Background(overlay, OverlayConfig(overlay_mean))
    elif overlay is not None or overlay_mean is not None:
        raise ConfigError("--overlay FILE and --overlay-mean NUMBER: give both, or neither")
    settings = geant4_settings(engine, geant4)
    with open_executor(executor, workers, address) as chosen:
        pipeline.simulate(
            generated,
            output,
            detector,
            config,
            workers,
            overwrite,
            background,
            settings,
            chosen,
        )


def ingest(
    files: InputPaths,
    output: OutputPath,
    format: Literal["edm4hep", "tfds"] = "edm4hep",
    detector: str = "clic",
    process: ProcessName = None,
    workers: int = 1,
    executor: ExecutorName = "local",
    address: Address = None,
    overwrite: bool = False,
) -> None:
    """Read full-simulation EDM4hep files, or published data sets, instead of simulating.

    EDM4hep files become a folder of events, as `partflow simulate` writes it; the Pandora
    particles in them are the baseline. Published data sets (MLPF v2.2.0) become the folders
    OUTPUT/train and OUTPUT/test of labelled events, for `partflow train`. Bad events and files
    that cannot be read are skipped and listed in ingest-report.json.

    Example: partflow ingest 'rec/*.root' --detector cld --output events/

    Args:
        files: EDM4hep files, folders of *.root, or patterns; with --format tfds folders of data
            sets.
        output: Folder to write.
        format: Format of the input.
        detector: Detector that the files are of: clic, cld, or a JSON file. It sets the magnetic
            field and the position of the calorimeters.
        process: Name of the process of the events (edm4hep).
        workers: Number of processes; the output is the same with any number.
        executor: Where files are read: in processes of this machine (local) or on a Ray cluster
            (pip install "partflow[ray]"). The output is the same.
        address: Address of the Ray cluster.
        overwrite: Replace an output that was made with other settings.
    """
    from partflow import pipeline

    _require_inputs(files, "give files, folders or patterns")
    with open_executor(executor, workers, address) as chosen:
        pipeline.ingest(files, output, format, detector, workers, process, overwrite, chosen)


def _require_inputs(paths: list[Path], hint: str) -> None:
    """Raise ConfigError where the command line names no input."""
    if not paths:
        raise ConfigError(f"no input: {hint}")
