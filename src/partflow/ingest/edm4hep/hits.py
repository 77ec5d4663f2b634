"""Calorimeter hits of up to seven collections as one list per event."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.detector import BARREL, ECAL, ENDCAP, HCAL, MUON, Detector
from partflow.core.records import Array, Collection
from partflow.core.schemas import HITS
from partflow.ingest.edm4hep.columns import Columns, EntryRange, read_members
from partflow.ingest.edm4hep.podio import PodioFile
from partflow.ingest.edm4hep.relations import Targets

HIT_COLLECTIONS = {
    "ECALBarrel": ECAL,
    "ECALEndcap": ECAL,
    "ECALOther": ECAL,
    "HCALBarrel": HCAL,
    "HCALEndcap": HCAL,
    "HCALOther": HCAL,
    "MUON": MUON,
}
"""Digitised calorimeter hits, and the subdetector they belong to."""
MEMBERS = ("energy", "position.x", "position.y", "position.z", "type")
LAYOUT_UNIT, LAYER_UNIT = 1000, 10000
"""In LCIO's `CHT` word, type = kind + 10 calorimeter + 1000 layout + 10000 layer."""
ANY_LAYOUT, BARREL_LAYOUT = 0, 1
LAYER_UNKNOWN = -1


class FileHits(NamedTuple):
    """Hits of a range of events, and how object ids find them."""

    hits: Collection
    targets: Targets


def hit_collections(file: PodioFile) -> list[str]:
    """Those of HIT_COLLECTIONS that the file holds."""
    return [name for name in HIT_COLLECTIONS if file.has(name)]


def read_hits(file: PodioFile, entries: EntryRange, detector: Detector) -> FileHits:
    """The hits of each event: collection after collection, each in its own order."""
    names = hit_collections(file)
    parts = [read_members(file, name, MEMBERS, entries, ["time"]) for name in names]
    counts = np.array([part.counts for part in parts]).reshape(len(names), entries.num_events)
    targets = Targets(names, counts, [file.ids_of(name) for name in names])
    num_hits = int(counts.sum())
    columns = {f.name: np.empty(num_hits, dtype=f.dtype) for f in HITS.fields}
    for k, (name, part) in enumerate(zip(names, parts, strict=True)):
        rows = np.arange(part.num_rows) + np.repeat(
            targets.first_row[k] - part.offsets[:-1], part.counts
        )
        subdetector = HIT_COLLECTIONS[name]
        region, layer = _region_and_layer(name, part, subdetector, detector)
        for column, values in {
            "x": part["position.x"],
            "y": part["position.y"],
            "z": part["position.z"],
            "energy_em": part["energy"],
            "subdetector": subdetector,
            "region": region,
            "layer": layer,
            "time": np.nan_to_num(part["time"], posinf=0.0, neginf=0.0),
        }.items():
            columns[column][rows] = values
    return FileHits(Collection(HITS, targets.offsets, columns), targets)


def layers_per_group(subdetector: int, detector: Detector) -> int:
    """Layers that one of our layer groups stands for."""
    parts = {ECAL: detector.ecal, HCAL: detector.hcal}
    return parts[subdetector].layers_per_group if subdetector in parts else 1


def _region_and_layer(
    name: str, part: Columns, subdetector: int, detector: Detector
) -> tuple[Array, Array]:
    """Region and layer group of each hit, from the type word; where that is empty, the region is
    that of the collection or of the position.
    """
    word = part["type"].astype(np.int64)
    layout = word // LAYOUT_UNIT % (LAYER_UNIT // LAYOUT_UNIT)
    is_beyond = np.abs(part["position.z"]) >= detector.ecal.endcap_z
    if name.endswith(("Barrel", "Endcap")):
        is_beyond = np.full(part.num_rows, name.endswith("Endcap"))
    is_endcap = np.where(layout == ANY_LAYOUT, is_beyond, layout != BARREL_LAYOUT)
    layer = word // LAYER_UNIT // layers_per_group(subdetector, detector)
    layer = np.where(layout == ANY_LAYOUT, LAYER_UNKNOWN, np.clip(layer, 0, np.iinfo("i2").max))
    return np.where(is_endcap, ENDCAP, BARREL), layer
