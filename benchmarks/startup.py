"""Time to the first event, without and with cached kernels.

    python -m benchmarks.startup [--repeats 3]

Each time is that of a new interpreter, from its start to its end, which simulates, or simulates and
reconstructs, one event of ten pions. "cold" starts with an empty cache of compiled kernels, "warm"
with the cache that the cold start filled. "imports alone" is an interpreter that imports the same
modules and does nothing: the cache cannot make it faster. Warm times are the median of the
repeats; the cold start, which takes long, is timed once.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from statistics import median

IMPORTS = """
import numpy as np
from partflow.core.known_detectors import CLIC
from partflow.core.particles import charges, masses
from partflow.core.schemas import PARTICLES
from partflow.core.records import Collection
from partflow.reconstruct.reconstruction import reconstruct
from partflow.simulate import SimulationConfig, realistic, simulate
"""
EVENT = """
pdg_id = np.full(10, 211)
direction = np.random.default_rng(1).normal(size=(10, 3))
mass = masses(pdg_id)
columns = {"pdg_id": pdg_id, "charge": charges(pdg_id), "mass": mass}
columns |= dict(zip(("px", "py", "pz"), 5.0 * direction.T))
columns["energy"] = np.sqrt((25.0 * direction**2).sum(axis=1) + mass**2)
columns |= {name: np.zeros(10) for name in ("vx", "vy", "vz")}
particles = Collection(PARTICLES, np.array([0, 10]), columns)
"""
SIMULATE = "result = simulate(particles, np.array([1]), CLIC, {config})\n"
PLAIN, REALISTIC = (
    EVENT + SIMULATE.format(config=name) for name in ("SimulationConfig()", "realistic()")
)
STAGES = {
    "imports alone": "",
    "simulate": PLAIN,
    "simulate, everything on": REALISTIC,
    "simulate + reconstruct": PLAIN + "reconstruct(result.hits, result.tracks, CLIC)\n",
}


def seconds(stage: str, cache: str) -> float:
    """Wall time [s] of a new interpreter that runs a stage with the kernel cache `cache`."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache, "NUMBA_NUM_THREADS": "1"}
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORTS + STAGES[stage]], check=True, env=environment)
    return time.perf_counter() - start


def main() -> None:
    """Print cold and warm times and their ratio for each stage."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="warm starts of each stage")
    repeats = parser.parse_args().repeats
    print(f"{'to the first event [s]':<26}{'cold':>8}{'warm':>8}{'ratio':>8}")
    for stage in STAGES:
        with tempfile.TemporaryDirectory() as cache:
            cold = seconds(stage, cache)
            warm = median(seconds(stage, cache) for _ in range(repeats))
        print(f"{stage:<26}{cold:>8.2f}{warm:>8.2f}{cold / warm:>8.1f}", flush=True)


if __name__ == "__main__":
    main()
