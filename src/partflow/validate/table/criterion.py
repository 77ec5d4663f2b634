"""One line of the table of a validation, before anything is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from partflow.evaluate.gate import Bound


class Unit(NamedTuple):
    """How a figure is written."""

    name: str = ""
    scale: float = 1.0
    """Factor from the figure to the unit."""
    digits: int = 3


PLAIN, ROUGH, FINE, COUNT = Unit(), Unit(digits=2), Unit(digits=4), Unit(digits=1)
PERCENT = Unit("%", 100.0, 2)
MICRON = Unit("µm", 1e3, 1)  # figures are in mm
GEV, GEV_PER_EVENT = Unit("GeV"), Unit("GeV/event", 1.0, 2)


@dataclass(frozen=True)
class Criterion:
    """A figure, what it is compared with, and the bounds that it must keep if it has a target."""

    section: str
    label: str
    """First column of the line."""
    figure: str
    """Name of the figure in `measure_figures`."""
    target: str
    """Target and tolerance, or a value for comparison, as the table shows it."""
    source: str
    """Where the target comes from."""
    unit: Unit = PLAIN
    low: float | None = None
    """Smallest value that passes; None without a target."""
    high: float | None = None
    """Largest value that passes; None without a target."""

    @property
    def bound(self) -> Bound | None:
        """The bound of the figure, or None without a target."""
        if self.low is None and self.high is None:
            return None
        return Bound((self.figure,), self.low, self.high)
