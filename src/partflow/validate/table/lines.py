"""Lines of the table: what was measured for each criterion, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from partflow.evaluate.gate import Verdict, decide
from partflow.validate.measure.estimate import NOTHING, Estimate
from partflow.validate.table.comparisons import comparisons
from partflow.validate.table.criterion import Criterion
from partflow.validate.table.targets import targets


@dataclass(frozen=True)
class Line:
    """A criterion, the measured value, and the verdict."""

    criterion: Criterion
    measured: Estimate
    verdict: Verdict | None
    """None without a target."""


def judge_figures(figures: Mapping[str, Estimate], reduced: bool) -> list[Line]:
    """All lines of the table with their verdicts; `figures` come from `measure_figures`.

    A full validation has the statistics to decide by the value. A `reduced` one has not, so it
    decides by the interval.
    """
    return [
        judge_figure(criterion, figures.get(criterion.figure, NOTHING), reduced)
        for criterion in (*targets(), *comparisons())
    ]


def judge_figure(criterion: Criterion, measured: Estimate, reduced: bool) -> Line:
    """One line with its verdict, which `evaluate.gate` decides."""
    if criterion.bound is None:
        return Line(criterion, measured, None)
    interval = (measured.low, measured.high) if reduced else None
    return Line(criterion, measured, decide(criterion.bound, measured.value, interval))
