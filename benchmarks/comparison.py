"""Comparison of backbones and heads: the same events and training time, one table.

    python -m benchmarks.comparison --output DIR [--minutes 15] [--threads 1] [--at-once 2]
        [--models transformer gnn_lsh favor sharing sharing_fine] [--preset small] [--prepare]

Makes the events (or uses those in DIR), trains every model for the given minutes, reconstructs and
evaluates test events of other seeds, and writes a Markdown table with the models, the baseline and
the ceilings to DIR/table.md. The same command continues an interrupted comparison: finished parts
are not repeated, and an interrupted training is resumed. If a model fails, the others continue; its
output is in DIR/logs.

Models that are trained at the same time, with the same number of threads, have the same computing
time if nothing else runs on the machine. Each is read out twice, with the readouts `expectation`
and `threshold` (a list of particles); the latter is called NAME_list. Reconstruction is timed
afterwards, one model at a time and in turns, from elements to candidates.
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
from statistics import median
from typing import Any, NamedTuple

from partflow import pipeline
from partflow.core.errors import PartflowError
from partflow.generate import GenerationConfig
from partflow.report.formatting import decimal

TRAINING_PROCESSES = ("ttbar", "qq", "ww", "zh")
TEST_PROCESSES = ("ttbar", "qq", "ww")
TRAINING_SEED, TEST_SEED = 101, 202
LIST = "_list"
"""Suffix of the name of a model that is read out as a list of particles."""
TIMED_EVENTS, ROUNDS = 200, 5
POLL = 1.0  # s


class Variant(NamedTuple):
    """One of the models that are compared."""

    backbone: str = "transformer"
    head: str = "direct"
    element_set: str = "final"


MODELS = {
    "transformer": Variant(),
    "gnn_lsh": Variant(backbone="gnn_lsh"),
    "favor": Variant(backbone="favor"),
    "sharing": Variant(head="sharing"),
    "sharing_fine": Variant(head="sharing", element_set="fine"),
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
        pipeline.simulate(files, data / name, workers=workers, fine_elements=True)
    for element_set in ("final", "fine"):
        pipeline.label(data / "train", data / f"labelled-{element_set}", element_set=element_set)
    complete.write_text(json.dumps(contents))


def train_one(name: str, output: Path, preset: str, minutes: float, threads: int) -> None:
    """Train the model `name`, reconstruct the test events with both readouts, write a summary."""
    from partflow.model.config import ReadoutConfig
    from partflow.model.folder import load_model, save_model
    from partflow.model.mlpf import MLPF
    from partflow.train.checkpoint import CHECKPOINT_FILE

    variant, folder = MODELS[name], output / "models" / name
    result = pipeline.train(
        output / "data" / f"labelled-{variant.element_set}",
        folder,
        preset=preset,
        max_minutes=minutes,
        threads=threads,
        resume=(folder / CHECKPOINT_FILE).exists(),
        backbone=variant.backbone,  # type: ignore[arg-type]
        head=variant.head,  # type: ignore[arg-type]
    )
    trained = load_model(folder)
    listed = MLPF(replace(trained.config, readout=ReadoutConfig("threshold")))
    listed.load_state_dict(trained.state_dict())
    save_model(listed, folder.with_name(name + LIST))
    for candidate_set in (name, name + LIST):
        pipeline.reconstruct(
            output / "data" / "test",
            str(folder.with_name(candidate_set)),
            output / f"{candidate_set}.parquet",
            overwrite=True,
        )
    summary = {
        "minutes": minutes,
        "events_seen": result.events_seen,
        "training_events_per_second": result.events_per_second,
        "validation_loss": result.validation_loss,
        "parameters": trained.num_parameters,
    }
    (output / f"{name}.json").write_text(json.dumps(summary, indent=1))


def train_all(names: Sequence[str], options: argparse.Namespace) -> list[str]:
    """Train each model in its own process, `at_once` at a time; returns the finished models."""
    logs = options.output / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    waiting = [name for name in names if not is_finished(options.output, name, options.minutes)]
    running: dict[str, subprocess.Popen[bytes]] = {}
    environment = {
        **os.environ,
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"),
                        str(options.threads)),
    }  # fmt: skip
    try:
        while waiting or running:
            while waiting and len(running) < options.at_once:
                name = waiting.pop(0)
                command = [sys.executable, "-m", "benchmarks.comparison",
                           "--output", str(options.output), "--train", name,
                           "--preset", options.preset, "--minutes", str(options.minutes),
                           "--threads", str(options.threads)]  # fmt: skip
                with (logs / f"{name}.log").open("ab") as log:
                    running[name] = subprocess.Popen(
                        command, stdout=log, stderr=subprocess.STDOUT, env=environment
                    )
                print(f"{name}: started ({time.strftime('%H:%M:%S')})", flush=True)
            time.sleep(POLL)
            for name in [n for n, process in running.items() if process.poll() is not None]:
                code = running.pop(name).returncode
                outcome = "finished" if code == 0 else f"FAILED, see {logs / name}.log"
                print(f"{name}: {outcome} ({time.strftime('%H:%M:%S')})", flush=True)
    finally:
        for process in running.values():
            process.terminate()
    return [n for n in names if is_finished(options.output, n, options.minutes)]


def is_finished(output: Path, name: str, minutes: float) -> bool:
    """Whether the model was trained for `minutes` and has reconstructed the test events."""
    summary = output / f"{name}.json"
    return summary.exists() and json.loads(summary.read_text())["minutes"] == minutes


def throughput(names: Sequence[str], output: Path, threads: int) -> dict[str, float]:
    """Events per second from elements to candidates; models in turns, medians over the turns."""
    import torch

    from partflow.core.features import ELEMENT_SETS, build_elements
    from partflow.core.store import iterate_events
    from partflow.infer.reconstruction import reconstruct
    from partflow.model.folder import load_model

    torch.set_num_threads(threads)
    chunks = []
    for chunk in iterate_events(output / "data" / "test", "events"):
        chunks.append(chunk)
        if sum(map(len, chunks)) >= TIMED_EVENTS:
            break
    number = sum(map(len, chunks))
    models = {name: load_model(output / "models" / name) for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(ROUNDS):
        for name, model in models.items():
            clusters = ELEMENT_SETS[model.config.elements].clusters
            start = time.perf_counter()
            for chunk in chunks:
                reconstruct(model, build_elements(chunk.tracks, chunk.collections[clusters]))
            seconds[name].append(time.perf_counter() - start)
    return {name: number / median(times) for name, times in seconds.items()}


def table(metrics: Mapping[str, Any], summaries: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown table with one row for each candidate set."""
    rows = [
        "| candidates | jets IQR/median | / baseline | jets median | matched | MET IQR/median "
        "| MET difference IQR [GeV] | photon eff. / fake | neutral hadron eff. / fake "
        "| events/s | parameters | events seen |",
        "|" + "---|" * 12,
    ]
    for name, jets in metrics["jets"].items():
        met, rates = metrics["met"][name], metrics["particles"][name]
        summary = summaries.get(name.removesuffix(LIST), {})
        relative = jets.get("relative_to_baseline")
        cells = [
            name,
            _with_interval(jets, "iqr_over_median", 4),
            _with_interval(relative, "iqr_over_median", 3) if relative else "1",
            decimal(jets["median"], 4),
            decimal(jets["matched_fraction"]),
            _with_interval(met, "iqr_over_median", 3),
            _with_interval(met, "iqr_of_difference", 2),
            *(_rates(rates[particle]) for particle in ("photon", "neutral_hadron")),
            *(
                f"{summary[key]:,.0f}" if key in summary else "-"
                for key in ("events_per_second", "parameters", "events_seen")
            ),
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _with_interval(entry: Mapping[str, Any], key: str, digits: int) -> str:
    """A value and half the width of its interval."""
    value, interval = entry[key], entry[f"{key}_ci"]
    if value is None or None in interval:
        return "-"
    return f"{value:.{digits}f} ± {(interval[1] - interval[0]) / 2:.{digits}f}"


def _rates(entry: Mapping[str, Any]) -> str:
    """Efficiency and fake rate."""
    values = (entry["efficiency"], entry["fake_rate"])
    return " / ".join(decimal(v) for v in values)


def compare(options: argparse.Namespace) -> int:
    """Make events, models and table; returns the number of models that failed."""
    output = options.output
    make_events(output, options.training_events, options.test_events, options.workers)
    if options.prepare:
        return 0
    finished = train_all(options.models, options)
    if not finished:
        print(f"no model finished; see {output / 'logs'}")
        return len(options.models)
    summaries = {name: json.loads((output / f"{name}.json").read_text()) for name in finished}
    for name, rate in throughput(finished, output, options.threads).items():
        summaries[name]["events_per_second"] = rate
    sets = {n: output / f"{n}.parquet" for name in finished for n in (name, name + LIST)}
    metrics = pipeline.evaluate(output / "data" / "test", sets, output / "report", overwrite=True)
    parts = {"all": metrics} | {
        process: part
        for process, part in metrics["processes"].items()
        if "jets" in part  # not with a single process
    }
    text = "\n\n".join(f"{title}:\n\n{table(part, summaries)}" for title, part in parts.items())
    (output / "table.md").write_text(text + "\n")
    (output / "notes.json").write_text(json.dumps(summaries, indent=1))
    print(f"\n{text}")
    return len(options.models) - len(finished)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--training-events", type=int, default=4000, help="of each process")
    parser.add_argument("--test-events", type=int, default=1000, help="of each process")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--prepare", action="store_true", help="only make the events")
    parser.add_argument("--train", choices=MODELS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train is None:
        sys.exit(compare(options))
    try:
        train_one(options.train, options.output, options.preset, options.minutes, options.threads)
    except PartflowError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
