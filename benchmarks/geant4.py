"""What it costs to record the deposits of Geant4 in Python.

    python -m benchmarks.geant4 [--rounds 5] [--energy 10] [--particles 20]

K0L and photons are shot into the barrel of CLIC with the stand-in data. Three ways take turns, each
in a process of its own, because Geant4 can be set up once in a process:

- *nothing*: no slab is sensitive; Geant4 alone
- *filtered*: the engine's scorers, which compiled filters call for charged particles and neutral
  hadrons
- *every step*: the same Python code as a sensitive detector, called for each step in a slab

The median over rounds of the CPU time counts; ratios are to *nothing*.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from statistics import median
from typing import Any

WAYS = ("nothing", "filtered", "every step")
PARTICLES = {22: "photon", 130: "K0L"}


def measure(way: str, pdg_id: int, energy: float, number: int) -> dict[str, float]:
    """CPU time per GeV [s] and recorded deposits per GeV, in this process."""
    import numpy as np

    from partflow.core.known_detectors import CLIC
    from partflow.core.particles import KAON0_MASS
    from partflow.simulate.geant4.config import Geant4Config
    from partflow.simulate.geant4.data_sets import find_data_sets, use
    from partflow.simulate.geant4.shots import Shot

    use(find_data_sets(stand_in=True))
    from partflow.simulate.geant4 import process

    if way != "filtered":
        process.GeantDetector.ConstructSDandField = (
            _field_only if way == "nothing" else _every_step  # type: ignore[method-assign]
        )
    running = process.Geant4Process(CLIC, Geant4Config(stand_in_data=True))
    mass = KAON0_MASS if pdg_id == 130 else 0.0
    momentum = math.sqrt(energy**2 - mass**2)
    rng = np.random.default_rng(1)
    shots = []
    for seed in range(1, number + 1):
        phi = rng.uniform(-math.pi, math.pi)
        vector = (momentum * math.cos(phi), momentum * math.sin(phi), 0.1)
        shots.append(Shot(pdg_id, vector, (0.0, 0.0, 0.0), 0.0, seed))
    running.shoot(shots[:2])
    start = time.process_time()
    deposits = running.shoot(shots)
    seconds = time.process_time() - start
    return {"seconds": seconds / number / energy, "deposits": len(deposits) / number / energy}


def _field_only(construction: Any) -> None:
    """The field, and no sensitive slab."""
    construction.make_field()


def _every_step(construction: Any) -> None:
    """Sensitive detectors that call Python for each step."""
    import geant4_pybind as g4

    from partflow.simulate.geant4 import process

    class Sensor(g4.G4VSensitiveDetector):
        def __init__(self, name: str, part: int, deposits: list[Any]) -> None:
            super().__init__(name)
            self.part, self.is_neutral, self.append = part, False, deposits.append

        ProcessHits = process.Scorer.ProcessHits

    construction.make_field()
    for number, (volume, part) in enumerate(construction.volumes.sensitive):
        sensor = Sensor(f"slab_{number}", int(part), construction.deposits)
        g4.G4SDManager.GetSDMpointer().AddNewDetector(sensor)
        volume.SetSensitiveDetector(sensor)
        construction.sensors.append(sensor)


def main() -> None:
    """Print the table, or measure one way for it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--energy", type=float, default=10.0, help="GeV")
    parser.add_argument("--particles", type=int, default=20)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        way, pdg_id = arguments.measure
        result = measure(way, int(pdg_id), arguments.energy, arguments.particles)
        print("RESULT", json.dumps(result))
        return
    for pdg_id, name in PARTICLES.items():
        rounds: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(arguments.rounds):
            for way in WAYS:
                command = [
                    sys.executable, "-m", "benchmarks.geant4", "--measure", way, str(pdg_id),
                    "--energy", str(arguments.energy), "--particles", str(arguments.particles),
                ]  # fmt: skip
                answer = subprocess.run(command, capture_output=True, text=True, check=True)
                rounds[way].append(json.loads(answer.stdout.partition("RESULT ")[2]))
        alone = median(each["seconds"] for each in rounds["nothing"])
        for way, results in rounds.items():
            seconds = median(each["seconds"] for each in results)
            print(
                f"{name:<8}{way:<12}{1e3 * seconds:6.2f} ms/GeV  ratio {seconds / alone:.2f}  "
                f"{results[0]['deposits']:.0f} deposits/GeV"
            )


if __name__ == "__main__":
    main()
