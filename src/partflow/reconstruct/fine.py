"""Clusters cut finer than the baseline's, without a look at any track.

The baseline's chain, but no track takes part, cones are narrower, and neutral clusters are not
merged in the end: photon peaks and pieces of showers, of which only the softest have joined a
neighbour. A network can join such pieces, and it has fewer of them to divide: a piece holds one
particle's energy more often than a final cluster does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from partflow.core.detector import Detector
from partflow.core.records import Collection
from partflow.core.schemas import TRACKS
from partflow.reconstruct.parameters import BaselineConfig
from partflow.reconstruct.reconstruction import reconstruct

CONE_SCALE = 0.65
"""Opening and width of the cones, in units of the baseline's."""
SOFT_MAX_HITS, SOFT_MAX_ENERGY = 8, 0.5
"""A cluster of so many hits or fewer, or of this hadronic energy or less [GeV], joins a neighbour:
without it there are 2.5 times as many clusters, and they are hardly purer."""


class FineClusters(NamedTuple):
    """Fine clusters, and where each hit went; of the same events."""

    clusters: Collection
    """CLUSTERS."""
    hit_clusters: Collection
    """HIT_CLUSTERS, parallel to the hits; in no cluster (-1) as in `Reconstructed`."""


def fine_clusters(
    hits: Collection, detector: Detector, config: BaselineConfig | None = None
) -> FineClusters:
    """Fine clusters of each event; an event depends on its own hits alone.

    `config` is that of the baseline, from which `fine_config` follows. Raises DataError for a
    hit with a value that cannot be, and ConfigError where the detector has no hadronic scale.
    """
    no_tracks = Collection.empty(TRACKS, hits.num_events)
    found = reconstruct(hits, no_tracks, detector, fine_config(config or BaselineConfig()))
    return FineClusters(found.clusters, found.hit_clusters)


def fine_config(baseline: BaselineConfig, cone_scale: float = CONE_SCALE) -> BaselineConfig:
    """The baseline with narrower cones and no merging of neutral clusters."""
    cones = {
        name: cone_scale * getattr(baseline.cones, name)
        for name in ("tangent_ecal", "pad_ecal", "tangent_hcal", "pad_hcal")
    }
    apart = {"leakage_distance": 0.0, "merge_distance_ecal": 0.0, "merge_distance_hcal": 0.0}
    return replace(
        baseline,
        cones=replace(baseline.cones, **cones),
        association=replace(
            baseline.association, soft_max_hits=SOFT_MAX_HITS, soft_max_energy=SOFT_MAX_ENERGY
        ),
        neutrals=replace(baseline.neutrals, **apart),
    )
