"""Density peaks in the ECAL: our kernel beside CLUEstering, event by event on one core.

    python -m benchmarks.peaks [--process ttbar] [--num-events 200]

CLUEstering (`pip install CLUEstering`) is the library of the algorithm after which
`reconstruct.peaks` is made. It is timed if it can be imported, and only its compiled part is:
what its Python makes of the answer is left out. Both take turns, event by event.

It has no projective metric, so it is given the hits projected onto a sphere at the inner
radius of the calorimeter, where its Euclidean distance is ours but for the smaller radius; and
no parabolic kernel, so it weights with a Gaussian of the same second moment. Radii, thresholds
and the seed rule are ours. How far the two agree is printed too: the fraction of the energy
that lies in corresponding peaks.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import Any

import numpy as np

from partflow.core.detector import CLIC, ECAL
from partflow.core.records import Array, Collection
from partflow.generate import GenerationConfig, generate
from partflow.reconstruct.event import HIT
from partflow.reconstruct.parameters import BaselineConfig, PeakConfig
from partflow.reconstruct.peaks import find_peaks
from partflow.simulate import SimulationConfig, simulate

SEED = 11
POINTS_PER_BIN = 1
"""CLUEstering's points per bin: the fastest of 1 to 128 for these events."""


def ecal_hits(hits: Collection) -> list[Array]:
    """HIT arrays of the ECAL hits, one for each event."""
    inside = hits.select(hits.subdetector == ECAL)
    rows = np.zeros(len(inside), HIT)
    for axis in "xyz":
        rows[axis] = inside.columns[axis]
    rows["energy"] = inside.energy_em
    rows["theta"] = np.arctan2(np.hypot(rows["x"], rows["y"]), rows["z"])
    rows["phi"] = np.arctan2(rows["y"], rows["x"])
    return np.split(rows, inside.offsets[1:-1])


class Library:
    """CLUEstering with our radii and thresholds."""

    def __init__(self, config: PeakConfig) -> None:
        import CLUEstering  # the benchmark's only use of it: absent is a normal case

        # density_radius bounds the sum; width: the second moment per axis of 1 - (d/R)^2 is R^2/6
        self.clusterer: Any = CLUEstering.clusterer(
            config.density_radius,
            config.min_density,
            config.follow_distance,
            config.seed_distance,
            POINTS_PER_BIN,
        )
        width = config.density_radius / np.sqrt(6)
        self.clusterer.choose_kernel("gaus", [1e-6, width, 1.0])  # its mean must be above 0

    def __call__(self, hits: Array) -> tuple[float, Array]:
        """Seconds of its compiled part, and the peak of each hit."""
        position = np.stack([hits["x"], hits["y"], hits["z"]])
        on_sphere = CLIC.ecal.inner_radius * position / np.linalg.norm(position, axis=0)
        table = np.vstack([on_sphere, hits["energy"]]).astype(np.float32)
        self.clusterer.read_data(table)
        self.clusterer.run_clue(backend="cpu serial")
        return self.clusterer._elapsed_time / 1e3, np.asarray(self.clusterer.cluster_ids)


def corresponding(energy: Array, one: Array, other: Array) -> float:
    """Fraction of the energy that lies in the largest overlaps of the peaks of `one`."""
    both = (one >= 0) & (other >= 0)
    table = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(table, (one[both], other[both]), energy[both])
    return float(table.max(axis=1).sum() / energy[one >= 0].sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--process", default="ttbar")
    parser.add_argument("--num-events", type=int, default=200)
    options = parser.parse_args()

    events = next(
        generate(GenerationConfig(options.process, options.num_events, SEED), options.num_events)
    )
    simulated = simulate(events.particles, events.event_id, CLIC, SimulationConfig())
    samples = ecal_hits(simulated.hits)
    config = BaselineConfig()
    parameters = config.record()["peaks"]
    find_peaks(samples[0], parameters)  # compiled before the clock starts
    try:
        library: Library | None = Library(config.peaks)
    except ImportError:
        library = None

    own, others, agreement = [], [], []
    for hits in samples:
        start = time.perf_counter()
        peak, _ = find_peaks(hits, parameters)
        own.append(time.perf_counter() - start)
        if library is not None and len(hits):
            seconds, other = library(hits)
            others.append(seconds)
            agreement.append(corresponding(hits["energy"], peak, other))
    mean_hits = np.mean([len(hits) for hits in samples])
    print(f"{options.process}, {len(samples)} events of {mean_hits:.0f} ECAL hits, one core")
    print(f"partflow     {1e3 * median(own):6.2f} ms per event (median)")
    if library is None:
        print("CLUEstering  cannot be imported here: pip install CLUEstering, and run again")
        return
    print(f"CLUEstering  {1e3 * median(others):6.2f} ms per event, on projected points")
    print(f"ratio        {median(others) / median(own):6.2f}")
    print(f"energy in corresponding peaks {np.mean(agreement):6.3f}")


if __name__ == "__main__":
    main()
