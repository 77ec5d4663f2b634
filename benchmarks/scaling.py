"""Time and memory against the size of the event: the three backbones and the rule-based baseline.

    python -m benchmarks.scaling [--largest 16384] [--picture docs/images/scaling.png]

Networks of the width of `small`, with random weights (which do not affect the time), reconstruct
one event of 128 to 16384 elements, half of them tracks, spread over the calorimeter's face; the
time includes inputs, backbone and heads. The baseline reconstructs the hits and tracks of as many
simulated single particles, overlaid as one event; the time includes clusters and candidates. The
methods take turns in every round, and the median of the CPU time of one thread counts, which other
work on the machine does not prolong. Memory is the peak of the process minus its memory before the
event.

The exponent is the slope of log time against log size, by least squares from 2048 elements on, and
from 512 particles on for the baseline.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from partflow.core.detector import FACE_BARREL
from partflow.core.known_detectors import CLIC
from partflow.core.records import Array, Collection, offsets_from_counts
from partflow.model.config import BACKBONES

SIZES = (128, 256, 512, 1024, 2048, 4096, 8192, 16384)
BASELINE = "baseline"
FITTED_FROM = {BASELINE: 512}
FITTED_FROM_ELEMENTS = 2048
ROUNDS = 5
SLOW = 5.0
"""Time [s] of a call from which on it is timed only once."""
LARGEST_BASELINE = 4096
"""Largest number of particles for the baseline: four times as many take a minute and a half."""
SEED = 7
PION, PHOTON = 211, 22


class Measured(NamedTuple):
    """Time and memory of one method at one size."""

    seconds: float
    megabytes: float


def network(backbone: str, num_elements: int) -> Callable[[], object]:
    """A call of a network of the width of `small` on one event."""
    import torch

    from partflow.dataset.batches import Batch
    from partflow.model.config import ModelConfig
    from partflow.model.mlpf import MLPF

    torch.manual_seed(SEED)
    model = MLPF(ModelConfig(backbone=backbone)).eval()
    batch = Batch(
        event_id=torch.zeros(1, dtype=torch.int64),
        offsets=torch.tensor([0, num_elements]),
        features=torch.from_numpy(drawn_features(num_elements)),
        event_index=torch.zeros(num_elements, dtype=torch.int64),
        counts=(num_elements,),
    )

    def call() -> object:
        with torch.inference_mode():
            return model(batch)

    return call


def drawn_features(num_elements: int) -> Array:
    """Features of an event, tracks first, whose elements cover the calorimeter evenly."""
    from partflow.core.features import CLUSTER, ELEMENTS, TRACK, ExtraFeature, TrackFeature

    rng = np.random.default_rng(SEED)
    features = np.zeros((num_elements, len(ELEMENTS.names)), np.float32)
    is_track = np.arange(num_elements) < num_elements // 2
    unit = rng.normal(size=(num_elements, 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    momentum = np.exp(rng.uniform(0, 3, num_elements))
    transverse = np.hypot(unit[:, 0], unit[:, 1])
    depth = np.where(is_track, 0.0, rng.uniform(50, 1000, num_elements))
    f, extra = TrackFeature, ExtraFeature
    features[:, f.TYPE] = np.where(is_track, TRACK, CLUSTER)
    features[:, f.PT], features[:, f.P] = momentum * transverse, momentum
    features[:, f.ETA] = np.arctanh(unit[:, 2])
    features[:, f.SIN_PHI] = unit[:, 1] / transverse
    features[:, f.COS_PHI] = unit[:, 0] / transverse
    features[:, extra.FACE_X : extra.FACE_Z + 1] = unit * (CLIC.ecal.inner_radius + depth)[:, None]
    features[is_track, extra.FACE_DX : extra.FACE_DZ + 1] = unit[is_track]
    features[is_track, extra.FACE_REGION] = FACE_BARREL
    features[:, extra.ENERGY_HADRONIC] = momentum
    return features


def rules(num_particles: int) -> Callable[[], object]:
    """A call of the baseline on one event of charged pions and as many photons."""
    from partflow.generate import GenerationConfig, generate
    from partflow.generate.config import Gun
    from partflow.reconstruct.reconstruction import reconstruct
    from partflow.simulate.config import SimulationConfig
    from partflow.simulate.fast.simulation import simulate

    simulated = []
    for pdg_id in (PION, PHOTON):
        gun = Gun(pdg_id=pdg_id, energy=(1.0, 20.0))
        config = GenerationConfig("gun", num_particles // 2, SEED, gun=gun)
        for chunk in generate(config):
            simulated.append(simulate(chunk.particles, chunk.event_id, CLIC, SimulationConfig()))
    hits = overlaid([chunk.hits for chunk in simulated])
    tracks = overlaid([chunk.tracks for chunk in simulated])
    return lambda: reconstruct(hits, tracks, CLIC)


def overlaid(parts: list[Collection]) -> Collection:
    """All events of `parts` as one."""
    columns = {n: np.concatenate([part.columns[n] for part in parts]) for n in parts[0].columns}
    offsets = offsets_from_counts(np.array([sum(len(part) for part in parts)]))
    return Collection(parts[0].schema, offsets, columns)


def prepare(method: str, size: int) -> Callable[[], object]:
    """A call of the method on an event of this size."""
    return rules(size) if method == BASELINE else network(method, size)


def peak_memory(call: Callable[[], object]) -> float:
    """Peak memory [MB] of one call, minus the memory of the process before it."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # returns freed memory to the system
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak
    before = _status("VmRSS")
    call()
    return (_status("VmHWM") - before) / 1024


