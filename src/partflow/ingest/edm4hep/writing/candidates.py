"""Candidates as ReconstructedParticles."""

from __future__ import annotations

import numpy as np

from partflow.core.particles import NEUTRAL_HADRON, PHOTON
from partflow.core.records import Collection
from partflow.ingest.edm4hep.columns import MemberColumns
from partflow.ingest.edm4hep.names import CLUSTER_COLLECTION, REFERENCE_POINT, TRACK_COLLECTION
from partflow.ingest.edm4hep.writing.relations import list_offsets, list_ranges, object_ids


def candidate_columns(name: str, candidates: Collection) -> dict[str, MemberColumns]:
    """A ReconstructedParticle collection with the track and the cluster of each candidate."""
    c = candidates
    px, py = c.pt * np.cos(c.phi), c.pt * np.sin(c.phi)
    pz = c.pt * np.sinh(c.eta)
    mass = np.sqrt(np.maximum(c.energy**2 - px**2 - py**2 - pz**2, 0.0))
    is_neutral = np.isin(c.pdg_id, (PHOTON, NEUTRAL_HADRON)) | (c.charge == 0)
    # PDG convention: a pi+ has a positive id, an e- and a mu- too.
    sign = np.where(c.pdg_id < PHOTON, -np.sign(c.charge), np.sign(c.charge))
    members = {
        "PDG": np.where(is_neutral, c.pdg_id, sign * c.pdg_id).astype(np.int32),
        "energy": c.energy.astype(np.float32),
        "momentum.x": px.astype(np.float32),
        "momentum.y": py.astype(np.float32),
        "momentum.z": pz.astype(np.float32),
        **{member: np.zeros(len(c), dtype=np.float32) for member in REFERENCE_POINT},
        "charge": c.charge.astype(np.float32),
        "mass": mass.astype(np.float32),
        "goodnessOfPID": c.probability.astype(np.float32),
    }
    relations = {}
    for kind, collection, index in (
        ("tracks", TRACK_COLLECTION, c.track_index),
        ("clusters", CLUSTER_COLLECTION, c.cluster_index),
    ):
        num_elements = (index >= 0).astype(np.int64)
        members |= list_ranges(kind, c.offsets, num_elements)
        relations[f"_{name}_{kind}"] = object_ids(
            list_offsets(c.offsets, num_elements), collection, index[index >= 0]
        )
    return {name: MemberColumns(c.offsets, members), **relations}
