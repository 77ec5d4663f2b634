"""generate + simulate + reconstruct: events per second on one core, compared with another program.

    python -m benchmarks.simulation [--num-events 300] [--other PATH] [--worker-events 10000]

The other program is a folder with `gen.py`, `sim.py`, `reco.py`, `pf.py` that offers
`gen.make(process, energy, seed)`, `gen.batch(generator, n)` and `pf.process(...)`; it takes
turns with this one, batch by batch in one process, so that both meet the same machine. A ratio
is the median over these rounds, with the smallest and the largest. Without the other program
this one's stages are printed alone. Times are wall times of this process; kernels are compiled
before the clock starts.

Then `partflow simulate` as a user runs it, whole processes from start to end, with one worker
and with two in turns. How long compiled kernels take to load, or to make: `benchmarks.startup`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from partflow.core.known_detectors import CLIC
from partflow.core.records import Array
from partflow.generate import GenerationConfig, generate
from partflow.reconstruct.reconstruction import reconstruct
from partflow.simulate.config import SimulationConfig
from partflow.simulate.fast.simulation import simulate

BATCH = 50
STAGES = ("generate", "simulate", "reconstruct")
ROWS = {
    **{stage: (stage,) for stage in STAGES},
    "simulate + reconstruct": ("simulate", "reconstruct"),
    "all": STAGES,
}
"""What is printed: sums of stages."""
SAMPLES = (("ttbar", 380.0), ("uds", 91.0))
OTHER_NAMES = {"ttbar": "tt", "qq": "qq", "ww": "ww", "uds": "uds"}
SEED = 11


def own_batches(process: str, energy: float, num_events: int) -> Iterator[dict[str, float]]:
    """Seconds of each stage for one batch after the other."""
    events = generate(GenerationConfig(process, num_events, SEED, energy), BATCH)
    while True:
        clock = [time.perf_counter()]
        generated = next(events, None)
        if generated is None:
            return
        clock.append(time.perf_counter())
        simulated = simulate(generated.particles, generated.event_id, CLIC, SimulationConfig())
        clock.append(time.perf_counter())
        reconstruct(simulated.hits, simulated.tracks, CLIC)
        clock.append(time.perf_counter())
        yield dict(zip(STAGES, np.diff(clock), strict=True))


def other_batches(folder: Path, process: str, energy: float) -> Iterator[dict[str, float]]:
    """The same of the program in `folder`; its tracks count as simulation."""
    sys.path.insert(0, str(folder))
    import gen
    import pf
    import reco
    import sim

    weights = np.load(folder / "W.npy")
    simulation, rng = sim.Sim(), np.random.default_rng(SEED)
    sim.seed(SEED)
    generator = gen.make(OTHER_NAMES[process], energy, SEED)
    while True:
        start = time.perf_counter()
        particles = gen.batch(generator, BATCH)
        generated = time.perf_counter()
        timing: list[tuple[float, ...]] = []
        pf.process(particles, simulation, weights, reco.RPA, rng, timing=timing)
        seconds = timing[0]
        yield {
            "generate": generated - start,
            "simulate": seconds[0] + seconds[1],
            "reconstruct": seconds[2] + seconds[3],
        }


def seconds_of(stages: tuple[str, ...], batches: list[dict[str, float]]) -> Array:
    """Seconds of some stages together, [batch]."""
    return np.array([sum(batch[stage] for stage in stages) for batch in batches])


def warm_up(run: Callable[[], object]) -> None:
    """Compile, outside the clock, and say how long it took."""
    start = time.perf_counter()
    run()
    seconds = time.perf_counter() - start
    print(f"first batch, with compilation where no cache is found: {seconds:.1f} s")


def compare(process: str, energy: float, num_events: int, folder: Path) -> None:
    """Print events per second of each stage, and their ratios to the program in `folder`."""
    warm_up(lambda: next(own_batches(process, energy, BATCH)))
    own = own_batches(process, energy, num_events)
    other = None
    if folder.is_dir():
        other = other_batches(folder, process, energy)
        warm_up(lambda: next(other))
    own_times, other_times = [], []
    for seconds in own:
        own_times.append(seconds)
        if other is not None:
            other_times.append(next(other))
    print(f"{process} {energy:g} GeV, {len(own_times)} batches of {BATCH} in turns, one core")
    print(f"{'events/s':<24}{'partflow':>10}{'other':>10}{'ratio':>8}  least to greatest")
    for name, stages in ROWS.items():
        mine = seconds_of(stages, own_times)
        line = f"{name:<24}{BATCH / np.median(mine):>10.1f}"
        if other_times:
            theirs = seconds_of(stages, other_times)
            ratios = theirs / mine
            line += f"{BATCH / np.median(theirs):>10.1f}{np.median(ratios):>8.2f}"
            line += f"  {ratios.min():.2f} to {ratios.max():.2f}"
        print(line, flush=True)


def command_seconds(*words: str) -> float:
    """Wall time of a `partflow` command in a new interpreter, each process on one thread."""
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "partflow", *words],
        check=True,
        env={**os.environ, **one_thread},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def compare_workers(num_events: int, rounds: int) -> None:
    """Print events per second of `partflow simulate` with one worker and with two."""
    with tempfile.TemporaryDirectory() as name:
        generated, output = f"{name}/generated.parquet", f"{name}/events"
        command_seconds("generate", "--num-events", str(num_events), "--output", generated)
        seconds: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(rounds):
            for workers, times in seconds.items():
                words = ("--output", output, "--workers", str(workers), "--overwrite")
                times.append(command_seconds("simulate", generated, *words))
                for shard in Path(output).iterdir():  # equal configurations are not run twice
                    shard.unlink()
                Path(output).rmdir()
    ratios = np.array(seconds[1]) / np.array(seconds[2])
    print(f"`partflow simulate` of {num_events} ttbar events, start to end, {rounds} rounds")
    for workers, times in seconds.items():
        print(f"{f'--workers {workers}':<24}{num_events / np.median(times):>10.1f} events/s")
    print(
        f"two workers to one: {np.median(ratios):.2f}  {ratios.min():.2f} to {ratios.max():.2f}, "
        f"on {os.cpu_count()} cores"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-events", type=int, default=300, help="events of each sample")
    parser.add_argument("--other", type=Path, default=Path("../shared/prototype"))
    parser.add_argument("--worker-events", type=int, default=10_000, help="0: leave workers out")
    parser.add_argument("--rounds", type=int, default=3, help="of one worker and two in turns")
    options = parser.parse_args()
    for process, energy in SAMPLES:
        compare(process, energy, options.num_events, options.other)
    if options.worker_events:
        compare_workers(options.worker_events, options.rounds)


if __name__ == "__main__":
    main()
