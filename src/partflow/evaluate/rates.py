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
        response = width(chosen.pt_response, chosen.event, bootstrap)
        result[CLASS_NAMES[CLASSES[index]]] = {
            **overall[index][0],
            "num_targets": int(inclusive[:, Count.TARGETS, index].sum()),
            "num_candidates": int(sample.num_candidates[:, index].sum(dtype=np.int64)),
            "target_energy_per_event": _mean(sample.target_energy[:, index], num_events),
            "candidate_energy_per_event": _mean(sample.candidate_energy[:, index], num_events),
            "pt_response": width_figures(response, bootstrap),
            "bins": _with_edges(by_pt[index][1:-1], config.particle_pt_edges),
            "eta_bins": _with_edges(by_abs_eta[index][1:-1], config.abs_eta_edges),
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


def _with_edges(entries: list[dict[str, Any]], edges: tuple[float, ...]) -> list[dict[str, Any]]:
    return [
        {"low": float(low), "high": float(high), **entry}
        for (low, high), entry in zip(pairwise(edges), entries, strict=True)
    ]


def _mean(values: Array, num_events: int) -> float | None:
    return number(values.sum() / num_events) if num_events else None
