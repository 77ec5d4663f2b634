"""The verb that searches for hyperparameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from partflow.cli.app import OutputPath
from partflow.cli.executor_options import Address, ExecutorName
from partflow.core.errors import ConfigError
from partflow.core.executors import open_executor

SpaceName = Annotated[
    str | None,
    arg(metavar="FILE.py:FUNCTION", help_behavior_hint="(default: size, learning rate, batch)"),
]
TrialEpochs = Annotated[
    int | None,
    arg(metavar="NUMBER", help_behavior_hint="(default: 5, or no limit with --max-minutes)"),
]
TrialMinutes = Annotated[
    float | None, arg(metavar="MINUTES", help_behavior_hint="(default: no limit)")
]


def tune(
    labelled: Positional[Path],
    output: OutputPath,
    trials: int = 40,
    space: SpaceName = None,
    preset: Literal["tiny", "small", "base"] = "small",
    epochs: TrialEpochs = None,
    max_minutes: TrialMinutes = None,
    pruner: Literal["asha", "median", "none"] = "asha",
    seed: int = 1,
    threads: int = 1,
    keep_trials: bool = False,
    executor: ExecutorName = "local",
    address: Address = None,
    workers: int = 1,
) -> None:
    """Search for hyperparameters: many short trainings, and the configuration of the best.

    The first trial is the preset; Optuna proposes the settings of all others (TPE), and trials
    that are behind the others end early. Writes best.toml, trials.csv, and the page index.html.
    After Ctrl-C or a crash the same command continues, and may run in several terminals at a time.
    A larger --trials continues a finished search. Next: `partflow train`.

    Example: partflow tune labelled/ --trials 40 --max-minutes 2 --output study/

    Args:
        labelled: Folder of `partflow label`, or one split of `partflow ingest --format tfds`.
        output: Folder to write.
        trials: Number of trials.
        space: Your own search space: a function in a file, or in a module as package.module:name.
        preset: Configuration to start from.
        epochs: Number of passes over the events in each trial.
        max_minutes: Length of each trial [min]; a larger network is then trained on fewer events.
        pruner: What ends trials early: asha (only the best third goes on, at 10, 30 and 90 percent
            of the budget), median (trials above the median), or none.
        seed: Seed of the search, of the initial weights and of the order of events.
        threads: Number of threads of each trial.
        keep_trials: Keep the model folders of all trials, in OUTPUT/trials.
        executor: Where trials run: one after the other in this process (local), or on a Ray cluster
            (pip install "partflow[ray]").
        address: Address of the Ray cluster.
        workers: Number of processes of a Ray of this machine.
    """
    from partflow import pipeline

    if executor == "local" and workers != 1:
        raise ConfigError(
            f"--workers {workers}: is for --executor ray; here, start the same command several "
            "times, for example in two terminals"
        )
    with open_executor(executor, workers, address) as chosen:
        best = pipeline.tune(
            labelled, output, preset, trials, space, epochs, max_minutes, pruner, seed, threads,
            keep_trials, chosen if executor == "ray" else None,
        )  # fmt: skip
    if best is None:
        print(f"{output}: no trial is complete yet; run the same command again to continue")
        return
    print(
        f"{output}: trial {best.number} has the lowest validation loss, "
        f"{best.validation_loss:.4f}; its configuration: {output / 'best.toml'}, the page: "
        f"{output / 'index.html'}"
    )
