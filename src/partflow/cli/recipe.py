"""The verb that makes the bundled models again."""

from __future__ import annotations

from typing import Annotated, Literal

from tyro.conf import Positional, arg

from partflow.cli.app import OutputPath

StepName = Annotated[str | None, arg(metavar="STEP", help_behavior_hint="(default: all steps)")]


def recipe(
    name: Positional[Literal["bundled"]],
    output: OutputPath,
    scale: float = 1.0,
    until: StepName = None,
    geant4: bool = False,
    stand_in_data: bool = False,
    workers: int = 1,
    list_steps: bool = False,
) -> None:
    """Make the models that come with partflow from nothing: events, trainings, evaluations.

    All samples, seeds and settings are fixed. The whole recipe takes a day of two cores; after an
    interruption the same command continues. --scale 0.01 tries all of it in minutes.

    Example: partflow recipe bundled --output bundled/ --workers 2

    Args:
        name: The recipe.
        output: Folder of all outputs.
        scale: Events of each sample and epochs of each training, in units of the whole recipe.
        until: Last step to do.
        geant4: Also the model for Geant4, whose events take about 3 s each (pip install
            "partflow[geant4]").
        stand_in_data: Geant4 with data sets by simple formulas, as for the bundled model.
        workers: Number of processes, in trainings too; events are the same with any number.
        list_steps: Only show the steps and which of them are finished.
    """
    from partflow.pipeline.recipe import Recipe
    from partflow.simulate.geant4.config import Geant4Config

    settings = Geant4Config(stand_in_data=stand_in_data) if geant4 else None
    chosen = Recipe(output, scale, workers, settings)
    if not list_steps:
        return chosen.run(until)
    for step in chosen.steps():
        state = "finished" if step.finished.exists() else "to do"
        print(f"{state:<10}{step.name:<28}{step.num_events:>9,} events")
