"""Comparison of networks: the same events and training time, several seeds, one table.

    python -m benchmarks.comparison --output DIR [--minutes 15 | --epochs N] [--seeds 1 2 3]
        [--networks transformer gnn_lsh favor sharing sharing_fine tuned=study/best.toml]
        [--preset small] [--threads 1] [--at-once 2] [--prepare]

A network is one of those above, or NAME=FILE with a configuration file, as `partflow tune` writes;
NAME=FILE@fine is trained on fine clusters. Makes the events (or uses those in DIR), trains every
network with every seed for the given minutes, reconstructs and evaluates test events of other
seeds, and writes a Markdown table with the networks, the baseline and the ceilings to DIR/table.md.
A value of a network is the mean over its seeds, with the standard deviation between them; a value
without seeds (or with one) has half the width of its 95 % interval from the finite number of
events. The same command continues an interrupted comparison: finished parts are not repeated, and
an interrupted training is resumed. If a training fails, the others continue; its output is in
DIR/logs.

Networks that are trained at the same time, with the same number of threads, have the same computing
time if nothing else runs on the machine; with `--epochs` they see the same events instead, whatever
else runs. Each is read out twice, with the readouts `expectation`
and `threshold` (a list of particles); the latter is called NAME_list. Reconstruction is timed
afterwards, one network at a time and in turns, from elements to candidates.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any, NamedTuple

from partflow import pipeline
from partflow.core.errors import PartflowError
from partflow.core.outputs import write_text
from partflow.generate import GenerationConfig
from partflow.report.formatting import decimal

TRAINING_PROCESSES = ("ttbar", "qq", "ww", "zh")
TEST_PROCESSES = ("ttbar", "qq", "ww")
TRAINING_SEED, TEST_SEED = 101, 202
LIST = "_list"
"""Suffix of the name of a network that is read out as a list of particles."""
TIMED_EVENTS, ROUNDS = 200, 5
POLL = 1.0  # s


class Network(NamedTuple):
    """One of the networks that are compared."""

    name: str
    options: Mapping[str, Any] = {}
    """Options of the training."""
    config: Path | None = None
    """Configuration file that the training starts from."""
    element_set: str = "final"

    @classmethod
    def parse(cls, text: str) -> Network:
        """The network that the user means: one of NETWORKS, or NAME=FILE[@ELEMENTS].

        >>> Network.parse("mine=best.toml@fine")
        Network(name='mine', options={}, config=PosixPath('best.toml'), element_set='fine')
        """
        name, is_own, file = text.partition("=")
        if not is_own:
            if name not in NETWORKS:
                raise argparse.ArgumentTypeError(
                    f"{name}: one of {', '.join(NETWORKS)}, or NAME=FILE"
                )
            return NETWORKS[name]
        path, _, element_set = file.partition("@")
        if element_set not in ("", "final", "fine") or not Path(path).exists():
            raise argparse.ArgumentTypeError(
                f"{text}: there is no such file, or the elements are neither final nor fine"
            )
        return cls(name, {}, Path(path), element_set or "final")

    @property
    def text(self) -> str:
        """What `parse` makes this network of."""
        return self.name if self.config is None else f"{self.name}={self.config}@{self.element_set}"


class Run(NamedTuple):
    """The training of a network with one seed."""

    network: Network
    seed: int

    @property
    def name(self) -> str:
        """Name of its model folder and of its candidates."""
        return f"{self.network.name}-{self.seed}"


NETWORKS = {
    network.name: network
    for network in (
        Network("transformer", {"head": "direct"}),
        Network("gnn_lsh", {"head": "direct", "backbone": "gnn_lsh"}),
        Network("favor", {"head": "direct", "backbone": "favor"}),
        Network("sharing", {"head": "sharing"}),
        Network("sharing_fine", {"head": "sharing"}, element_set="fine"),
    )
}


def make_events(output: Path, training: int, test: int, workers: int) -> None:
    """Simulate events of each process and label both element sets.

    Complete events in `output` are used again if their numbers agree, whichever commit made them.
    """
    data = output / "data"
    contents = {"training": training, "test": test}
    complete = data / "complete.json"
    if complete.exists() and json.loads(complete.read_text()) == contents:
        return
    for name, processes, number, seed in (
        ("train", TRAINING_PROCESSES, training, TRAINING_SEED),
        ("test", TEST_PROCESSES, test, TEST_SEED),
    ):
        files = [data / f"{name}-{process}.parquet" for process in processes]
        for process, file in zip(processes, files, strict=True):
            pipeline.generate(GenerationConfig(process, number, seed), file)
        pipeline.simulate(files, data / name, workers=workers)
    for element_set in ("final", "fine"):
        pipeline.label(data / "train", data / f"labelled-{element_set}", element_set=element_set)
    complete.write_text(json.dumps(contents))


def train_one(run: Run, options: argparse.Namespace) -> None:
    """Train a network, reconstruct the test events with both readouts, write a summary."""
    from partflow.model.config import ReadoutConfig
    from partflow.model.folder import load_model, save_model
    from partflow.model.mlpf import MLPF
    from partflow.train.checkpoint import CHECKPOINT_FILE

    output, network = options.output, run.network
    folder = output / "models" / run.name
    result = pipeline.train(
        output / "data" / f"labelled-{network.element_set}",
        folder,
        preset=options.preset,
        config=network.config,
        **budget(options),
        threads=options.threads,
        seed=run.seed,
        resume=(folder / CHECKPOINT_FILE).exists(),
        **network.options,
    )
    trained = load_model(folder)
    assert isinstance(trained, MLPF)
    listed = MLPF(replace(trained.config, readout=ReadoutConfig("threshold")))
    listed.load_state_dict(trained.state_dict())
    save_model(listed, folder.with_name(run.name + LIST))
    for candidate_set in (run.name, run.name + LIST):
        pipeline.reconstruct(
            output / "data" / "test",
            str(folder.with_name(candidate_set)),
            output / f"{candidate_set}.parquet",
            overwrite=True,
        )
    summary = {
        "settings": settings_of(run, options),
        "events_seen": result.events_seen,
        "training_events_per_second": result.events_per_second,
        "validation_loss": result.validation_loss,
        "parameters": trained.num_parameters,
    }
    write_text(output / f"{run.name}.json", json.dumps(summary, indent=1))


def budget(options: argparse.Namespace) -> dict[str, Any]:
    """Options of a training that say when it ends."""
    if options.epochs is None:
        return {"max_minutes": options.minutes}
    return {"epochs": options.epochs, "max_minutes": None}


def train_all(runs: Sequence[Run], options: argparse.Namespace) -> list[Run]:
    """Train each network in its own process, `at_once` at a time; returns the finished runs."""
    logs = options.output / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    waiting = [run for run in runs if not is_finished(run, options)]
    running: dict[str, subprocess.Popen[bytes]] = {}
    environment = {
        **os.environ,
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"),
                        str(options.threads)),
    }  # fmt: skip
    try:
        while waiting or running:
            while waiting and len(running) < options.at_once:
                run = waiting.pop(0)
                command = [sys.executable, "-m", "benchmarks.comparison", "--train",
                           "--output", str(options.output), "--preset", options.preset,
                           "--networks", run.network.text, "--seeds", str(run.seed),
                           "--minutes", str(options.minutes),
                           "--threads", str(options.threads)]  # fmt: skip
                if options.epochs is not None:
                    command += ["--epochs", str(options.epochs)]
                with (logs / f"{run.name}.log").open("ab") as log:
                    running[run.name] = subprocess.Popen(
                        command, stdout=log, stderr=subprocess.STDOUT, env=environment
                    )
                print(f"{run.name}: started ({time.strftime('%H:%M:%S')})", flush=True)
            time.sleep(POLL)
            for name in [n for n, process in running.items() if process.poll() is not None]:
                code = running.pop(name).returncode
                outcome = "finished" if code == 0 else f"FAILED, see {logs / name}.log"
                print(f"{name}: {outcome} ({time.strftime('%H:%M:%S')})", flush=True)
    finally:
        for process in running.values():
            process.terminate()
    return [run for run in runs if is_finished(run, options)]


def is_finished(run: Run, options: argparse.Namespace) -> bool:
    """Whether the network has reconstructed the test events.

    Raises SystemExit if it was trained with other settings.
    """
    summary = options.output / f"{run.name}.json"
    if not summary.exists():
        return False
    if json.loads(summary.read_text())["settings"] != settings_of(run, options):
        sys.exit(f"{summary}: made with other settings; give another --output, or remove the file "
                 f"and {options.output / 'models' / run.name}")  # fmt: skip
    return True


def settings_of(run: Run, options: argparse.Namespace) -> dict[str, Any]:
    """What the training of a network depends on, besides the events."""
    file = run.network.config
    return {
        **budget(options),
        "preset": options.preset,
        "elements": run.network.element_set,
        "configuration": None if file is None else file.read_text(),
    }


def throughput(runs: Sequence[Run], output: Path, threads: int) -> dict[str, float]:
    """Events per second from elements to candidates, of each network; medians over the turns."""
    import torch

    from partflow.core.features import ELEMENT_SETS, build_elements
    from partflow.core.store import iterate_events
    from partflow.infer.reconstruction import reconstruct
    from partflow.model.folder import load_model
    from partflow.pipeline.element_sets import ElementSets

    torch.set_num_threads(threads)
    chunks, clusters_of = [], ElementSets.of(output / "data" / "test")
    for chunk in iterate_events(output / "data" / "test", "events"):
        chunks.append(clusters_of.add(chunk, ELEMENT_SETS))
        if sum(map(len, chunks)) >= TIMED_EVENTS:
            break
    number = sum(map(len, chunks))
    models = {run.network.name: load_model(output / "models" / run.name) for run in runs}
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(ROUNDS):
        for name, model in models.items():
            clusters = ELEMENT_SETS[model.config.elements].clusters
            start = time.perf_counter()
            for chunk in chunks:
                reconstruct(model, build_elements(chunk.tracks, chunk.collections[clusters]))
            seconds[name].append(time.perf_counter() - start)
    return {name: number / median(times) for name, times in seconds.items()}


def table(
    metrics: Mapping[str, Any], runs: Sequence[Run], summaries: Mapping[str, Mapping[str, Any]]
) -> str:
    """Markdown table with one row for each network and readout, and each reference."""
    rows = [
        "| candidates | seeds | jets IQR/median | / baseline | jets median | matched "
        "| MET IQR/median | MET difference IQR [GeV] | photon eff. / fake "
        "| neutral hadron eff. / fake | events/s | parameters | events seen |",
        "|" + "---|" * 13,
    ]
    members: dict[str, list[str]] = {}
    for name in metrics["jets"]:
        network = next((r.network.name for r in runs if name in (r.name, r.name + LIST)), None)
        of_network = name if network is None else network + LIST * name.endswith(LIST)
        members.setdefault(of_network, []).append(name)
    for title, names in members.items():
        jets, met, particles = (
            [metrics[part][name] for name in names] for part in ("jets", "met", "particles")
        )
        relative = [entry.get("relative_to_baseline") for entry in jets]
        own = [summaries[n.removesuffix(LIST)] for n in names if n.removesuffix(LIST) in summaries]
        cells = [
            title,
            str(len(own)) if own else "-",
            spread(jets, "iqr_over_median", 4),
            spread(relative, "iqr_over_median", 3) if relative[0] else "1",
            spread(jets, "median", 4),
            spread(jets, "matched_fraction", 3),
            spread(met, "iqr_over_median", 3),
            spread(met, "iqr_of_difference", 2),
            *(
                " / ".join(
                    spread([entry[particle] for entry in particles], key, 2)
                    for key in ("efficiency", "fake_rate")
                )
                for particle in ("photon", "neutral_hadron")
            ),
            *(
                f"{mean(of_seed[key] for of_seed in own):,.0f}" if own else "-"
                for key in ("events_per_second", "parameters", "events_seen")
            ),
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def spread(entries: Sequence[Mapping[str, Any]], key: str, digits: int) -> str:
    """Mean and standard deviation over the seeds; of one entry, half the width of its interval.

    >>> spread([{"median": 0.98}, {"median": 1.02}], "median", 2)
    '1.00 ± 0.03'
    >>> spread([{"median": 1.0, "median_ci": [0.9, 1.3]}], "median", 2)
    '1.00 ± 0.20'
    """
    values = [entry[key] for entry in entries]
    if None in values:
        return "-"
    if len(values) > 1:
        return f"{mean(values):.{digits}f} ± {stdev(values):.{digits}f}"
    interval = entries[0].get(f"{key}_ci")
    if interval is None:
        return decimal(values[0], digits)
    if None in interval:
        return "-"
    return f"{values[0]:.{digits}f} ± {(interval[1] - interval[0]) / 2:.{digits}f}"


def compare(options: argparse.Namespace) -> int:
    """Make events, networks and table; returns the number of trainings that failed."""
    output = options.output
    make_events(output, options.training_events, options.test_events, options.workers)
    if options.prepare:
        return 0
    runs = [Run(network, seed) for network in options.networks for seed in options.seeds]
    finished = train_all(runs, options)
    if not finished:
        print(f"no training finished; see {output / 'logs'}")
        return len(runs)
    summaries = {
        run.name: json.loads((output / f"{run.name}.json").read_text()) for run in finished
    }
    rates = throughput(finished, output, options.threads)
    for run in finished:
        summaries[run.name]["events_per_second"] = rates[run.network.name]
    names = [name for run in finished for name in (run.name, run.name + LIST)]
    sets = {name: output / f"{name}.parquet" for name in names}
    metrics = pipeline.evaluate(output / "data" / "test", sets, output / "report", overwrite=True)
    parts = {"all": metrics} | {
        process: part
        for process, part in metrics["processes"].items()
        if "jets" in part  # not with a single process
    }
    text = "\n\n".join(
        f"{title}:\n\n{table(part, finished, summaries)}" for title, part in parts.items()
    )
    write_text(output / "table.md", text + "\n")
    write_text(output / "notes.json", json.dumps(summaries, indent=1))
    print(f"\n{text}")
    return len(runs) - len(finished)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--epochs", type=int, help="instead of minutes")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--networks", nargs="+", type=Network.parse, default=[*NETWORKS.values()],
                        help=f"{', '.join(NETWORKS)}, or NAME=FILE[@fine]")  # fmt: skip
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--preset", default="small")
    parser.add_argument("--training-events", type=int, default=4000, help="of each process")
    parser.add_argument("--test-events", type=int, default=1000, help="of each process")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--prepare", action="store_true", help="only make the events")
    parser.add_argument("--train", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.train:
        sys.exit(compare(options))
    try:
        train_one(Run(options.networks[0], options.seeds[0]), options)
    except PartflowError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
