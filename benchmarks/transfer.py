"""How many events a trained network needs for another detector or simulation.

    python -m benchmarks.transfer --initial run/ --labelled labelled/ --test events/ --output DIR
        [--budgets 100 300 1000 3000] [--seeds 1 2 3] [--epochs 30] [--threads 1]

`run/` was trained on other events than those of `labelled/`: of another detector, or of another
engine. For every budget of training events and every seed, three networks of the same size are
trained for the same number of epochs:

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
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

from partflow import pipeline

MODES: dict[str, dict[str, Any]] = {
    "scratch": {},
    "fine-tuned": {"from_initial": True},
    "heads": {"from_initial": True, "freeze": "all_but_heads"},
}
UNCHANGED = "unchanged"
"""The network of `run/` on the new events."""


class Point(NamedTuple):
    """Figures of one network."""

    validation_loss: float | None
    iqr_over_median: float


def train_one(options: argparse.Namespace, mode: str, budget: int, seed: int) -> Point:
    """Train and judge one network, or read what was found before."""
    name = f"{mode}-{budget}-{seed}"
    stored = options.output / f"{name}.json"
    if stored.exists():
        return Point(**json.loads(stored.read_text()))
    settings = dict(MODES[mode])
    initial = options.initial if settings.pop("from_initial", False) else None
    folder = options.output / "models" / name
    result = pipeline.train(
        options.labelled,
        folder,
        config=options.initial,
        resume=(folder / "checkpoint.pt").exists(),
        initial_model=initial,
        train_events=budget,
        validation_events=options.validation_events,
        epochs=options.epochs,
        max_minutes=None,
        seed=seed,
        threads=options.threads,
        loggers=(),
        **settings,
    )
    point = Point(result.validation_loss, judge(options, folder, name))
    stored.write_text(json.dumps(point._asdict()))
    return point


def judge(options: argparse.Namespace, model: Path, name: str) -> float:
    """IQR/median of the jet response of a network on the test events."""
    candidates = options.output / f"{name}.parquet"
    adapts = name == UNCHANGED
    pipeline.reconstruct(
        options.test, str(model), candidates, overwrite=True, adapt_detector=adapts
    )
    report = options.output / "reports" / name
    metrics = pipeline.evaluate(options.test, {"mlpf": candidates}, report, overwrite=True)
    return float(metrics["jets"]["mlpf"]["iqr_over_median"])


def baseline(options: argparse.Namespace) -> float:
    """IQR/median of the jet response of the rule-based baseline."""
    metrics = pipeline.evaluate(options.test, {}, options.output / "reports" / "baseline", True)
    return float(metrics["jets"]["baseline"]["iqr_over_median"])


def with_spread(values: Sequence[float], digits: int) -> str:
    """Mean and standard deviation over the seeds."""
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{spread}"


def rows(points: dict[tuple[str, int], list[Point]], budgets: Sequence[int]) -> Iterator[str]:
    """Rows of the table: one for each budget."""
    for budget in budgets:
        cells = [str(budget)]
        for mode in MODES:
            of_seeds = points[mode, budget]
            losses = [p.validation_loss for p in of_seeds if p.validation_loss is not None]
            cells.append(with_spread(losses, 3))
            cells.append(with_spread([p.iqr_over_median for p in of_seeds], 4))
        yield "| " + " | ".join(cells) + " |"


def draw(
    points: dict[tuple[str, int], list[Point]],
    budgets: Sequence[int],
    levels: dict[str, float],
    path: Path,
) -> None:
    """Draw the width of the jet response against the budget, to a PNG file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    for mode in MODES:
        widths = [[p.iqr_over_median for p in points[mode, budget]] for budget in budgets]
        spreads = [stdev(w) if len(w) > 1 else 0.0 for w in widths]
        axes.errorbar(budgets, [mean(w) for w in widths], spreads, marker="o", label=mode)
    for (name, level), style in zip(levels.items(), ("--", ":"), strict=True):
        axes.axhline(level, color="black", linestyle=style, label=name)
    axes.set(xscale="log", xlabel="training events", ylabel="jet response IQR / median")
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("initial", "labelled", "test", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--budgets", type=int, nargs="+", default=[100, 300, 1000, 3000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--validation-events", type=int, default=300)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    points: dict[tuple[str, int], list[Point]] = {}
    for budget, mode in product(options.budgets, MODES):
        points[mode, budget] = [train_one(options, mode, budget, s) for s in options.seeds]
    levels = {
        UNCHANGED: judge(options, options.initial, UNCHANGED),
        "baseline": baseline(options),
    }
    head = "| training events | " + " | ".join(f"{m}: loss | jets IQR/median" for m in MODES)
    lines = [f"{head} |", "|" + "---|" * (1 + 2 * len(MODES)), *rows(points, options.budgets)]
    lines += ["", *(f"{name}: jets IQR/median {level:.4f}" for name, level in levels.items())]
    (options.output / "table.md").write_text("\n".join(lines) + "\n")
    draw(points, options.budgets, levels, options.output / "transfer.png")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
