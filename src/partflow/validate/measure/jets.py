"""Jet energy resolution, from the total energy of two-jet events and from single jets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from partflow.core.candidate_sets import BASELINE, PERFECT
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.jets import jet_metrics
from partflow.evaluate.replicas import separate
from partflow.evaluate.sample import select
from partflow.validate.measure import estimate
from partflow.validate.measure.collisions import (
    CALORIMETER,
    EVALUATION,
    PERFECT_OWN_TRACKS,
    SETS,
    jet_table,
)
from partflow.validate.measure.estimate import Estimate, of_replicas
from partflow.validate.measure.rms90 import rms90_replicas
from partflow.validate.summaries import EventSample, Summary

MAX_COS_THETA = 0.7
"""Largest abs(cos theta) of the leading generator jet in the accepted two-jet events."""
ENERGY_SETS = (BASELINE, CALORIMETER, PERFECT)


def measure_total_energy(events: EventSample) -> Iterator[tuple[str, Estimate]]:
    """RMS90/mean90 of one jet and mean90 of the energy of two-jet events, by candidate set.

    The resolution of one jet is taken as sqrt(2) times that of the event, as the linear-collider
    studies do: the two jets share the energy and fluctuate independently.
    """
    accepted = events.abs_cos_theta < MAX_COS_THETA  # false for NaN: an event without a jet
    selected = select(events, accepted)
    weights = estimate.resampling(len(events.event)).weights[:, accepted]
    bootstrap = Bootstrap(weights, estimate.CONFIDENCE)
    num = len(selected.event)
    yield "accepted", estimate.exact(num)
    relative = {}
    for name in ENERGY_SETS:
        energy = rms90_replicas(getattr(selected, name) / selected.gen_energy, bootstrap)
        relative[name] = np.sqrt(2) * np.asarray(energy.rms) / energy.mean
        yield f"rms90 {name}", of_replicas(relative[name], bootstrap, num)
        yield f"mean90 {name}", of_replicas(np.asarray(energy.mean), bootstrap, num)
    ratio = relative[BASELINE] / relative[CALORIMETER]
    yield "rms90 baseline/calorimeter", of_replicas(ratio, bootstrap, num)


def evaluate_jets(summary: Summary) -> dict[str, dict[str, Any]]:
    """The jet metrics of each candidate set, as `metrics.json` holds them.

    `relative_to_baseline` holds IQR/median over that of the baseline, from the same replicas.
    """
    bootstrap = estimate.resampling(summary.num_events)
    baseline = summary[jet_table(BASELINE)]
    metrics = {
        name: jet_metrics(
            summary[jet_table(name)], None if name == BASELINE else baseline, bootstrap, EVALUATION
        )
        for name in SETS
    }
    without_replicas: dict[str, dict[str, Any]] = separate(metrics)[0]
    return without_replicas


def measure_jets(jets: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Estimate]]:
    """Figures of the jets of one sample with their names; `jets` come from `evaluate_jets`."""
    for name, entry in jets.items():
        for figure in ("matched_fraction", "median", "iqr", "iqr_over_median"):
            yield f"jet {figure} {name}", _read(entry, figure)
    yield "jet baseline/calorimeter", _inverse(jets[CALORIMETER]["relative_to_baseline"])
    for name in (PERFECT, PERFECT_OWN_TRACKS):
        yield f"jet baseline/{name}", _inverse(jets[name]["relative_to_baseline"])
        for entry in jets[name]["bins"]:
            interval = f"{entry['low']:g}-{entry['high']:g}"
            yield f"jet baseline/{name} {interval}", _inverse(entry["relative_to_baseline"])


def _read(entry: Mapping[str, Any], figure: str) -> Estimate:
    """A metric and its interval as an estimate."""
    low, high = entry[f"{figure}_ci"]
    return Estimate(*(np.nan if v is None else float(v) for v in (entry[figure], low, high)))


def _inverse(entry: Mapping[str, Any]) -> Estimate:
    """The inverse of a ratio to the baseline; the ends of an interval of quantiles are inverted."""
    value, low, high = _read(entry, "iqr_over_median")
    return Estimate(1 / value, 1 / high, 1 / low if low > 0 else math.inf)
