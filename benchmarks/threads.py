"""Speed of inference and training by the use of threads, on an idle and on a loaded machine.

    python -m benchmarks.threads labelled/ [--preset small] [--load 8] [--seconds 3]

Each row is a process of its own. They take turns in every round, first as the machine is, then with
`--load` processes that compute without end and end with this one. Rows:

    one thread              products on one core
    shared products         all cores share each product, and wait as OpenMP does by default
    shared, short waiting   the same, with `core.threads.shorten_waiting` (`partflow train`)
    own events              each core evaluates events by itself (`partflow reconstruct`)

Inference is that of a `Reconstructor` on events in memory, training a step with the batches of the
preset, both with the events in `labelled/` and random weights. The result is in events per second.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

from partflow.core.threads import SPIN_COUNT, available_cores

WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS")
NUM_EVENTS = 400


def inference(labelled: Path, preset_name: str, threads: int | None) -> Callable[[], int]:
    """A function that reconstructs some events; it returns their number."""
    import torch

    from benchmarks.model import collection
    from partflow.dataset.loader import sample_batches
    from partflow.dataset.mixture import Mixture
    from partflow.infer.reconstruction import Reconstructor
    from partflow.model.mlpf import MLPF
    from partflow.presets import preset

    mixture = Mixture.open([labelled], validation_fraction=0.0)
    batch = next(sample_batches(mixture, 10**9, num_events=NUM_EVENTS, seed=1))
    torch.manual_seed(0)
    model = MLPF(preset(preset_name).model)
    model.fit_standardisation([batch])
    reconstructor = Reconstructor(model, threads=threads)
    pieces = [collection(batch)]

    def reconstruct() -> int:
        for elements in pieces:
            reconstructor(elements)
        return batch.num_events

    return reconstruct


def training(labelled: Path, preset_name: str, threads: int | None) -> Callable[[], int]:
    """A function that makes a training step; it returns the number of its events."""
    import torch

    from benchmarks.training import training_step
    from partflow.dataset.loader import training_batches
    from partflow.dataset.mixture import Mixture
    from partflow.model.mlpf import MLPF
    from partflow.presets import preset
    from partflow.train.optimizer import make_optimizer

    if threads is not None:
        torch.set_num_threads(threads)
    chosen = preset(preset_name)
    mixture = Mixture.open([labelled])
    batches = training_batches(mixture, chosen.train.batch_elements, seed=1, augment=True)
    labelled_as = chosen.model.for_labels(mixture.element_set, mixture.has_shares)
    model = MLPF(labelled_as.at(mixture.face))
    model.fit_standardisation([next(batches)])
    optimizer = make_optimizer(model, chosen.train)
    return lambda: training_step(model, chosen, optimizer, lambda: next(batches))[0].num_events


ROWS: dict[tuple[str, str], tuple[Callable[..., Callable[[], int]], int | None, bool]] = {
    ("inference", "one thread"): (inference, 1, False),
    ("inference", "shared products"): (inference, None, False),
    ("inference", "shared, short waiting"): (inference, None, True),
    ("inference", "own events"): (inference, available_cores(), False),
    ("training", "one thread"): (training, 1, False),
    ("training", "shared products"): (training, None, False),
    ("training", "shared, short waiting"): (training, None, True),
}
"""What a row does: the work, its number of threads (None: as torch is set) and short waiting."""


def serve(
    connection: Connection, row: tuple[str, str], labelled: Path, preset: str, spin: str
) -> None:
    """In a process of its own: do the work of a row for some seconds, as often as asked."""
    for name in WAITING:
        os.environ.pop(name, None)
    make, threads, is_short = ROWS[row]
    if is_short:
        os.environ["GOMP_SPINCOUNT"] = spin
    work = make(labelled, preset, threads)
    work()  # compile, and fill the caches
    connection.send("ready")
    while (seconds := connection.recv()) > 0:
        start, events = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            events += work()
        connection.send(events / (time.perf_counter() - start))


def compute_without_end() -> None:
    while True:
        sum(range(100_000))


@contextmanager
def load(num_processes: int) -> Iterator[None]:
    """Other work on the machine in the block."""
    spawn = multiprocessing.get_context("spawn")
    processes = [
        spawn.Process(target=compute_without_end, daemon=True) for _ in range(num_processes)
    ]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
            process.join()


def measure(
    connections: dict[tuple[str, str], Connection], seconds: float, rounds: int
) -> dict[tuple[str, str], float]:
    """Median events per second of each row."""
    rates: dict[tuple[str, str], list[float]] = {row: [] for row in connections}
    for _ in range(rounds):
        for row, connection in connections.items():
            connection.send(seconds)
            rates[row].append(connection.recv())
    return {row: median(values) for row, values in rates.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labelled", type=Path)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--load", type=int, default=8, help="processes that load the machine")
    parser.add_argument("--seconds", type=float, default=3.0, help="time of a row in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--spin-count", default=str(SPIN_COUNT))
    options = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    connections, processes = {}, []
    for row in ROWS:
        connections[row], other = spawn.Pipe()
        arguments = other, row, options.labelled, options.preset, options.spin_count
        processes.append(spawn.Process(target=serve, args=arguments, daemon=True))
        processes[-1].start()
        connections[row].recv()
    idle = measure(connections, options.seconds, options.rounds)
    busy_before = os.getloadavg()[0]
    with load(options.load):
        loaded = measure(connections, options.seconds, options.rounds)
    for connection in connections.values():
        connection.send(0)
    print(f"{options.preset}, {available_cores()} cores, other load before: {busy_before:.1f}")
    print(f"{'':32s}{'as it is':>12s}{f'load {options.load}':>12s}  events/s")
    for row in ROWS:
        print(f"{row[0]:10s}{row[1]:22s}{idle[row]:12.1f}{loaded[row]:12.1f}")


if __name__ == "__main__":
    main()
