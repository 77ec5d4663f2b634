"""Fit the hadronic energy scale of a detector to simulated neutral hadrons.

The fit is stored with the package, or in the JSON file of the user's own detector, with the
fingerprints of detector and simulation. When a constant of either changes, the fingerprints no
longer match, and the scale must be fitted again.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np

from partflow.core.detector import Detector
from partflow.core.detector_file import SUFFIX, find_detector, read_description
from partflow.core.engines import FAST, GEANT4
from partflow.core.errors import ConfigError, PartflowError
from partflow.core.executors import LocalExecutor
from partflow.core.hadron_scale import (
    HadronScale,
    ScaleConstants,
    bin_sums,
    fit_hadron_scale,
)
from partflow.core.known_detectors import GEANT4_SUFFIX
from partflow.core.outputs import write_text
from partflow.core.particles import NEUTRAL_HADRON
from partflow.core.progress import progress
from partflow.core.provenance import make_provenance
from partflow.core.records import Array, Events
from partflow.core.store import EventWriter, num_row_groups
from partflow.core.workers import Failure, in_separate_processes
from partflow.generate.config import GenerationConfig, Gun
from partflow.generate.generation import generate
from partflow.pipeline.geant4 import (
    LOG_FILE,
    Geant4Run,
    RowGroup,
    print_to_file,
    simulate_with_geant4,
)
from partflow.simulate.config import SimulationConfig
from partflow.simulate.digitisation import Simulated
from partflow.simulate.fast.simulation import simulate
from partflow.simulate.geant4.calibration import SamplingFractions, measure_sampling_fractions
from partflow.simulate.geant4.config import Geant4Config
from partflow.simulate.geant4.data_sets import find_data_sets
from partflow.simulate.geant4.layers import check_layers

FIT_SEED, TEST_SEED = 5, 6
FIT_ENERGIES = (0.8, 80.0)
"""Range of the energies of the fit [GeV]."""
TEST_ENERGIES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
"""Energies at which the fit is tested [GeV]."""
MAX_ABS_COS_THETA = 0.95
NUM_SHOWERS, NUM_GEANT4_SHOWERS = 12_000, 4000
"""Showers of the fit, by engine; one of Geant4 takes 10 ms per GeV."""
NUM_TESTED, NUM_GEANT4_TESTED = 1000, 200
"""Showers at each energy of the test, by engine."""
MIN_SHOWERS = 200
"""Fewer would leave intervals of energy without a shower."""


class ScaleTest(NamedTuple):
    """The fitted scale on showers of one energy."""

    energy: float
    """True energy [GeV]."""
    median: float
    """Median of measured over true energy."""
    resolution: float
    """Interquartile range / 1.349 / median: the standard deviation of a Gaussian response."""


class Calibration(NamedTuple):
    """A fitted scale."""

    path: Path
    """File in which it is stored."""
    tests: tuple[ScaleTest, ...]
    sampling_fractions: SamplingFractions | None = None
    """As measured with Geant4."""


def calibrate(
    name_or_file: str,
    num_showers: int | None = None,
    num_tested: int | None = None,
    geant4: Geant4Config | None = None,
    workers: int = 1,
) -> Calibration:
    """Fit the hadronic energy scale of a detector, store it, and test it.

    `name_or_file` is a known detector, whose stored scale is replaced in the package, or the JSON
    file of another, in which the scale is written. The fit takes `num_showers` K0L (by default
    12000, with Geant4 4000); the test takes `num_tested` at each energy (1000, with Geant4 200),
    with another seed. With `geant4` the showers are Geant4's, and the sampling fractions are
    measured first. Raises ConfigError for an unknown detector or too few showers, InputError for
    a file that cannot be read, OutputError where the scale cannot be stored.
    """
    num_showers = num_showers or (NUM_SHOWERS if geant4 is None else NUM_GEANT4_SHOWERS)
    num_tested = num_tested or (NUM_TESTED if geant4 is None else NUM_GEANT4_TESTED)
    if num_showers < MIN_SHOWERS:
        raise ConfigError(f"--num-showers {num_showers}: give at least {MIN_SHOWERS}")
    if num_tested < 1:
        raise ConfigError(f"--num-tested {num_tested}: give at least 1")
    detector = find_detector(name_or_file)
    fractions = None
    if geant4 is None:
        simulation, engine = SimulationConfig().fingerprint(), FAST
    else:
        fractions = _sampling_fractions(detector, geant4)
        if name_or_file.endswith(SUFFIX):
            detector = with_sampling_fractions(detector, fractions)
        simulation, engine = geant4.fingerprint(), GEANT4
    showers = Showers(detector, geant4, workers)
    constants = fit_hadron_scale(*showers(FIT_ENERGIES, num_showers, FIT_SEED))
    scale = HadronScale(constants, detector.fingerprint(engine), simulation)
    path = _store(scale, detector, name_or_file, engine)
    tests = tuple(_test_scale(scale, showers, energy, num_tested) for energy in TEST_ENERGIES)
    return Calibration(path, tests, fractions)


def with_sampling_fractions(detector: Detector, fractions: SamplingFractions) -> Detector:
    """The detector with measured sampling fractions."""
    return replace(
        detector,
        ecal=replace(detector.ecal, sampling_fractions=fractions.ecal),
        hcal=replace(detector.hcal, sampling_fractions=fractions.hcal),
    )


def _sampling_fractions(detector: Detector, geant4: Geant4Config) -> SamplingFractions:
    """Sampling fractions, measured in a process of their own."""
    check_layers(detector)
    find_data_sets(geant4.stand_in_data)
    with tempfile.TemporaryDirectory() as folder, progress("electrons", 1, "runs") as advance:
        start = (Path(folder) / LOG_FILE,)
        tasks = [(detector, geant4)]
        for _, result in in_separate_processes(
            measure_sampling_fractions, tasks, 1, print_to_file, start
        ):
            if isinstance(result, Failure):
                raise PartflowError(f"Geant4 failed: {result.reason}")
            advance(1)
            fractions: SamplingFractions = result
    return fractions


@dataclass(frozen=True)
class Showers:
    """Makes simulated showers of K0L."""

    detector: Detector
    geant4: Geant4Config | None = None
    workers: int = 1

    def __call__(self, energy: tuple[float, float], num: int, seed: int) -> tuple[Array, Array]:
        """Hit energies summed in bins [shower, bin] and true energies [shower] of `num` K0L [GeV].

        Energies are logarithmically uniform in the range `energy` [GeV], abs(cos theta) < 0.95.
        There is no tracker material, so that all showers begin in the calorimeter.
        """
        gun = Gun(NEUTRAL_HADRON, energy, (-MAX_ABS_COS_THETA, MAX_ABS_COS_THETA))
        generation = GenerationConfig("gun", num, seed, gun=gun)
        config = SimulationConfig(tracker_material=False)
        sums: list[Array] = []
        energies: list[Array] = []

        def add(_: Path, generated: Events, simulated: Simulated) -> None:
            hits = simulated.hits
            sums.append(
                bin_sums(hits.energy_em, hits.subdetector, hits.event_index, len(generated))
            )
            energies.append(generated.particles.energy)

        with progress(f"K0L {energy[0]:g}-{energy[1]:g} GeV", num) as advance:
            if self.geant4 is None:
                for events in generate(generation):
                    add(Path(), events, simulate(events.particles, events.event_id, self.detector,
                                                 config))  # fmt: skip
                    advance(len(events))
            else:
                with tempfile.TemporaryDirectory() as folder:
                    groups = _write_groups(generation, Path(folder))
                    run = Geant4Run(self.detector, config, self.geant4)
                    simulate_with_geant4(groups, run, LocalExecutor(self.workers), advance, add)
        return np.concatenate(sums), np.concatenate(energies)


def _write_groups(generation: GenerationConfig, folder: Path) -> list[RowGroup]:
    """Generate events into a file in a folder; its row groups."""
    file = folder / "generated.parquet"
    with EventWriter(file, "generated", make_provenance("generated", generation)) as writer:
        for events in generate(generation):
            writer.write(events)
    return [
        RowGroup(file, group, folder / f"events-{group:05d}.parquet")
        for group in range(num_row_groups(file))
    ]


def _store(scale: HadronScale, detector: Detector, name_or_file: str, engine: str) -> Path:
    """Write the scale into the detector's file, or for a known detector into the package."""
    fit = {name: getattr(scale.constants, name).tolist() for name in ScaleConstants._fields}
    fit |= {"fingerprint": scale.fingerprint, "simulation": scale.simulation, "engine": engine}
    if name_or_file.endswith(SUFFIX):
        path = Path(name_or_file)
        fit = {**read_description(path), "hadron_scale": fit}
        if engine == GEANT4:
            for name, part in (("ecal", detector.ecal), ("hcal", detector.hcal)):
                fit[name] = {**fit.get(name, {}), "sampling_fractions": part.sampling_fractions}
    else:
        name = detector.name + (GEANT4_SUFFIX if engine == GEANT4 else "")
        path = Path(str(resources.files("partflow.core"))) / "calibration" / f"{name}.json"
    write_text(path, json.dumps(fit, indent=1) + "\n")
    return path


def _test_scale(scale: HadronScale, showers: Showers, energy: float, num: int) -> ScaleTest:
    """Response and resolution of the scale for showers of one energy [GeV]."""
    sums, truth = showers((energy, energy), num, TEST_SEED)
    low, median, high = np.percentile(scale.energy(sums) / truth, [25, 50, 75])
    return ScaleTest(energy, float(median), float((high - low) / 1.349 / median))
