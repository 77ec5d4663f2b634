"""Efficiencies, fake rates, numbers and energies of particles, class by class."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from partflow.core.particles import CLASS_NAMES, CLASSES
from partflow.core.records import Array
from partflow.evaluate.bootstrap import Bootstrap
from partflow.evaluate.config import EvaluationConfig
from partflow.evaluate.particles import NUM_CLASSES, Count, FoundSample, ParticleSample
from partflow.evaluate.response import MIN_EVENTS, figure, number, width, width_figures
from partflow.evaluate.sample import select

RATES = {
    "efficiency": (Count.FOUND, Count.TARGETS),
    "fake_rate": (Count.FAKES, Count.CANDIDATES),
}


def particle_metrics(
    sample: ParticleSample, found: FoundSample, bootstrap: Bootstrap, config: EvaluationConfig
) -> dict[str, Any]:
    """Everything said about the particles of one candidate set, by the name of their class."""
    inclusive = sample.by_pt.sum(axis=-1, keepdims=True, dtype=np.int64)
    overall, by_pt, by_abs_eta = (
        _rates(counts, sample.event, bootstrap)
        for counts in (inclusive, sample.by_pt, sample.by_abs_eta)
    )
    num_events = len(sample.event)
    result = {}
    for index in range(1, NUM_CLASSES):
        chosen = select(found, found.kind == index)
        result[CLASS_NAMES[CLASSES[index]]] = {
            **overall[index][0],
            "num_targets": int(inclusive[:, Count.TARGETS, index].sum()),
            "num_candidates": int(sample.num_candidates[:, index].sum(dtype=np.int64)),
            "target_energy_per_event": _mean(sample.target_energy[:, index], num_events),
            "candidate_energy_per_event": _mean(sample.candidate_energy[:, index], num_events),
            **_responses(chosen, bootstrap),
            "bins": _in_bins(by_pt[index][1:-1], chosen, "pt", config.particle_pt_edges, bootstrap),
            "eta_bins": _in_bins(
                by_abs_eta[index][1:-1], chosen, "abs_eta", config.abs_eta_edges, bootstrap
            ),
        }
    return result


def _responses(found: FoundSample, bootstrap: Bootstrap) -> dict[str, Any]:
    """Scale and resolution of momentum, energy and direction of targets that were found."""
    result: dict[str, Any] = {}
    for name in ("pt_response", "energy_response"):
        result[name] = width_figures(width(getattr(found, name), found.event, bootstrap), bootstrap)
    for name in ("eta_residual", "phi_residual"):
        spread = width(getattr(found, name), found.event, bootstrap)
        result[name] = {
            key: entry
            for kind in ("median", "iqr")
            for key, entry in figure(
                kind, getattr(spread, kind), bootstrap, spread.has_interval
            ).items()
        }
    return result


def confusion_counts(sample: ParticleSample) -> list[list[int]]:
    """Elements by class of target (row) and of candidate (column), in the order of CLASSES."""
    counts: list[list[int]] = sample.confusion.sum(axis=0, dtype=np.int64).tolist()
    return counts


def _rates(counts: Array, event: Array, bootstrap: Bootstrap) -> list[list[dict[str, Any]]]:
    """Efficiency and fake rate with intervals by class and bin, from [event, Count, class, bin]."""
    total = counts.sum(axis=0, dtype=np.int64)
    in_events = (counts > 0).sum(axis=0)
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
            enough = bool(in_events[whole, index, place] >= MIN_EVENTS)
            values = np.concatenate([[value], replicas[:, index, place]])
            entries[index][place] |= figure(name, values, bootstrap, enough)
    for (index, place), targets in np.ndenumerate(total[Count.TARGETS]):
        judged = int(total[Count.CANDIDATES, index, place])
        entries[index][place] |= {"num_targets": int(targets), "num_candidates": judged}
    return entries


def _in_bins(
    rates: list[dict[str, Any]], found: FoundSample, column: str, edges: tuple[float, ...],
    bootstrap: Bootstrap,
) -> list[dict[str, Any]]:  # fmt: skip
    """Rates and responses in bins of a target's `column`, below the edges of each."""
    values = getattr(found, column)
    result = []
    for (low, high), entry in zip(pairwise(edges), rates, strict=True):
        inside = select(found, (values >= low) & (values < high))
        bounds = {"low": float(low), "high": float(high)}
        result.append({**bounds, **entry, **_responses(inside, bootstrap)})
    return result


def _mean(values: Array, num_events: int) -> float | None:
    return number(values.sum() / num_events) if num_events else None
