"""Pass or fail: what was found, held against the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from partflow.validate.measure.estimate import NOTHING, Estimate
from partflow.validate.table.comparisons import reported
from partflow.validate.table.targets import Criterion, criteria


class Verdict(StrEnum):
    """What is said of a line."""

    PASS = "pass"
    FAIL = "fail"
    UNDECIDED = "not decided"
    REPORTED = ""
    """No target: the number is for the reader."""


@dataclass(frozen=True)
class Line:
    """A criterion, what was found, and the verdict."""

    criterion: Criterion
    found: Estimate
    verdict: Verdict


def judge(figures: Mapping[str, Estimate], reduced: bool) -> list[Line]:
    """Every line of the table with its verdict."""
    return [
        Line(criterion, found, verdict(criterion, found, reduced))
        for criterion in (*criteria(), *reported())
        for found in (figures.get(criterion.figure, NOTHING),)
    ]


def verdict(criterion: Criterion, found: Estimate, reduced: bool) -> Verdict:
    """Whether a figure meets its bounds.

    A full validation has the statistics to go by the value. A reduced one has not: it passes or
    fails a line only if the whole interval is inside or outside.
    """
    low, high = criterion.low, criterion.high
    if np.isnan(low) and np.isnan(high):
        return Verdict.REPORTED
    if not reduced:
        return Verdict.PASS if low <= found.value <= high else Verdict.FAIL
    if low <= found.low and found.high <= high:
        return Verdict.PASS
    if found.high < low or found.low > high:
        return Verdict.FAIL
    return Verdict.UNDECIDED
