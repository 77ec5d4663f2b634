"""Fit the hadronic energy scale of a detector with the simulation's own showers.

    partflow calibrate clic
    partflow calibrate my.json

The fit is stored with the package, or, of a detector of one's own, in its file. A constant of the
detector or of the simulation that changes makes the stored scale stale: its two fingerprints say
so, and this makes it again. K0L from 0.8 to 80 GeV, abs(cos theta) < 0.95, without tracker
material, one seed for the fit and another to say what came of it.
"""

from __future__ import annotations

import json
import sys
from importlib import resources
from pathlib import Path

import numpy as np

from partflow.core.detector import Detector
from partflow.core.detector_file import SUFFIX, find_detector, read_description
from partflow.core.hadron_scale import HadronScale, ScaleConstants, bin_sums, fit_hadron_scale
from partflow.core.outputs import write_text
from partflow.core.particles import NEUTRAL_HADRON
from partflow.core.progress import progress
from partflow.core.records import Array
from partflow.generate import GenerationConfig, Gun, generate
from partflow.simulate.config import SimulationConfig
from partflow.simulate.fast.simulation import simulate

NUM_SHOWERS = 12000
NUM_TESTED = 1000
FIT_SEED, TEST_SEED = 5, 6


def showers(
    detector: Detector, energy: tuple[float, float], num: int, seed: int
) -> tuple[Array, Array]:
    """Bin sums [shower, bin] and true energies [shower] of K0L."""
    gun = Gun(NEUTRAL_HADRON, energy, (-0.95, 0.95))
    config = SimulationConfig(tracker_material=False)
    sums, energies = [], []
    with progress(f"K0L {energy[0]:g}-{energy[1]:g} GeV", num) as advance:
        for events in generate(GenerationConfig("gun", num, seed, gun=gun)):
            hits = simulate(events.particles, events.event_id, detector, config).hits
            sums.append(bin_sums(hits.energy_em, hits.subdetector, hits.event_index, len(events)))
            energies.append(events.particles.energy)
            advance(len(events))
    return np.concatenate(sums), np.concatenate(energies)


def main() -> None:
    """Fit, store, and print response and resolution."""
    chosen = sys.argv[1] if len(sys.argv) > 1 else "clic"
    detector = find_detector(chosen)
    constants = fit_hadron_scale(*showers(detector, (0.8, 80.0), NUM_SHOWERS, FIT_SEED))
    simulation = SimulationConfig().fingerprint()
    scale = HadronScale(constants, detector.fingerprint(), simulation)
    stored = {name: getattr(constants, name).tolist() for name in ScaleConstants._fields}
    stored |= {"fingerprint": scale.fingerprint, "simulation": simulation}
    if chosen.endswith(SUFFIX):
        path = Path(chosen)
        stored = {**read_description(path), "hadron_scale": stored}
    else:
        path = Path(str(resources.files("partflow.core"))) / "calibration" / f"{detector.name}.json"
    write_text(path, json.dumps(stored, indent=1) + "\n")
    print(f"{path}\n{'E [GeV]':>8}{'median':>8}{'IQR/1.349/median':>18}")
    for energy in (1.0, 2.0, 5.0, 10.0, 20.0, 50.0):
        sums, truth = showers(detector, (energy, energy), NUM_TESTED, TEST_SEED)
        low, median, high = np.percentile(scale.energy(sums) / truth, [25, 50, 75])
        print(f"{energy:>8g}{median:>8.3f}{(high - low) / 1.349 / median:>18.3f}")


if __name__ == "__main__":
    main()
