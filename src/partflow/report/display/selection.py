"""Which events of an evaluation are shown: the typical one, the best and the worst for jets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.records import Array
from partflow.evaluate.jets import JetSample

MIN_JETS = 2
"""Events with fewer generator jets are shown only if there are no others."""
RULE = (
    "Events are ranked by the mean of |pT(reco)/pT(gen) − 1| over their generator jets, a jet "
    f"without a match counting 1; events with fewer than {MIN_JETS} generator jets are left out."
)


class Choice(NamedTuple):
    """An event, and what it is an example of."""

    number: int
    remark: str


def choose_events(jets: JetSample, num_events: int, name: str) -> list[Choice]:
    """The median, the smallest and the largest of the events' mean jet error, each event once.

    `jets` are those of the candidate set `name`. Of equal events the earliest is taken.
    """
    error = np.where(jets.is_matched, np.abs(jets.response - 1), 1.0)
    number = np.bincount(jets.event, minlength=num_events)
    mean = np.bincount(jets.event, error, num_events) / np.maximum(number, 1)
    for fewest in (MIN_JETS, 1, 0):
        rows = np.flatnonzero(number >= fewest)
        if len(rows):
            break
    else:
        return []
    order = rows[np.argsort(mean[rows], kind="stable")]
    worst = rows[np.argmax(mean[rows])]
    chosen = {"Typical": order[(len(order) - 1) // 2], "Best": order[0], "Worst": worst}
    remarks: dict[int, str] = {}
    for word, row in chosen.items():
        event = int(row)
        said = f"{word} for jets of {name}: mean error {_percent(mean, event)}"
        remarks.setdefault(event, said)
    return [Choice(event, remark) for event, remark in remarks.items()]


def _percent(mean: Array, event: int) -> str:
    return f"{100 * mean[event]:.1f} %"
