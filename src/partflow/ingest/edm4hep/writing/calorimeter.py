"""Calorimeter hits, clusters, and the links of hits to particles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.detector import ECAL, ENDCAP, HCAL, MUON, Detector
from partflow.core.records import Array, Collection
from partflow.ingest.edm4hep.columns import MemberColumns
from partflow.ingest.edm4hep.names import (
    BARREL_LAYOUT,
    CLUSTER_COLLECTION,
    CLUSTER_ENERGIES,
    ENDCAP_LAYOUT,
    HIT_LINK_COLLECTION,
    LAYER_UNIT,
    LAYOUT_UNIT,
    MC_COLLECTION,
    layers_per_group,
)
from partflow.ingest.edm4hep.writing.relations import (
    collection_id,
    list_offsets,
    list_ranges,
    object_ids,
)

HIT_PARTS = {
    "ECALBarrel": (ECAL, False),
    "ECALEndcap": (ECAL, True),
    "HCALBarrel": (HCAL, False),
    "HCALEndcap": (HCAL, True),
    "MUON": (MUON, None),
}
"""Hit collections that are written: subdetector, and whether it is the endcap (None: both)."""
CALORIMETER_CODE = {ECAL: 10, HCAL: 21, MUON: 32}
"""type + 10 calorimeter of LCIO's `CHT` word."""


class WrittenHits(NamedTuple):
    """Hits as EDM4hep collections, and where each of our hits is in them."""

    columns: dict[str, MemberColumns]
    collection: Array
    """Id of the collection of each hit, [hit]."""
    index_in_event: Array
    """Index of each hit in its event and collection, [hit]."""

    def ids(self, row: Array) -> dict[str, Array]:
        """Object ids of the hits in `row`."""
        return {
            "index": self.index_in_event[row].astype(np.int32),
            "collectionID": self.collection[row],
        }


def hit_columns(hits: Collection, detector: Detector) -> WrittenHits:
    """Hits, sorted into the collections of HIT_PARTS."""
    columns: dict[str, MemberColumns] = {}
    collection = np.zeros(len(hits), dtype=np.uint32)
    index = np.zeros(len(hits), dtype=np.int64)
    for name, (subdetector, is_endcap) in HIT_PARTS.items():
        is_of_part = hits.subdetector == subdetector
        if is_endcap is not None:
            is_of_part &= (hits.region == ENDCAP) == is_endcap
        part = hits.select(is_of_part)
        collection[is_of_part] = collection_id(name)
        index[is_of_part] = part.index_in_event
        members = {
            "cellID": np.arange(len(part), dtype=np.uint64),
            "energy": part.energy_em,
            "energyError": np.zeros(len(part), dtype=np.float32),
            "time": part.time,
            **{f"position.{axis}": part.columns[axis] for axis in ("x", "y", "z")},
            "type": _type_word(part, subdetector, detector),
        }
        columns[name] = MemberColumns(part.offsets, members)
    return WrittenHits(columns, collection, index)


def _type_word(part: Collection, subdetector: int, detector: Detector) -> Array:
    """LCIO's `CHT` word of each hit, [hit]; without layout and layer where the layer is unknown."""
    layout = np.where(part.region == ENDCAP, ENDCAP_LAYOUT, BARREL_LAYOUT)
    layer = part.layer.astype(np.int64) * layers_per_group(subdetector, detector)
    place = np.where(layer >= 0, LAYOUT_UNIT * layout + LAYER_UNIT * layer, 0)
    word: Array = (CALORIMETER_CODE[subdetector] + place).astype(np.int32)
    return word


def cluster_columns(
    clusters: Collection, hit_clusters: Collection, hits: WrittenHits
) -> dict[str, MemberColumns]:
    """Clusters with the lists of their hits, subdetector energies and shape parameters.

    EDM4hep leaves the shape parameters to the program: ours is the hadronic-scale energy.
    """
    cluster_row = clusters.flat_index(hit_clusters.event_index, hit_clusters.cluster_index)
    order = np.argsort(cluster_row, kind="stable")
    order = order[cluster_row[order] >= 0]
    num_hits = np.bincount(cluster_row[order], minlength=len(clusters))
    num_energies = np.full(len(clusters), len(CLUSTER_ENERGIES))
    one_each = np.ones(len(clusters), dtype=np.int64)
    c = {name: values.astype(np.float32) for name, values in clusters.columns.items()}
    members = {
        "type": np.zeros(len(clusters), dtype=np.int32),
        "energy": c["energy_em"],
        **{f"position.{axis}": c[axis] for axis in ("x", "y", "z")},
        "iTheta": c["theta"],
        "iPhi": c["phi"],
        **list_ranges("hits", clusters.offsets, num_hits),
        **list_ranges("subdetectorEnergies", clusters.offsets, num_energies),
        **list_ranges("shapeParameters", clusters.offsets, one_each),
    }
    base = f"_{CLUSTER_COLLECTION}"
    energies = np.stack([c[name] for name in CLUSTER_ENERGIES], axis=1).ravel()
    return {
        CLUSTER_COLLECTION: MemberColumns(clusters.offsets, members),
        f"{base}_hits": MemberColumns(list_offsets(clusters.offsets, num_hits), hits.ids(order)),
        f"{base}_subdetectorEnergies": MemberColumns(
            list_offsets(clusters.offsets, num_energies), {"": energies}
        ),
        f"{base}_shapeParameters": MemberColumns(clusters.offsets, {"": c["energy_hadronic"]}),
    }


def hit_link_columns(
    contributions: Collection, hits: Collection, written: WrittenHits
) -> dict[str, MemberColumns]:
    """Links of hits to particles, weighted with the EM-scale energy of the contribution."""
    hit_row = hits.offsets[:-1][contributions.event_index] + contributions.hit_index
    offsets, weight = contributions.offsets, contributions.energy_em
    return {
        HIT_LINK_COLLECTION: MemberColumns(offsets, {"weight": weight}),
        f"_{HIT_LINK_COLLECTION}_from": MemberColumns(offsets, written.ids(hit_row)),
        f"_{HIT_LINK_COLLECTION}_to": object_ids(
            offsets, MC_COLLECTION, contributions.particle_index
        ),
    }
