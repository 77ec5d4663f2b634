"""How many events a trained network needs for another detector or simulation.

    python -m benchmarks.transfer --initial run/ --labelled labelled/ --test events/ --output DIR
        [--budgets 100 300 1000 3000] [--seeds 1 2 3] [--modes scratch fine-tuned heads]
        [--events-seen 20000] [--validation-events 300] [--threads 1]

`run/` was trained on other events than those of `labelled/`: of another detector, or of another
engine. For every budget of training events and every seed, networks of the same size are trained
on the same number of events, each counted as often as it is used, and the weights with the
lowest validation loss are kept:

    scratch     with new weights
    fine-tuned  all weights, from those of `run/`
    heads       the heads alone, from those of `run/`

Next to them stand `run/` as it is, and the rule-based baseline. Figures are the validation loss and
the width of the jet response IQR/median on the test events, as mean and spread over the seeds. They
are written to DIR/table.md and drawn in DIR/transfer.png. The same command continues an interrupted
comparison.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

from partflow import pipeline
from partflow.core.outputs import write_text
from partflow.evaluate import EvaluationConfig

MODES: dict[str, dict[str, Any]] = {
    "scratch": {},
    "fine-tuned": {"from_initial": True},
    "heads": {"from_initial": True, "freeze": "all_but_heads"},
}
UNCHANGED = "unchanged"
"""The network of `run/` on the new events."""


BASELINE = "baseline"


class Network(NamedTuple):
    """One of the trainings that are compared."""

    mode: str
    budget: int
    """Training events."""
    seed: int

    @property
    def name(self) -> str:
        """Name of its model folder and of its candidates."""
        return f"{self.mode}-{self.budget}-{self.seed}"


class Point(NamedTuple):
    """Figures of one network."""

    validation_loss: float
    iqr_over_median: float


def train_one(network: Network, options: argparse.Namespace) -> float:
    """Train a network; returns its validation loss, or reads what was found before."""
    stored = options.output / f"{network.name}.json"
    if stored.exists():
        return float(json.loads(stored.read_text()))
    settings = dict(MODES[network.mode])
    initial = options.initial if settings.pop("from_initial", False) else None
    folder = options.output / "models" / network.name
    result = pipeline.train(
        options.labelled,
        folder,
        config=options.initial,
        resume=(folder / "checkpoint.pt").exists(),
        initial_model=initial,
        train_events=network.budget,
        validation_events=options.validation_events,
        epochs=max(round(options.events_seen / network.budget), 1),
        max_minutes=None,
        seed=network.seed,
        threads=options.threads,
        loggers=(),
        **settings,
    )
    write_text(stored, json.dumps(result.validation_loss))
    return float(result.validation_loss)


def check_settings(options: argparse.Namespace) -> None:
    """Exit if the output holds a comparison with other events or another length of trainings."""
    names = ("initial", "labelled", "test", "events_seen", "validation_events")
    settings = {name: str(getattr(options, name)) for name in names}
    file = options.output / "settings.json"
    if file.exists() and json.loads(file.read_text()) != settings:
        sys.exit(f"{options.output}: holds another comparison, see {file}; give another --output")
    write_text(file, json.dumps(settings, indent=1))


def widths(networks: Sequence[Network], options: argparse.Namespace) -> dict[str, float]:
    """IQR/median of the jet response on the test events: of each network, of `run/` as it is, and
    of the baseline.
    """
    models = {network.name: options.output / "models" / network.name for network in networks}
    candidates = {}
    for name, model in {**models, UNCHANGED: options.initial}.items():
        candidates[name] = options.output / f"{name}.parquet"
        adapts = name == UNCHANGED
        pipeline.reconstruct(options.test, str(model), candidates[name], adapt_detector=adapts)
    config = EvaluationConfig(num_replicas=1)  # the spread is that of the seeds
    jets = pipeline.judge(options.test, candidates, config).metrics()["jets"]
    return {name: float(jets[name]["iqr_over_median"]) for name in (*candidates, BASELINE)}


def with_spread(values: Sequence[float], digits: int) -> str:
    """Mean and standard deviation over the seeds."""
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{spread}"


def rows(points: Mapping[Network, Point], options: argparse.Namespace) -> Iterator[str]:
    """Rows of the table: one for each budget."""
    for budget in options.budgets:
        cells = [str(budget)]
        for mode in options.modes:
            of_seeds = [points[Network(mode, budget, seed)] for seed in options.seeds]
            cells.append(with_spread([p.validation_loss for p in of_seeds], 3))
            cells.append(with_spread([p.iqr_over_median for p in of_seeds], 4))
        yield "| " + " | ".join(cells) + " |"


def draw(
    points: Mapping[Network, Point], levels: Mapping[str, float], options: argparse.Namespace
) -> None:
    """Draw the width of the jet response against the budget, to a PNG file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    for mode in options.modes:
        of_budgets = [
            [points[Network(mode, budget, seed)].iqr_over_median for seed in options.seeds]
            for budget in options.budgets
        ]
        spreads = [stdev(w) if len(w) > 1 else 0.0 for w in of_budgets]
        axes.errorbar(
            options.budgets, [mean(w) for w in of_budgets], spreads, marker="o", label=mode
        )
    for (name, level), style in zip(levels.items(), ("--", ":"), strict=True):
        axes.axhline(level, color="black", linestyle=style, label=name)
    axes.set(xscale="log", xlabel="training events", ylabel="jet response IQR / median")
    axes.set_xticks(options.budgets, [f"{budget:,}" for budget in options.budgets], minor=False)
    axes.minorticks_off()
    axes.legend(frameon=False)
    figure.savefig(options.output / "transfer.png", dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("initial", "labelled", "test", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--budgets", type=int, nargs="+", default=[100, 300, 1000, 3000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--events-seen", type=int, default=20_000)
    parser.add_argument("--validation-events", type=int, default=300)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    check_settings(options)
    networks = [
        Network(m, b, s) for s, b, m in product(options.seeds, options.budgets, options.modes)
    ]
    losses = {network: train_one(network, options) for network in networks}
    found = widths(networks, options)
    points = {network: Point(losses[network], found[network.name]) for network in networks}
    levels = {name: found[name] for name in (UNCHANGED, BASELINE)}
    head = "| training events | " + " | ".join(
        f"{m}: loss | jets IQR/median" for m in options.modes
    )
    lines = [f"{head} |", "|" + "---|" * (1 + 2 * len(options.modes)), *rows(points, options)]
    lines += ["", *(f"{name}: jets IQR/median {level:.4f}" for name, level in levels.items())]
    write_text(options.output / "table.md", "\n".join(lines) + "\n")
    draw(points, levels, options)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
