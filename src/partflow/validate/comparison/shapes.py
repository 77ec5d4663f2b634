"""What is kept of the showers of single particles, for each event, from its hits.

All hits of ECAL and HCAL count, wherever they are; those of the muon system do not. The depth of a
hit is that of the middle of its layer group behind the calorimeter's face, at right angles to the
layers: in the barrel from the hit's radius, in the endcaps from abs(z).
"""

from __future__ import annotations

import numpy as np

from partflow.core.detector import ECAL, HCAL, Detector
from partflow.core.records import Array, Collection
from partflow.validate.measure.showers import axis_distance, bin_index, binned, depth_group
from partflow.validate.summaries import ShapeSample

RADIAL_EDGES = np.concatenate([
    np.arange(0.0, 40.0, 0.5), np.arange(40.0, 100.0, 1.0), np.arange(100.0, 400.0, 4.0),
    np.arange(400.0, 1000.0, 20.0), np.arange(1000.0, 12_001.0, 500.0),
])  # fmt: skip
"""Edges of the bins in the distance from the axis [mm], fine enough to interpolate quantiles."""
SPECTRUM_EDGES = np.geomspace(0.25, 4000.0, 161)
"""Edges of the bins in a hit's energy [energy of a minimum ionising particle in one layer]."""
NEUTRAL_INTERACTION_MIPS, CHARGED_INTERACTION_MIPS = 10.0, 15.0
"""A particle has interacted in the first layer group with a hit above this energy [energy of a
minimum ionising particle in one layer]. Neutrons that a shower scatters back leave less in front of
it; a charged particle leaves 4 in a layer group without an interaction, and seldom more than 15."""


def measure_shapes(particles: Collection, hits: Collection, detector: Detector) -> ShapeSample:
    """One row for each event of a gun, from the `hits` of its only particle."""
    num = particles.num_events
    hits = hits.select(hits.subdetector <= HCAL)
    event, energy = hits.event_index, hits.energy_em.astype(np.float64)
    in_ecal, in_hcal = hits.subdetector == ECAL, hits.subdetector == HCAL
    group, depth = depth_group(hits, detector), hit_depth(hits, detector)
    momentum = np.stack([particles.px, particles.py, particles.pz], axis=1)
    direction = momentum / np.linalg.norm(momentum, axis=1, keepdims=True)
    radial_bin = bin_index(axis_distance(hits, direction[event]), RADIAL_EDGES)
    radial = binned(event, radial_bin, energy, num, len(RADIAL_EDGES) - 1)
    is_charged = particles.charge != 0
    radial[is_charged] = np.nan  # their axis is no straight line
    num_groups = detector.ecal.num_groups + detector.hcal.num_groups

    def total(weight: Array) -> Array:
        """Sum of a quantity of the hits [hit] in each event, [event]."""
        return np.bincount(event, weight, num)

    def spectrum(selected: Array, mip_energy: float) -> Array:
        """Number of hits by energy, [event, bin]."""
        bins = bin_index(energy[selected] / mip_energy, SPECTRUM_EDGES)
        return binned(event[selected], bins, np.ones(len(bins)), num, len(SPECTRUM_EDGES) - 1)

    return ShapeSample(
        event=np.arange(num),
        pdg_id=particles.pdg_id,
        energy=particles.energy,
        cos_theta=direction[:, 2],
        ecal=total(energy * in_ecal),
        hcal=total(energy * in_hcal),
        num_ecal_hits=total(in_ecal),
        num_hcal_hits=total(in_hcal),
        depth_sum=total(energy * depth),
        depth_square_sum=total(energy * depth**2),
        interaction_length_sum=total(energy * interaction_lengths(depth, detector)),
        centroid_square_sum=total(energy * centroid_distance(hits) ** 2),
        first_interaction=first_interaction(hits, is_charged, detector),
        longitudinal=binned(event, group, energy, num, num_groups),
        radial=radial,
        ecal_spectrum=spectrum(in_ecal, detector.ecal.mip_energy),
        hcal_spectrum=spectrum(in_hcal, detector.hcal.mip_energy),
    )


def group_edges(detector: Detector) -> Array:
    """Depths of both edges of each layer group [group, 2] (mm), those of the ECAL first."""
    ecal, hcal = detector.ecal, detector.hcal
    in_ecal = np.arange(ecal.num_groups + 1) * ecal.group_thickness
    in_hcal = ecal.depth + detector.gap + np.arange(hcal.num_groups + 1) * hcal.group_thickness
    pairs = [np.stack([edges[:-1], edges[1:]], axis=1) for edges in (in_ecal, in_hcal)]
    return np.concatenate(pairs)


def hit_depth(hits: Collection, detector: Detector) -> Array:
    """Depth of the middle of the layer group of each calorimeter hit [mm], [hit]."""
    return np.asarray(group_edges(detector).mean(axis=1)[depth_group(hits, detector)])


def interaction_lengths(depth: Array, detector: Detector) -> Array:
    """Interaction lengths from the calorimeter's face to `depth` [mm], which may be in the gap."""
    ecal, hcal = detector.ecal, detector.hcal
    in_ecal = np.minimum(depth, ecal.depth) / ecal.interaction_length
    in_hcal = np.maximum(depth - ecal.depth - detector.gap, 0.0) / hcal.interaction_length
    return np.asarray(in_ecal + in_hcal)


def radiation_lengths(depth: Array, detector: Detector) -> Array:
    """Radiation lengths from the calorimeter's face to `depth` [mm], which may be in the gap."""
    ecal, hcal = detector.ecal, detector.hcal
    in_ecal = np.minimum(depth, ecal.depth) / ecal.radiation_length
    in_hcal = np.maximum(depth - ecal.depth - detector.gap, 0.0) / hcal.radiation_length
    return np.asarray(in_ecal + in_hcal)


def centroid_distance(hits: Collection) -> Array:
    """Distance of each hit from the energy-weighted centroid of its event's hits [mm], [hit]."""
    event, energy = hits.event_index, hits.energy_em.astype(np.float64)
    total = np.maximum(np.bincount(event, energy, hits.num_events), 1e-12)
    square = np.zeros(len(hits))
    for axis in (hits.x, hits.y, hits.z):
        position = axis.astype(np.float64)
        centroid = np.bincount(event, energy * position, hits.num_events) / total
        square += (position - centroid[event]) ** 2
    return np.sqrt(square)


def first_interaction(hits: Collection, is_charged: Array, detector: Detector) -> Array:
    """Depth of the first interaction [interaction lengths], NaN where none is seen, [event].

    It is the depth of the middle of the first layer group with a hit above
    NEUTRAL_INTERACTION_MIPS or CHARGED_INTERACTION_MIPS. `is_charged` is [event].
    """
    mip = np.where(hits.subdetector == ECAL, detector.ecal.mip_energy, detector.hcal.mip_energy)
    threshold = np.where(is_charged, CHARGED_INTERACTION_MIPS, NEUTRAL_INTERACTION_MIPS)
    event = hits.event_index
    counts = hits.energy_em > threshold[event] * mip
    depth = interaction_lengths(hit_depth(hits, detector), detector)
    first = np.full(hits.num_events, np.inf)
    np.minimum.at(first, event[counts], depth[counts])
    return np.where(np.isfinite(first), first, np.nan)