def _status(name: str) -> float:
    """A memory of this process [kB], as Linux reports it."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return float(next(line for line in lines if line.startswith(name)).split()[1])


def measure(sizes: tuple[int, ...]) -> dict[str, dict[int, Measured]]:
    """Time and memory of every method at every size; at each size the methods take turns."""
    results: dict[str, dict[int, Measured]] = {method: {} for method in (*BACKBONES, BASELINE)}
    for size in sizes:
        methods = [method for method in results if method != BASELINE or size <= LARGEST_BASELINE]
        calls = {method: prepare(method, size) for method in methods}
        if size == sizes[0]:  # the first call compiles kernels
            for call in calls.values():
                call()
        memory = {method: peak_memory(call) for method, call in calls.items()}
        seconds: dict[str, list[float]] = {method: [] for method in methods}
        for _ in range(ROUNDS):
            for method, call in calls.items():
                if not seconds[method] or seconds[method][0] < SLOW:
                    start = time.process_time()
                    call()
                    seconds[method].append(time.process_time() - start)
        for method in methods:
            results[method][size] = Measured(median(seconds[method]), memory[method])
            print(
                f"{size:6d} {method:12s} {1e3 * results[method][size].seconds:9.1f} ms", flush=True
            )
    return results


def exponent(method: str, measured: dict[int, Measured]) -> float:
    """Slope of log time against log size for large events."""
    first = FITTED_FROM.get(method, FITTED_FROM_ELEMENTS)
    sizes = [size for size in measured if size >= first]
    if len(sizes) < 2:  # too few with a small --largest
        return float("nan")
    slope, _ = np.polyfit(np.log(sizes), np.log([measured[s].seconds for s in sizes]), 1)
    return float(slope)


def overtaken_at(results: dict[str, dict[int, Measured]], method: str) -> float | None:
    """Number of elements from which on `method` is faster than the transformer, interpolated."""
    sizes = np.array(list(results[method]))
    gain = np.log([results["transformer"][s].seconds / results[method][s].seconds for s in sizes])
    slower = np.flatnonzero(gain < 0)
    if not len(slower):
        return float(sizes[0])
    last = slower[-1]
    if last == len(sizes) - 1:
        return None
    part = -gain[last] / (gain[last + 1] - gain[last])
    return float(np.exp(np.interp(part, [0, 1], np.log(sizes[last : last + 2]))))


def draw(results: dict[str, dict[int, Measured]], picture: Path) -> None:
    """Draw time and memory against size, and the sizes at which the transformer becomes slower."""
    import matplotlib.pyplot as plt
    import mplhep

    from partflow.report.style import BLUE, GREEN, GREY, OVERRIDES, VERMILION

    looks: dict[str, tuple[str, str, Any]] = {
        "transformer": ("transformer", BLUE, "o"),
        "gnn_lsh": ("GNN-LSH", VERMILION, "s"),
        "favor": ("FAVOR+", GREEN, "^"),
        BASELINE: ("rules (against particles)", GREY, "D"),
    }
    with plt.style.context([mplhep.style.CMS, OVERRIDES]):
        figure, (above, below) = plt.subplots(
            2, 1, sharex=True, figsize=(7.2, 8.4), layout="constrained"
        )
        for method, measured in results.items():
            label, colour, marker = looks[method]
            sizes = list(measured)
            milliseconds = [1e3 * m.seconds for m in measured.values()]
            label = f"{label}, $n^{{{exponent(method, measured):.2f}}}$"
            above.loglog(sizes, milliseconds, marker=marker, color=colour, label=label)
            floor = [max(m.megabytes, 1.0) for m in measured.values()]
            below.loglog(sizes, floor, marker=marker, color=colour)
        for method in ("favor", "gnn_lsh"):
            crossing = overtaken_at(results, method)
            if crossing is not None:
                for axes in (above, below):
                    axes.axvline(crossing, color=looks[method][1], linestyle=":", linewidth=1.2)
        above.set_ylabel("Time per event [ms]")
        below.set_ylabel("Peak memory per event [MB]")
        below.set_xlabel("Elements (rules: particles) per event")
        above.legend()
        picture.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(picture)


def table(results: dict[str, dict[int, Measured]]) -> str:
    """Table of time and memory by size, exponents, and sizes at which the transformer is slower."""
    lines = ["size     " + "".join(f"{method:>22s}" for method in results)]
    for size in results[BACKBONES[0]]:
        cells = (measured[size] for measured in results.values() if size in measured)
        values = "".join(f"{1e3 * c.seconds:11.1f} ms{c.megabytes:5.0f} MB" for c in cells)
        lines.append(f"{size:<9d}{values}")
    slopes = "".join(f"{exponent(method, m):22.2f}" for method, m in results.items())
    lines.append(f"exponent {slopes}")
    for method in ("gnn_lsh", "favor"):
        crossing = overtaken_at(results, method)
        where = "not here" if crossing is None else f"from {crossing:.0f} elements on"
        lines.append(f"{method} overtakes the transformer: {where}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    results = measure(tuple(size for size in SIZES if size <= options.largest))
    print(table(results))
    if options.picture is not None:
        draw(results, options.picture)


if __name__ == "__main__":
    main()
