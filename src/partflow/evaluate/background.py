"""Overlaid background: how much of it a candidate set leaves out, and how much signal it keeps.

A target is kept if there is a candidate at its element, of whatever class. Clusters in which signal
and background are merged count as what their target is. Nothing here is defined for events without
overlaid background.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from partflow.core.records import Array, Collection
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.particles import elements_of_candidates
from partflow.evaluate.response import MIN_EVENTS, metric
from partflow.evaluate.sample import Sample


class BackgroundSum(IntEnum):
    """What is summed per event: targets, and their transverse momenta [GeV]."""

    SIGNAL, SIGNAL_KEPT, BACKGROUND, BACKGROUND_LEFT_OUT = range(4)


RATES = {
    "signal_efficiency": (BackgroundSum.SIGNAL_KEPT, BackgroundSum.SIGNAL),
    "background_rejection": (BackgroundSum.BACKGROUND_LEFT_OUT, BackgroundSum.BACKGROUND),
}
"""Numerator and denominator of each rate."""


@dataclass(frozen=True)
class BackgroundSample(Sample):
    """Numbers and transverse momenta of the targets of each event."""

    number: Array
    """[event, BackgroundSum]."""
    pt: Array
    """[event, BackgroundSum] (GeV)."""


def judge_background(
    candidates: Collection, targets: Collection, num_tracks: Array, first_event: int
) -> BackgroundSample:
    """Sums of each event; for the arguments see `particles.judge_particles`."""
    element = elements_of_candidates(candidates, targets, num_tracks)
    is_kept = np.zeros(len(targets), dtype=bool)
    is_kept[element[element >= 0]] = True
    is_target, is_pu = targets.pdg_id != 0, targets.is_pu != 0
    is_counted = {
        BackgroundSum.SIGNAL: is_target & ~is_pu,
        BackgroundSum.SIGNAL_KEPT: is_target & ~is_pu & is_kept,
        BackgroundSum.BACKGROUND: is_target & is_pu,
        BackgroundSum.BACKGROUND_LEFT_OUT: is_target & is_pu & ~is_kept,
    }
    number, pt = (
        np.stack(
            [
                np.bincount(targets.event_index, is_counted[kind] * weight, targets.num_events)
                for kind in BackgroundSum
            ],
            axis=1,
        )
        for weight in (np.ones(len(targets)), targets.pt)
    )
    return BackgroundSample(np.arange(targets.num_events) + first_event, number, pt)


def background_metrics(sample: BackgroundSample, bootstrap: Bootstrap) -> dict[str, Any]:
    """The rates of `RATES`, of targets and (`pt_...`) of their transverse momenta.

    {} for events without background.
    """
    if not sample.number[:, BackgroundSum.BACKGROUND].any():
        return {}
    result: dict[str, Any] = {}
    for prefix, sums in (("", sample.number), ("pt_", sample.pt)):
        for name, (part, whole) in RATES.items():
            total = sums[:, whole].sum()
            value = sums[:, part].sum() / total if total else np.nan
            replicas = bootstrap.ratio(sums[:, part], sums[:, whole], sample.event)
            has_interval = bool(np.count_nonzero(sums[:, whole]) >= MIN_EVENTS)
            values = np.concatenate([[value], replicas])
            result |= metric(prefix + name, values, bootstrap, has_interval)
    return result
