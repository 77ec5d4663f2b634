"""Missing transverse momentum (MET): the length of the sum of all transverse momenta."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from partflow.core.records import Array
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.config import EvaluationConfig
from partflow.evaluate.response import metric, width, width_metrics
from partflow.evaluate.sample import Sample


@dataclass(frozen=True)
class MetSample(Sample):
    """MET of many events, generated and reconstructed from one candidate set."""

    gen: Array
    """[event], GeV."""
    reco: Array
    """[event], GeV."""


def missing_pt(event_index: Array, px: Array, py: Array, num_events: int) -> Array:
    """MET of each event, [event] (GeV); 0 for an event without objects.

    `event_index`, `px` and `py` [GeV] are [object].

    >>> missing_pt(np.array([1, 1]), np.array([3.0, 0.0]), np.array([0.0, 4.0]), 2).tolist()
    [0.0, 5.0]
    """
    sum_px = np.bincount(event_index, weights=px, minlength=num_events)
    sum_py = np.bincount(event_index, weights=py, minlength=num_events)
    return np.hypot(sum_px, sum_py)


def met_metrics(
    sample: MetSample, bootstrap: Bootstrap, config: EvaluationConfig
) -> dict[str, Any]:
    """Response in events with generated MET, and reco - gen in all events."""
    has_met = sample.gen > config.min_gen_met
    response = width(sample.reco[has_met] / sample.gen[has_met], sample.event[has_met], bootstrap)
    difference = width(sample.reco - sample.gen, sample.event, bootstrap)
    has_interval = difference.has_interval
    return {
        "num_events": int(has_met.sum()),
        **width_metrics(response, bootstrap),
        **metric("iqr_of_difference", difference.iqr, bootstrap, has_interval),
        **metric("median_of_difference", difference.median, bootstrap, has_interval),
    }
