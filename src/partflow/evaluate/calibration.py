"""Calibration of probabilities: of candidates with probability 0.8, are 80 % real?

A candidate is real if its element has a target, of whatever class. Only candidates at an element
that the readout kept are known here; training evaluates the probabilities of all elements on the
validation events. A candidate set whose probabilities are all 1 has no calibration.
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
from partflow.evaluate.response import MIN_EVENTS, metric, number
from partflow.evaluate.sample import Sample

EDGES = np.linspace(0.0, 1.0, 11)
NUM_BINS = len(EDGES) - 1
ELEMENT_TYPES = ("track", "cluster")


class CalibrationSum(IntEnum):
    """What is summed per event, element type and bin of probability."""

    CANDIDATES, REAL, PROBABILITY = range(3)


@dataclass(frozen=True)
class CalibrationSample(Sample):
    """Sums over the candidates of each event in bins of their probability."""

    sums: Array
    """[event, CalibrationSum, element type, bin]."""
    num_below_one: Array
    """Number of candidates with a probability below 1, [event]."""


def judge_probabilities(
    candidates: Collection, targets: Collection, num_tracks: Array, first_event: int
) -> CalibrationSample:
    """Sums of each event; for the arguments see `particles.judge_particles`."""
    element = elements_of_candidates(candidates, targets, num_tracks)
    at_element = element >= 0
    selected, probability = candidates.select(at_element), candidates.probability[at_element]
    is_real = targets.pdg_id[element[at_element]] != 0
    bin_index = np.clip(np.searchsorted(EDGES, probability, side="right") - 1, 0, NUM_BINS - 1)
    element_type = (selected.track_index < 0).astype(np.int64)
    shape = (targets.num_events, len(ELEMENT_TYPES), NUM_BINS)
    flat = np.ravel_multi_index((selected.event_index, element_type, bin_index), shape)
    weights = {
        CalibrationSum.CANDIDATES: np.ones(len(flat)),
        CalibrationSum.REAL: is_real.astype(np.float64),
        CalibrationSum.PROBABILITY: probability,
    }
    size = int(np.prod(shape))
    sums = [np.bincount(flat, weights[kind], size).reshape(shape) for kind in CalibrationSum]
    is_below_one = (candidates.probability < 1).astype(np.float64)
    return CalibrationSample(
        np.arange(targets.num_events) + first_event,
        np.stack(sums, axis=1),
        np.bincount(candidates.event_index, is_below_one, targets.num_events),
    )


def calibration_metrics(sample: CalibrationSample, bootstrap: Bootstrap) -> dict[str, Any]:
    """Reliability in bins of probability and expected calibration error, by element type.

    The error is the mean over candidates of |fraction real - mean probability| of their bin
    (M. Pakdaman Naeini et al., AAAI 2015). {} for a set without probabilities.
    """
    if not sample.num_below_one.any():
        return {}
    replicas = np.tensordot(bootstrap.weights[:, sample.event].astype(float), sample.sums, axes=1)
    sums = np.concatenate([sample.sums.sum(axis=0)[None], replicas])
    num_events = (sample.sums[:, CalibrationSum.CANDIDATES] > 0).sum(axis=0)
    return {
        name: _calibration_of_type(sums[:, :, row], num_events[row], bootstrap)
        for row, name in enumerate(ELEMENT_TYPES)
    }


def _calibration_of_type(sums: Array, num_events: Array, bootstrap: Bootstrap) -> dict[str, Any]:
    """Metrics of one element type from sums [1 + replica, CalibrationSum, bin].

    `num_events` [bin] counts the events with a candidate in a bin.
    """
    count, real, probability = (sums[:, kind] for kind in CalibrationSum)
    fraction, mean = _ratio(real, count), _ratio(probability, count)
    difference = np.abs(real - probability).sum(axis=1)
    error = _ratio(difference, count.sum(axis=1))
    bins = []
    for row, (low, high) in enumerate(pairwise(EDGES)):
        has_interval = bool(num_events[row] >= MIN_EVENTS)
        entry = metric("fraction_real", fraction[:, row], bootstrap, has_interval)
        bins.append(
            {
                "low": round(float(low), 3),
                "high": round(float(high), 3),
                "num_candidates": int(count[0, row]),
                "mean_probability": number(mean[0, row]),
                **entry,
            }
        )
    has_interval = bool(num_events.max() >= MIN_EVENTS)
    return {
        "num_candidates": int(count[0].sum()),
        **metric("expected_calibration_error", error, bootstrap, has_interval),
        "bins": bins,
    }


def _ratio(numerator: Array, denominator: Array) -> Array:
    """Numerator over denominator, NaN where that is zero."""
    empty = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=empty, where=denominator > 0)
