"""The progress bar of all commands: description, progress, rate, remaining time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

console = Console(stderr=True, highlight=False, force_jupyter=False)
"""Console for messages and progress, on standard error: results go to standard output. It writes
text in a notebook, too: bars as widgets would need ipywidgets."""


def say(message: str, style: str | None = None) -> None:
    """Print a message as it is: one line whatever the width of the terminal, brackets in names."""
    console.print(message, style=style, markup=False, soft_wrap=True)


def say_done(output: Path) -> None:
    """Tell the user that `output` is finished already, so that nothing was done."""
    say(f"{output}: finished already, nothing to do (--overwrite makes it again)")


class RateColumn(ProgressColumn):
    """Events (or other units of work) per second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """The average rate; empty before the first step."""
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        return Text(f"{speed:,.{0 if speed >= 10 else 1}f} {self._unit}/s", style="cyan")


@contextlib.contextmanager
def progress(description: str, total: int, unit: str = "events") -> Iterator[Callable[[int], None]]:
    """A progress bar of `total` units; call the yielded function with each number of units done."""
    with Progress(
        TextColumn("{task.description:<22}"),
        BarColumn(bar_width=32),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        RateColumn(unit),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
        speed_estimate_period=600,
    ) as bar:
        task = bar.add_task(description, total=total)
        yield lambda done: bar.advance(task, done)
