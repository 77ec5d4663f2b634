"""Selection of the events that a report shows: a typical one, the best and the worst for jets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.evaluate.jets import JetSample

MIN_JETS = 2
"""Events with fewer generator jets are shown only if there are no others."""
SELECTION = (
    "Events are ranked by the mean of |pT(reco)/pT(gen) − 1| over their generator jets, where a "
    f"jet without a match counts as 1. Events with fewer than {MIN_JETS} generator jets are left "
    "out."
)
"""Text of the page on how the events are selected."""


class SelectedEvent(NamedTuple):
    """An event to show."""

    number: int
    """Its number in the evaluation."""
    remark: str
    """Why it is shown."""


def select_events(jets: JetSample, num_events: int, name: str) -> list[SelectedEvent]:
    """The events with the median, the smallest and the largest mean jet error, each once.

    `jets` are those of the candidate set `name`. Of equal events the first is taken.
    """
    error = np.where(jets.is_matched, np.abs(jets.response - 1), 1.0)
    num_jets = np.bincount(jets.event, minlength=num_events)
    mean = np.bincount(jets.event, error, num_events) / np.maximum(num_jets, 1)
    for min_jets in (MIN_JETS, 1, 0):
        rows = np.flatnonzero(num_jets >= min_jets)
        if len(rows):
            break
    else:
        return []
    order = rows[np.argsort(mean[rows], kind="stable")]
    worst = rows[np.argmax(mean[rows])]
    examples = {"Typical": order[(len(order) - 1) // 2], "Best": order[0], "Worst": worst}
    remarks: dict[int, str] = {}
    for word, row in examples.items():
        percent = f"{100 * mean[row]:.1f} %"
        remarks.setdefault(int(row), f"{word} for jets of {name}: mean error {percent}")
    return [SelectedEvent(number, remark) for number, remark in remarks.items()]
