"""Time of the density peaks in the ECAL compared with the library CLUEstering, on one core.

    python -m benchmarks.peaks [--process ttbar] [--num-events 200]

CLUEstering (`pip install CLUEstering`) is the library of the algorithm that `reconstruct.peaks`
follows. It is timed if it is installed, without the part in Python that converts its result. The
two run alternately, event by event.

CLUEstering has no projective metric: it gets the hits projected onto a sphere at the inner radius
of the calorimeter, where its Euclidean distance is ours except for the smaller radius. It has no
parabolic kernel: it weights with a Gaussian of the same second moment. Radii, thresholds and the
seed rule are ours. The fraction of the energy in corresponding peaks is printed too.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import Any

import numpy as np

from partflow.core.detector import ECAL
from partflow.core.known_detectors import CLIC
from partflow.core.records import Array, Collection
from partflow.generate import GenerationConfig, generate
from partflow.reconstruct.event_state import HIT
from partflow.reconstruct.parameters import BaselineConfig, PeakConfig
from partflow.reconstruct.peaks import find_peaks
from partflow.simulate import SimulationConfig, simulate

SEED = 11
POINTS_PER_BIN = 1
"""CLUEstering's points per bin: the fastest of 1 to 128 for these events."""


def ecal_hits(hits: Collection) -> list[Array]:
    """The ECAL hits of each event, [hit] of HIT."""
    inside = hits.select(hits.subdetector == ECAL)
    rows = np.zeros(len(inside), HIT)
    for axis in "xyz":
        rows[axis] = inside.columns[axis]
    rows["energy_em"] = inside.energy_em
    rows["theta"] = np.arctan2(np.hypot(rows["x"], rows["y"]), rows["z"])
    rows["phi"] = np.arctan2(rows["y"], rows["x"])
    return np.split(rows, inside.offsets[1:-1])


class Library:
    """CLUEstering with our radii and thresholds."""

    def __init__(self, config: PeakConfig) -> None:
        import CLUEstering  # optional

        self.clusterer: Any = CLUEstering.clusterer(
            config.density_radius,
            config.min_density,
            config.follow_distance,
            config.seed_distance,
            POINTS_PER_BIN,
        )
        # The second moment of 1 - (d/R)^2 along an axis is R^2/6.
        width = config.density_radius / np.sqrt(6)
        self.clusterer.choose_kernel("gaus", [1e-6, width, 1.0])  # the mean must be above 0

    def __call__(self, hits: Array) -> tuple[float, Array]:
        """Seconds of its compiled part, and the peak of each hit."""
        position = np.stack([hits["x"], hits["y"], hits["z"]])
        on_sphere = CLIC.ecal.inner_radius * position / np.linalg.norm(position, axis=0)
        table = np.vstack([on_sphere, hits["energy_em"]]).astype(np.float32)
        self.clusterer.read_data(table)
        self.clusterer.run_clue(backend="cpu serial")
        return self.clusterer._elapsed_time / 1e3, np.asarray(self.clusterer.cluster_ids)


def overlap(energy: Array, peak: Array, other: Array) -> float:
    """Fraction of the energy of all peaks in their largest overlap with a peak of `other`."""
    is_in_both = (peak >= 0) & (other >= 0)
    table = np.zeros((peak.max() + 1, other.max() + 1))
    np.add.at(table, (peak[is_in_both], other[is_in_both]), energy[is_in_both])
    return float(table.max(axis=1).sum() / energy[peak >= 0].sum())


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
    constants = config.kernel_constants()["peaks"]
    find_peaks(samples[0], constants)  # compile before timing
    try:
        library: Library | None = Library(config.peaks)
    except ImportError:
        library = None

    times, library_times, overlaps = [], [], []
    for hits in samples:
        start = time.perf_counter()
        peak, _ = find_peaks(hits, constants)
        times.append(time.perf_counter() - start)
        if library is not None and len(hits):
            seconds, other = library(hits)
            library_times.append(seconds)
            overlaps.append(overlap(hits["energy_em"], peak, other))
    mean_hits = np.mean([len(hits) for hits in samples])
    print(f"{options.process}, {len(samples)} events of {mean_hits:.0f} ECAL hits, one core")
    print(f"partflow     {1e3 * median(times):6.2f} ms per event (median)")
    if library is None:
        print(
            "CLUEstering  is not installed: run pip install CLUEstering, and this benchmark again"
        )
        return
    print(f"CLUEstering  {1e3 * median(library_times):6.2f} ms per event, on projected points")
    print(f"ratio        {median(library_times) / median(times):6.2f}")
    print(f"energy in corresponding peaks {np.mean(overlaps):6.3f}")


if __name__ == "__main__":
    main()
