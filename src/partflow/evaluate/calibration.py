"""Whether a candidate's probability is one: of those at 0.8, are four of five real?

Real is a candidate whose element has a target, of whatever class. Only candidates that stand at
an element and were kept by their readout are known here; the probabilities of all elements are
judged on the validation events when a network is trained. A candidate set whose probabilities
are all 1 claims none, and has no calibration.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Any

import numpy as np

from partflow.core.records import Array, Collection
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.particles import elements_of_candidates
from partflow.evaluate.response import MIN_EVENTS, figure, number
from partflow.evaluate.sample import Sample

EDGES = np.linspace(0.0, 1.0, 11)
NUM_BINS = len(EDGES) - 1
ELEMENT_TYPES = ("track", "cluster")


class Tally(IntEnum):
    """What is summed per event, element type and bin of probability."""

    CANDIDATES, REAL, PROBABILITY = range(3)


@dataclass(frozen=True)
class CalibrationSample(Sample):
    """Probabilities of candidates beside what they turned out to be."""

    sums: Array
    """[event, Tally, element type, bin]."""
    num_claiming: Array
    """Candidates with a probability below 1, [event]."""


def judge_probabilities(
    candidates: Collection, targets: Collection, num_tracks: Array, first_event: int
) -> CalibrationSample:
    """Sums of each event; arguments as in `particles.judge_particles`."""
    element = elements_of_candidates(candidates, targets, num_tracks)
    at_element = element >= 0
    chosen, probability = candidates.select(at_element), candidates.probability[at_element]
    is_real = targets.pdg_id[element[at_element]] != 0
    place = np.clip(np.searchsorted(EDGES, probability, side="right") - 1, 0, NUM_BINS - 1)
    kind = (chosen.track_index < 0).astype(np.int64)
    shape = (targets.num_events, len(ELEMENT_TYPES), NUM_BINS)
    flat = np.ravel_multi_index((chosen.event_index, kind, place), shape)
    weights = {
        Tally.CANDIDATES: np.ones(len(flat)),
        Tally.REAL: is_real.astype(np.float64),
        Tally.PROBABILITY: probability,
    }
    size = int(np.prod(shape))
    sums = [np.bincount(flat, weights[tally], size).reshape(shape) for tally in Tally]
    claiming = (candidates.probability < 1).astype(np.float64)
    return CalibrationSample(
        np.arange(targets.num_events) + first_event,
        np.stack(sums, axis=1),
        np.bincount(candidates.event_index, claiming, targets.num_events),
    )


def calibration_metrics(sample: CalibrationSample, bootstrap: Bootstrap) -> dict[str, Any]:
    """Reliability in bins of probability and expected calibration error, by type of element.

    The error is the mean over candidates of |part that is real - mean probability| of their bin
    (M. Pakdaman Naeini et al., AAAI 2015). {} for a set that claims no probabilities.
    """
    if not sample.num_claiming.any():
        return {}
    replicas = np.tensordot(bootstrap.weights[:, sample.event].astype(float), sample.sums, axes=1)
    sums = np.concatenate([sample.sums.sum(axis=0)[None], replicas])
    in_events = (sample.sums[:, Tally.CANDIDATES] > 0).sum(axis=0)
    return {
        name: _of_type(sums[:, :, kind], in_events[kind], bootstrap)
        for kind, name in enumerate(ELEMENT_TYPES)
    }


def _of_type(sums: Array, in_events: Array, bootstrap: Bootstrap) -> dict[str, Any]:
    """Figures of one type of element from [1 + replica, Tally, bin]."""
    count, real, probability = (sums[:, tally] for tally in Tally)
    fraction, mean = _ratio(real, count), _ratio(probability, count)
    gap = np.abs(real - probability).sum(axis=1)
    error = _ratio(gap, count.sum(axis=1))
    bins = []
    for place, (low, high) in enumerate(pairwise(EDGES)):
        enough = bool(in_events[place] >= MIN_EVENTS)
        entry = figure("fraction_real", fraction[:, place], bootstrap, enough)
        bins.append(
            {
                "low": round(float(low), 3),
                "high": round(float(high), 3),
                "num_candidates": int(count[0, place]),
                "mean_probability": number(mean[0, place]),
                **entry,
            }
        )
    enough = bool(in_events.max() >= MIN_EVENTS)
    return {
        "num_candidates": int(count[0].sum()),
        **figure("expected_calibration_error", error, bootstrap, enough),
        "bins": bins,
    }


def _ratio(numerator: Array, denominator: Array) -> Array:
    """Numerator over denominator, NaN where that is zero."""
    empty = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=empty, where=denominator > 0)
