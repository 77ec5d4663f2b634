"""What events hold: how many objects, how pure the clusters, where the energy goes, closure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from partflow.evaluate.energy_flow import EnergyOrigin
from partflow.validate.measure import estimate
from partflow.validate.measure.confusion import Found
from partflow.validate.measure.estimate import Estimate
from partflow.validate.summaries import ClusterSample, EventSample, SplitSample, Summary

COUNTED = ("particles", "hits", "tracks", "clusters")


def measure_contents(summary: Summary) -> Iterator[tuple[str, Estimate]]:
    """Multiplicities, links, closure and cluster quality of one sample of collisions."""
    events: EventSample = summary["events"]
    bootstrap = estimate.resampling(summary.num_events)
    for name in COUNTED:
        yield name, estimate.mean(getattr(events, f"num_{name}"), bootstrap)
    per_hit = events.num_contributions.sum() / max(events.num_hits.sum(), 1)
    yield "contributions per hit", estimate.exact(per_hit)
    yield "closure", estimate.exact(events.closure.max(initial=0.0))
    yield "perigee miss", estimate.exact(events.perigee_miss.max(initial=0.0))
    yield from _energy_flow(events)
    yield from _cluster_quality(summary)


def _energy_flow(events: EventSample) -> Iterator[tuple[str, Estimate]]:
    """EM-scale energy per event that was lost to charged clusters, and that was counted twice."""
    bootstrap = estimate.resampling(len(events.event))
    matrix = events.confusion
    neutral = matrix[:, [EnergyOrigin.PHOTON, EnergyOrigin.NEUTRAL_HADRON]]
    charged = matrix[:, EnergyOrigin.WITH_TRACK]
    absorbed = neutral[:, :, Found.OTHER_CHARGED].sum(axis=1)
    twice = charged[:, [Found.PHOTON, Found.NEUTRAL_HADRON]].sum(axis=1)
    yield "energy absorbed", estimate.mean(absorbed, bootstrap)
    yield "energy counted twice", estimate.mean(twice, bootstrap)


def _cluster_quality(summary: Summary) -> Iterator[tuple[str, Estimate]]:
    clusters: ClusterSample = summary["clusters"]
    split: SplitSample = summary["split"]
    yield "purity", estimate.exact(_mean(clusters.purity))
    yield "completeness", estimate.exact(_mean(split.completeness))
    yield "merged clusters", estimate.exact(_mean(clusters.num_particles >= 2))
    yield "split particles", estimate.exact(_mean(split.num_clusters >= 2))


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else np.nan
