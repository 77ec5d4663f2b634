"""Contents of collisions: multiplicities, closure, energy flow and quality of the clusters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from partflow.evaluate.energy_flow import FlowSample, flow_metrics
from partflow.evaluate.replicas import separate
from partflow.validate.measure import estimate
from partflow.validate.measure.estimate import Estimate
from partflow.validate.summaries import ClusterSample, EventSample, SplitSample, Summary

COUNTED = ("particles", "hits", "tracks", "clusters")


def measure_contents(summary: Summary) -> Iterator[tuple[str, Estimate]]:
    """Figures of the contents of one sample of collisions, with their names."""
    events: EventSample = summary["events"]
    bootstrap = estimate.resampling(summary.num_events)
    for name in COUNTED:
        yield name, estimate.mean(getattr(events, f"num_{name}"), bootstrap)
    per_hit = events.num_contributions.sum() / max(events.num_hits.sum(), 1)
    yield "contributions per hit", estimate.exact(per_hit)
    yield "closure", estimate.exact(events.closure.max(initial=0.0))
    yield "perigee miss", estimate.exact(events.perigee_miss.max(initial=0.0))
    yield "energy absorbed", estimate.mean(events.energy_absorbed, bootstrap)
    yield "energy counted twice", estimate.mean(events.energy_counted_twice, bootstrap)
    yield from _cluster_quality(summary)


def energy_flow(summary: Summary) -> dict[str, Any]:
    """The energy flow of the baseline in one sample, as `metrics.json` holds it."""
    events: EventSample = summary["events"]
    is_shared = np.zeros(len(events.event), dtype=bool)
    flow = FlowSample(events.event, events.energy_flow, is_shared)
    metrics = flow_metrics(flow, estimate.resampling(summary.num_events))
    without_replicas: dict[str, Any] = separate(metrics)[0]
    return without_replicas


def _cluster_quality(summary: Summary) -> Iterator[tuple[str, Estimate]]:
    """Means of purity and completeness, and fractions of merged and of split objects."""
    clusters: ClusterSample = summary["clusters"]
    split: SplitSample = summary["split"]
    yield "purity", estimate.exact(_mean(clusters.purity))
    yield "completeness", estimate.exact(_mean(split.completeness))
    yield "merged clusters", estimate.exact(_mean(clusters.num_particles >= 2))
    yield "split particles", estimate.exact(_mean(split.num_clusters >= 2))


def _mean(values: np.ndarray) -> float:
    """Mean, or NaN without values."""
    return float(np.mean(values)) if len(values) else np.nan
