"""Missing transverse momentum: the length of the sum of all transverse momenta."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from partflow.core.records import Array
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.config import EvaluationConfig
from partflow.evaluate.response import figure, width, width_figures
from partflow.evaluate.sample import Sample


@dataclass(frozen=True)
class MetSample(Sample):
    """MET of many events, generated and from one set of candidates."""

    gen: Array
    """[event], GeV."""
    reco: Array
    """[event], GeV."""


def missing_pt(event_index: Array, px: Array, py: Array, num_events: int) -> Array:
    """MET of each event [GeV] from its objects; 0 for an event without any.

    >>> missing_pt(np.array([1, 1]), np.array([3.0, 0.0]), np.array([0.0, 4.0]), 2).tolist()
    [0.0, 5.0]
    """
    sum_px = np.bincount(event_index, weights=px, minlength=num_events)
    sum_py = np.bincount(event_index, weights=py, minlength=num_events)
    return np.hypot(sum_px, sum_py)


def met_metrics(
    sample: MetSample, bootstrap: Bootstrap, config: EvaluationConfig
) -> dict[str, Any]:
    """Response where there is generated MET to respond to, and the difference in all events."""
    chosen = sample.gen > config.min_gen_met
    response = width(sample.reco[chosen] / sample.gen[chosen], sample.event[chosen], bootstrap)
    difference = width(sample.reco - sample.gen, sample.event, bootstrap)
    enough = difference.has_interval
    return {
        "num_events": int(chosen.sum()),
        **width_figures(response, bootstrap),
        **figure("iqr_of_difference", difference.iqr, bootstrap, enough),
        **figure("median_of_difference", difference.median, bootstrap, enough),
    }
