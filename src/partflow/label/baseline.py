"""Candidates of the baseline in the columns of targets."""

from __future__ import annotations

import numpy as np

from partflow.core.features import element_index_of_clusters, element_index_of_tracks
from partflow.core.records import Collection
from partflow.core.schemas import TARGETS


def baseline_on_elements(
    candidates: Collection, tracks: Collection, clusters: Collection
) -> Collection:
    """Candidates in the columns of TARGETS (`ycand`), parallel to the elements.

    A candidate with a track is placed on it, otherwise on its cluster. Of two on one element the
    more energetic stays; one that has neither is left out.
    """
    offsets = tracks.offsets + clusters.offsets
    event = candidates.event_index
    track = tracks.flat_index(event, candidates.track_index)
    cluster = clusters.flat_index(event, candidates.cluster_index)
    element = np.full(len(candidates), -1, dtype=np.int64)
    has_cluster, has_track = cluster >= 0, track >= 0
    element[has_cluster] = element_index_of_clusters(tracks, clusters)[cluster[has_cluster]]
    element[has_track] = element_index_of_tracks(tracks, clusters)[track[has_track]]
    by_energy = np.argsort(candidates.energy, kind="stable")
    placed = by_energy[element[by_energy] >= 0]
    element_to_candidate = np.full(offsets[-1], -1, dtype=np.int64)
    element_to_candidate[element[placed]] = placed  # the most energetic is written last

    is_taken = element_to_candidate >= 0
    chosen = element_to_candidate[is_taken]
    pt, phi = candidates.pt[chosen], candidates.phi[chosen]
    columns = {f.name: np.zeros(offsets[-1], dtype=f.dtype) for f in TARGETS.fields}
    columns["particle_index"][:] = -1
    for name, values in {
        "pdg_id": candidates.pdg_id[chosen],
        "charge": candidates.charge[chosen],
        "pt": pt,
        "eta": np.where(pt > 0, candidates.eta[chosen], 0.0),
        "sin_phi": np.sin(phi),
        "cos_phi": np.cos(phi),
        "energy": candidates.energy[chosen],
    }.items():
        columns[name][is_taken] = values
    return Collection(TARGETS, offsets, columns)
