"""The final clusters as records: sums and moments of the hits that they list."""

from __future__ import annotations

import numpy as np

from partflow.core.cluster_shapes import cluster_shapes
from partflow.core.detector import ECAL, HCAL, Detector
from partflow.core.hadron_scale import HadronScale
from partflow.core.records import (
    CLUSTERS,
    HIT_SPECTRUM,
    Array,
    Collection,
    offsets_from_counts,
)


def build_clusters(
    hits: Collection,
    hit_clusters: Collection,
    num_clusters: Array,
    scale: HadronScale,
    detector: Detector,
) -> Collection:
    """Clusters of each event from its hits; `num_clusters` [event], each with a hit."""
    offsets = offsets_from_counts(num_clusters)
    total = int(offsets[-1])
    row = np.where(
        hit_clusters.cluster_index < 0,
        -1,
        np.repeat(offsets[:-1], hits.counts) + hit_clusters.cluster_index,
    )
    listed = row >= 0
    row_of_hit, subdetector = row[listed], hits.subdetector[listed]
    energy = hits.energy[listed].astype(np.float64)

    def summed(weight: Array) -> Array:
        return np.bincount(row_of_hit, weight, total)

    cluster_energy = summed(energy)
    columns: dict[str, Array] = {}
    for axis in "xyz":
        position = hits.columns[axis][listed].astype(np.float64)
        mean = summed(energy * position) / cluster_energy
        spread = summed(energy * (position - mean[row_of_hit]) ** 2) / cluster_energy
        columns |= {axis: mean, f"sigma_{axis}": np.sqrt(spread)}
    columns |= cluster_shapes(hits, row, total, detector)
    columns |= {
        "energy": cluster_energy,
        "theta": np.arctan2(np.hypot(columns["x"], columns["y"]), columns["z"]),
        "phi": np.arctan2(columns["y"], columns["x"]),
        "energy_ecal": summed(energy * (subdetector == ECAL)),
        "energy_hcal": summed(energy * (subdetector == HCAL)),
        "energy_other": np.zeros(total),  # the chain lists no hits elsewhere
        "num_hits": np.bincount(row_of_hit, minlength=total),
        "energy_hadronic": scale.energy(np.stack([columns[name] for name in HIT_SPECTRUM], axis=1)),
    }
    return Collection(CLUSTERS, offsets, columns)
