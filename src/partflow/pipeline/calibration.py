"""Fit the hadronic energy scale of a detector to simulated neutral hadrons.

The fit is stored with the package, or in the JSON file of the user's own detector, with the
fingerprints of detector and simulation. When a constant of either changes, the fingerprints no
longer match, and the scale must be fitted again.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np

from partflow.core.detector import Detector
from partflow.core.detector_file import SUFFIX, find_detector, read_description
from partflow.core.errors import ConfigError
from partflow.core.hadron_scale import HadronScale, ScaleConstants, bin_sums, fit_hadron_scale
from partflow.core.outputs import write_text
from partflow.core.particles import NEUTRAL_HADRON
from partflow.core.progress import progress
from partflow.core.records import Array
from partflow.generate.config import GenerationConfig, Gun
from partflow.generate.generation import generate
from partflow.simulate.config import SimulationConfig
from partflow.simulate.fast.simulation import simulate

FIT_SEED, TEST_SEED = 5, 6
FIT_ENERGIES = (0.8, 80.0)
"""Range of the energies of the fit [GeV]."""
TEST_ENERGIES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
"""Energies at which the fit is tested [GeV]."""
MAX_ABS_COS_THETA = 0.95
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


def calibrate(name_or_file: str, num_showers: int = 12_000, num_tested: int = 1000) -> Calibration:
    """Fit the hadronic energy scale of a detector, store it, and test it.

    `name_or_file` is a known detector, whose stored scale is replaced in the package, or the JSON
    file of another, in which the scale is written. The fit takes `num_showers` K0L; the test
    takes `num_tested` at each energy, with another seed. Raises ConfigError for an unknown
    detector or too few showers, InputError for a file that cannot be read, OutputError where the
    scale cannot be stored.
    """
    if num_showers < MIN_SHOWERS:
        raise ConfigError(f"--num-showers {num_showers}: give at least {MIN_SHOWERS}")
    if num_tested < 1:
        raise ConfigError(f"--num-tested {num_tested}: give at least 1")
    detector = find_detector(name_or_file)
    constants = fit_hadron_scale(*showers(detector, FIT_ENERGIES, num_showers, FIT_SEED))
    simulation = SimulationConfig().fingerprint()
    scale = HadronScale(constants, detector.fingerprint(), simulation)
    path = _store(scale, detector, name_or_file)
    tests = tuple(_test_scale(scale, detector, energy, num_tested) for energy in TEST_ENERGIES)
    return Calibration(path, tests)


def showers(
    detector: Detector, energy: tuple[float, float], num: int, seed: int
) -> tuple[Array, Array]:
    """Hit energies summed in bins [shower, bin] and true energies [shower] of `num` K0L [GeV].

    Energies are logarithmically uniform in the range `energy` [GeV], abs(cos theta) < 0.95.
    There is no tracker material, so that all showers begin in the calorimeter.
    """
    gun = Gun(NEUTRAL_HADRON, energy, (-MAX_ABS_COS_THETA, MAX_ABS_COS_THETA))
    config = SimulationConfig(tracker_material=False)
    sums, energies = [], []
    with progress(f"K0L {energy[0]:g}-{energy[1]:g} GeV", num) as advance:
        for events in generate(GenerationConfig("gun", num, seed, gun=gun)):
            hits = simulate(events.particles, events.event_id, detector, config).hits
            sums.append(bin_sums(hits.energy_em, hits.subdetector, hits.event_index, len(events)))
            energies.append(events.particles.energy)
            advance(len(events))
    return np.concatenate(sums), np.concatenate(energies)


def _store(scale: HadronScale, detector: Detector, name_or_file: str) -> Path:
    """Write the scale into the detector's file, or for a known detector into the package."""
    fit = {name: getattr(scale.constants, name).tolist() for name in ScaleConstants._fields}
    fit |= {"fingerprint": scale.fingerprint, "simulation": scale.simulation}
    if name_or_file.endswith(SUFFIX):
        path = Path(name_or_file)
        fit = {**read_description(path), "hadron_scale": fit}
    else:
        path = Path(str(resources.files("partflow.core"))) / "calibration" / f"{detector.name}.json"
    write_text(path, json.dumps(fit, indent=1) + "\n")
    return path


def _test_scale(scale: HadronScale, detector: Detector, energy: float, num: int) -> ScaleTest:
    """Response and resolution of the scale for showers of one energy [GeV]."""
    sums, truth = showers(detector, (energy, energy), num, TEST_SEED)
    low, median, high = np.percentile(scale.energy(sums) / truth, [25, 50, 75])
    return ScaleTest(energy, float(median), float((high - low) / 1.349 / median))
