"""generate + simulate + reconstruct: events per second on one core, beside another program.

    python -m benchmarks.simulation [--process ttbar] [--num-events 300] [--other PATH]

The other program is a folder with `gen.py`, `sim.py`, `reco.py`, `pf.py` that offers
`gen.make(process, energy, seed)`, `gen.batch(generator, n)` and `pf.process(...)`; it takes
turns with this one, batch by batch in one process, so that both meet the same machine. Without
it, this program's stages are printed alone. Times are wall times of this process; kernels are
compiled before the clock starts.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from partflow.core.detector import CLIC
from partflow.generate import GenerationConfig, generate
from partflow.reconstruct.reconstruction import reconstruct
from partflow.simulate.config import SimulationConfig
from partflow.simulate.simulation import simulate

BATCH = 50
STAGES = ("generate", "simulate", "reconstruct")
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


def rates(batches: list[dict[str, float]]) -> dict[str, float]:
    """Median events per second of each stage and of all."""
    per_stage = {name: BATCH / np.median([b[name] for b in batches]) for name in STAGES}
    per_stage["all"] = BATCH / np.median([sum(b.values()) for b in batches])
    return per_stage


def warm_up(run: Callable[[], object]) -> None:
    """Compile, outside the clock, and say how long it took."""
    start = time.perf_counter()
    run()
    seconds = time.perf_counter() - start
    print(f"first batch, with compilation where no cache is found: {seconds:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--process", default="ttbar", choices=OTHER_NAMES)
    parser.add_argument("--energy", type=float, default=380.0)
    parser.add_argument("--num-events", type=int, default=300)
    parser.add_argument("--other", type=Path, default=Path("../shared/prototype"))
    options = parser.parse_args()

    warm_up(lambda: next(own_batches(options.process, options.energy, BATCH)))
    own = own_batches(options.process, options.energy, options.num_events)
    other = None
    if options.other.is_dir():
        other = other_batches(options.other, options.process, options.energy)
        warm_up(lambda: next(other))
    own_times, other_times = [], []
    for seconds in own:
        own_times.append(seconds)
        if other is not None:
            other_times.append(next(other))

    own_rates = rates(own_times)
    other_rates = rates(other_times) if other_times else {}
    print(
        f"{options.process} {options.energy:g} GeV, {len(own_times)} batches of {BATCH}, one core"
    )
    print(f"{'events/s':<14}{'partflow':>10}{'other':>10}{'ratio':>8}")
    for name, rate in own_rates.items():
        beside = (
            f"{other_rates[name]:>10.1f}{rate / other_rates[name]:>8.2f}" if other_rates else ""
        )
        print(f"{name:<14}{rate:>10.1f}{beside}")


if __name__ == "__main__":
    main()
