"""Single showers without tracker material: response, resolution and shape."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from partflow.core.detector import ECAL, HCAL, Detector
from partflow.core.hadron_scale import HadronScale, bin_sums
from partflow.core.records import Array, Collection, Events
from partflow.evaluate.bootstrap import Bootstrap
from partflow.validate.measure import estimate
from partflow.validate.measure.estimate import Estimate
from partflow.validate.summaries import ShowerSample

RADIAL_EDGES = np.concatenate([np.arange(0.0, 100.0, 5.0), np.arange(100.0, 401.0, 20.0)])
"""Edges of the bins in the distance from the shower's axis [mm]."""


def summarise_showers(
    events: Events, hits: Collection, detector: Detector, scale: HadronScale
) -> ShowerSample:
    """One row for each event of a gun, from the `hits` of its particle."""
    particles, num = events.particles, len(events)
    hits = hits.select(hits.subdetector <= HCAL)  # the muon system is no calorimeter
    event, energy = hits.event_index, hits.energy_em.astype(np.float64)
    in_ecal, in_hcal = hits.subdetector == ECAL, hits.subdetector == HCAL
    momentum = np.stack([particles.px, particles.py, particles.pz], axis=1)
    direction = momentum / np.linalg.norm(momentum, axis=1, keepdims=True)
    distance = axis_distance(hits, direction[event])
    radial = binned(event, bin_index(distance, RADIAL_EDGES), energy, num, len(RADIAL_EDGES) - 1)
    radial[particles.charge != 0] = np.nan  # their axis is no straight line
    num_groups = detector.ecal.num_groups + detector.hcal.num_groups
    return ShowerSample(
        event=np.arange(num),
        energy=particles.energy,
        cos_theta=direction[:, 2],
        ecal=np.bincount(event, energy * in_ecal, num),
        hcal=np.bincount(event, energy * in_hcal, num),
        hadronic=scale.energy(bin_sums(hits.energy_em, hits.subdetector, event, num)),
        num_hits=hits.counts,
        longitudinal=binned(event, depth_group(hits, detector), energy, num, num_groups),
        radial=radial,
    )


def depth_group(hits: Collection, detector: Detector) -> Array:
    """Layer group of each calorimeter hit, [hit]; those of the HCAL are counted after the ECAL's.

    It follows from the depth behind the front face, in the barrel and in the endcaps.
    """
    ecal, hcal = detector.ecal, detector.hcal
    depth = np.maximum(np.hypot(hits.x, hits.y) - ecal.inner_radius, np.abs(hits.z) - ecal.endcap_z)
    hcal_depth = ecal.depth + detector.gap
    in_ecal = np.clip(depth / ecal.group_thickness, 0, ecal.num_groups - 1)
    in_hcal = np.clip((depth - hcal_depth) / hcal.group_thickness, 0, hcal.num_groups - 1)
    group = np.where(hits.subdetector == ECAL, in_ecal, ecal.num_groups + in_hcal.astype(np.int64))
    return group.astype(np.int64)


def axis_distance(hits: Collection, direction: Array) -> Array:
    """Distance of each hit from a line through the origin [mm], [hit].

    `direction` [hit, 3] is the unit vector of the line.
    """
    position = np.stack([hits.x, hits.y, hits.z], axis=1).astype(np.float64)
    along = np.sum(position * direction, axis=1, keepdims=True)
    return np.asarray(np.linalg.norm(position - along * direction, axis=1))


def bin_index(values: Array, edges: Array) -> Array:
    """Bin of each of `values` [hit] between `edges`; -1 outside, [hit]."""
    index = np.searchsorted(edges, values, side="right") - 1
    return np.where(index < len(edges) - 1, index, -1)


def binned(event: Array, bins: Array, energy: Array, num_events: int, num_bins: int) -> Array:
    """Energy by event and bin [event, bin], of hits [hit]; negative bins are left out."""
    inside = bins >= 0
    flat = event[inside] * num_bins + bins[inside]
    sums = np.bincount(flat, energy[inside], num_events * num_bins)
    return sums.reshape(num_events, num_bins).astype(np.float64)


def measure_showers(kind: str, sample: ShowerSample) -> Iterator[tuple[str, Estimate]]:
    """Figures of the showers of one sample of particles of `kind`, with their names."""
    bootstrap = estimate.resampling(len(sample.event))
    if kind == "photon":
        yield from _electromagnetic(sample, bootstrap)
    elif kind == "muon":
        yield "ecal", estimate.mean(sample.ecal, bootstrap)
        yield "hcal", estimate.mean(sample.hcal, bootstrap)
        yield "hits", estimate.mean(sample.num_hits, bootstrap)
    else:
        response = sample.hadronic / sample.energy
        event = np.arange(len(response))
        yield "median", estimate.median(response, event, bootstrap)
        yield "resolution", estimate.relative_iqr(response, event, bootstrap)
        raw = sample.ecal + sample.hcal
        yield "raw_resolution", estimate.relative_deviation(raw, bootstrap)


def _electromagnetic(sample: ShowerSample, bootstrap: Bootstrap) -> Iterator[tuple[str, Estimate]]:
    """Figures of photon showers, with their names."""
    total = sample.ecal + sample.hcal
    response = total / sample.energy
    yield "mean", estimate.mean(response, bootstrap)
    yield "resolution", estimate.relative_deviation(response, bootstrap)
    yield "hits", estimate.mean(sample.num_hits, bootstrap)
    yield "leakage", estimate.mean(sample.hcal / np.maximum(total, 1e-9), bootstrap)
