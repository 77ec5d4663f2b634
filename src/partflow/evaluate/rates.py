"""Efficiency, fake rate, response, number and energy of the particles of each class."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from partflow.core.particles import CLASS_NAMES, CLASSES
from partflow.core.records import Array
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.config import EvaluationConfig
from partflow.evaluate.particles import (
    NUM_CLASSES,
    ParticleCounts,
    RateCount,
    ReconstructedTargets,
)
from partflow.evaluate.response import MIN_EVENTS, metric, number, width, width_metrics
from partflow.evaluate.sample import select

RATES = {
    "efficiency": (RateCount.RECONSTRUCTED, RateCount.TARGETS),
    "fake_rate": (RateCount.FAKES, RateCount.CANDIDATES),
}
"""Numerator and denominator of each rate."""


def particle_metrics(
    counts: ParticleCounts, reconstructed: ReconstructedTargets, bootstrap: Bootstrap,
    config: EvaluationConfig,
) -> dict[str, Any]:  # fmt: skip
    """Metrics of the particles of one candidate set, by the name of their class."""
    inclusive = counts.by_pt.sum(axis=-1, keepdims=True, dtype=np.int64)
    overall, by_pt, by_abs_eta = (
        _rates(binned, counts.event, bootstrap)
        for binned in (inclusive, counts.by_pt, counts.by_abs_eta)
    )
    num_events = len(counts.event)
    result = {}
    for index in range(1, NUM_CLASSES):
        of_class = select(reconstructed, reconstructed.kind == index)
        result[CLASS_NAMES[CLASSES[index]]] = {
            **overall[index][0],
            "num_targets": int(inclusive[:, RateCount.TARGETS, index].sum()),
            "num_candidates": int(counts.num_candidates[:, index].sum(dtype=np.int64)),
            "target_energy_per_event": _mean(counts.target_energy[:, index], num_events),
            "candidate_energy_per_event": _mean(counts.candidate_energy[:, index], num_events),
            **_responses(of_class, bootstrap),
            "bins": _in_bins(
                by_pt[index][1:-1], of_class, "pt", config.particle_pt_edges, bootstrap
            ),
            "eta_bins": _in_bins(
                by_abs_eta[index][1:-1], of_class, "abs_eta", config.abs_eta_edges, bootstrap
            ),
        }
    return result


def _responses(reconstructed: ReconstructedTargets, bootstrap: Bootstrap) -> dict[str, Any]:
    """Scale and resolution of momentum, energy and direction of reconstructed targets."""
    result: dict[str, Any] = {}
    event = reconstructed.event
    for name in ("pt_response", "energy_response"):
        response = width(getattr(reconstructed, name), event, bootstrap)
        result[name] = width_metrics(response, bootstrap)
    for name in ("eta_residual", "phi_residual"):
        residual = width(getattr(reconstructed, name), event, bootstrap)
        result[name] = {
            key: entry
            for kind in ("median", "iqr")
            for key, entry in metric(
                kind, getattr(residual, kind), bootstrap, residual.has_interval
            ).items()
        }
    return result


def confusion_counts(counts: ParticleCounts) -> list[list[int]]:
    """Elements by class of target (row) and of candidate (column), in the order of CLASSES."""
    matrix: list[list[int]] = counts.confusion.sum(axis=0, dtype=np.int64).tolist()
    return matrix


def _rates(counts: Array, event: Array, bootstrap: Bootstrap) -> list[list[dict[str, Any]]]:
    """Rates with intervals by class and bin, from counts [event, RateCount, class, bin]."""
    total = counts.sum(axis=0, dtype=np.int64)
    num_events = (counts > 0).sum(axis=0)
    entries: list[list[dict[str, Any]]] = [
        [{} for _ in range(counts.shape[3])] for _ in range(NUM_CLASSES)
    ]
    for name, (part, whole) in RATES.items():
        nominal = np.divide(
            total[part],
            total[whole],
            out=np.full(total[part].shape, np.nan),
            where=total[whole] > 0,
        )
        replicas = bootstrap.ratio(counts[:, part], counts[:, whole], event)
        for (index, place), value in np.ndenumerate(nominal):
            has_interval = bool(num_events[whole, index, place] >= MIN_EVENTS)
            values = np.concatenate([[value], replicas[:, index, place]])
            entries[index][place] |= metric(name, values, bootstrap, has_interval)
    for (index, place), num_targets in np.ndenumerate(total[RateCount.TARGETS]):
        num_candidates = int(total[RateCount.CANDIDATES, index, place])
        entries[index][place] |= {
            "num_targets": int(num_targets),
            "num_candidates": num_candidates,
        }
    return entries


def _in_bins(
    rates: list[dict[str, Any]], reconstructed: ReconstructedTargets, column: str,
    edges: tuple[float, ...], bootstrap: Bootstrap,
) -> list[dict[str, Any]]:  # fmt: skip
    """Rates and responses in bins of the target's `column`, with the edges of each bin."""
    values = getattr(reconstructed, column)
    result = []
    for (low, high), entry in zip(pairwise(edges), rates, strict=True):
        inside = select(reconstructed, (values >= low) & (values < high))
        bounds = {"low": float(low), "high": float(high)}
        result.append({**bounds, **entry, **_responses(inside, bootstrap)})
    return result


def _mean(values: Array, num_events: int) -> float | None:
    """Sum of `values` [event] per event; None without events."""
    return number(values.sum() / num_events) if num_events else None
