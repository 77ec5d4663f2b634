"""How time and memory grow with the event: the three backbones, and the rule-based baseline.

    python -m benchmarks.scaling [--largest 16384] [--picture docs/images/scaling.png]

Networks of the width of `small`, with random weights (time does not depend on them), get one
event of 128 to 16384 elements, half of them tracks, spread over the calorimeter's face; inputs,
trunk and heads are timed. The baseline gets the hits and tracks of so many simulated single
particles, laid over each other as one event; finding clusters and candidates is timed. The ways
take turns in every round; the median of the CPU time of one thread counts, which other work on
the machine does not stretch. Memory is the peak of the process less what it held before the event.

The exponent is the slope of log time against log size, by least squares from 2048 elements on;
for the baseline, which is given particles, from 512 on.
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

SIZES = (128, 256, 512, 1024, 2048, 4096, 8192, 16384)
BACKBONES = ("transformer", "gnn_lsh", "favor")
BASELINE = "baseline"
FITTED_FROM = {BASELINE: 512}
FITTED_FROM_ELEMENTS = 2048
ROUNDS = 5
SLOW = 5.0
"""Seconds of a call from which on it is timed once."""
LARGEST_BASELINE = 4096
"""Particles: with four times as many it takes a minute and a half."""
SEED = 7
PION, PHOTON = 211, 22


class Measured(NamedTuple):
    """One way at one size."""

    seconds: float
    megabytes: float


def network(backbone: str, num_elements: int) -> Callable[[], object]:
    """One event through a network of the width of `small`."""
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

    def answer() -> object:
        with torch.inference_mode():
            return model(batch)

    return answer


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
    """The baseline on one event of so many particles: half charged pions, the others photons."""
    from partflow.generate import GenerationConfig, generate
    from partflow.generate.config import Gun
    from partflow.reconstruct.reconstruction import reconstruct
    from partflow.simulate.config import SimulationConfig
    from partflow.simulate.fast.simulation import simulate

    of_kinds = []
    for pdg_id in (PION, PHOTON):
        gun = Gun(pdg_id=pdg_id, energy=(1.0, 20.0))
        config = GenerationConfig("gun", num_particles // 2, SEED, gun=gun)
        for run in generate(config):
            of_kinds.append(simulate(run.particles, run.event_id, CLIC, SimulationConfig()))
    hits = overlaid([simulated.hits for simulated in of_kinds])
    tracks = overlaid([simulated.tracks for simulated in of_kinds])
    return lambda: reconstruct(hits, tracks, CLIC)


def overlaid(parts: list[Collection]) -> Collection:
    """All events of `parts` as one."""
    columns = {n: np.concatenate([part.columns[n] for part in parts]) for n in parts[0].columns}
    offsets = offsets_from_counts(np.array([sum(len(part) for part in parts)]))
    return Collection(parts[0].schema, offsets, columns)


def prepared(way: str, size: int) -> Callable[[], object]:
    return rules(size) if way == BASELINE else network(way, size)


def megabytes(answer: Callable[[], object]) -> float:
    """Peak memory of one call beyond what the process held before it."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what earlier calls freed, back to the system
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the last peak
    before = _status("VmRSS")
    answer()
    return (_status("VmHWM") - before) / 1024


def _status(name: str) -> float:
    """Kilobytes, as Linux counts them for this process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return float(next(line for line in lines if line.startswith(name)).split()[1])


def measure(sizes: tuple[int, ...]) -> dict[str, dict[int, Measured]]:
    """Every way at every size; at each size all ways take turns."""
    results: dict[str, dict[int, Measured]] = {way: {} for way in (*BACKBONES, BASELINE)}
    for size in sizes:
        ways = [way for way in results if way != BASELINE or size <= LARGEST_BASELINE]
        answers = {way: prepared(way, size) for way in ways}
        if size == sizes[0]:  # the first call of all compiles kernels
            for answer in answers.values():
                answer()
        memory = {way: megabytes(answer) for way, answer in answers.items()}
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, answer in answers.items():
                if not seconds[way] or seconds[way][0] < SLOW:
                    start = time.process_time()
                    answer()
                    seconds[way].append(time.process_time() - start)
        for way in ways:
            results[way][size] = Measured(median(seconds[way]), memory[way])
            print(f"{size:6d} {way:12s} {1e3 * results[way][size].seconds:9.1f} ms", flush=True)
    return results


def exponent(way: str, measured: dict[int, Measured]) -> float:
    """Slope of log time against log size among the large events."""
    first = FITTED_FROM.get(way, FITTED_FROM_ELEMENTS)
    sizes = [size for size in measured if size >= first]
    if len(sizes) < 2:  # --largest leaves no slope to fit
        return float("nan")
    slope, _ = np.polyfit(np.log(sizes), np.log([measured[s].seconds for s in sizes]), 1)
    return float(slope)


def overtaken_at(results: dict[str, dict[int, Measured]], way: str) -> float | None:
    """Number of elements from which on `way` is faster than the transformer, interpolated."""
    sizes = np.array(list(results[way]))
    gain = np.log([results["transformer"][s].seconds / results[way][s].seconds for s in sizes])
    slower = np.flatnonzero(gain < 0)
    if not len(slower):
        return float(sizes[0])
    last = slower[-1]
    if last == len(sizes) - 1:
        return None
    part = -gain[last] / (gain[last + 1] - gain[last])
    return float(np.exp(np.interp(part, [0, 1], np.log(sizes[last : last + 2]))))


def draw(results: dict[str, dict[int, Measured]], picture: Path) -> None:
    """Time and memory against size; where the transformer is overtaken."""
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
        for way, measured in results.items():
            label, colour, marker = looks[way]
            sizes = list(measured)
            milliseconds = [1e3 * m.seconds for m in measured.values()]
            label = f"{label}, $n^{{{exponent(way, measured):.2f}}}$"
            above.loglog(sizes, milliseconds, marker=marker, color=colour, label=label)
            floor = [max(m.megabytes, 1.0) for m in measured.values()]
            below.loglog(sizes, floor, marker=marker, color=colour)
        for way in ("favor", "gnn_lsh"):
            crossing = overtaken_at(results, way)
            if crossing is not None:
                for axes in (above, below):
                    axes.axvline(crossing, color=looks[way][1], linestyle=":", linewidth=1.2)
        above.set_ylabel("Time per event [ms]")
        below.set_ylabel("Peak memory per event [MB]")
        below.set_xlabel("Elements (rules: particles) per event")
        above.legend()
        picture.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(picture)


def table(results: dict[str, dict[int, Measured]]) -> str:
    """Milliseconds and megabytes by size, exponents, and where the transformer is overtaken."""
    lines = ["size     " + "".join(f"{way:>22s}" for way in results)]
    for size in results[BACKBONES[0]]:
        cells = (measured[size] for measured in results.values() if size in measured)
        values = "".join(f"{1e3 * c.seconds:11.1f} ms{c.megabytes:5.0f} MB" for c in cells)
        lines.append(f"{size:<9d}{values}")
    slopes = "".join(f"{exponent(way, m):22.2f}" for way, m in results.items())
    lines.append(f"exponent {slopes}")
    for way in ("gnn_lsh", "favor"):
        crossing = overtaken_at(results, way)
        where = "not here" if crossing is None else f"from {crossing:.0f} elements on"
        lines.append(f"{way} overtakes the transformer: {where}")
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
