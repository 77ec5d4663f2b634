"""Calorimeter hits: up to seven collections as one list for each event."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.detector import BARREL, ENDCAP, Detector
from partflow.core.records import Array, Collection
from partflow.core.schemas import HITS
from partflow.ingest.edm4hep.columns import EntryRange, MemberColumns, finite, read_members
from partflow.ingest.edm4hep.names import (
    ANY_LAYOUT,
    BARREL_LAYOUT,
    HIT_COLLECTIONS,
    LAYER_UNIT,
    LAYOUT_UNIT,
    POSITION,
    layers_per_group,
)
from partflow.ingest.edm4hep.podio import PodioFile
from partflow.ingest.edm4hep.reading.relations import IdTable

UNKNOWN_LAYER = -1


class FileHits(NamedTuple):
    """Hits of a range of events."""

    hits: Collection
    table: IdTable
    """For object ids that point to hits."""


def hit_collections(file: PodioFile) -> list[str]:
    """Those of HIT_COLLECTIONS that the file holds."""
    return [name for name in HIT_COLLECTIONS if file.has(name)]


def read_hits(file: PodioFile, entries: EntryRange, detector: Detector) -> FileHits:
    """The hits of each event: one collection after the other, each in the order of the file."""
    names = hit_collections(file)
    members = ("energy", *POSITION, "type")
    parts = [read_members(file, name, members, entries, ["time"]) for name in names]
    counts = np.array([part.counts for part in parts]).reshape(len(names), entries.num_events)
    table = IdTable(names, counts, [file.ids_of(name) for name in names])
    num_hits = int(counts.sum())
    columns = {f.name: np.empty(num_hits, dtype=f.dtype) for f in HITS.fields}
    for k, (name, part) in enumerate(zip(names, parts, strict=True)):
        rows = np.arange(part.num_rows) + np.repeat(
            table.first_row[k] - part.offsets[:-1], part.counts
        )
        region, layer = _region_and_layer(name, part, detector)
        for column, values in {
            "x": part["position.x"],
            "y": part["position.y"],
            "z": part["position.z"],
            "energy_em": part["energy"],
            "subdetector": HIT_COLLECTIONS[name],
            "region": region,
            "layer": layer,
            "time": finite(part["time"]),
        }.items():
            columns[column][rows] = values
    return FileHits(Collection(HITS, table.offsets, columns), table)


def _region_and_layer(name: str, part: MemberColumns, detector: Detector) -> tuple[Array, Array]:
    """Region and layer group of each hit, from its type word.

    A type word without a layout leaves the layer unknown; the region is then that of the
    collection, or follows from the position.
    """
    word = part["type"].astype(np.int64)
    layout = word // LAYOUT_UNIT % (LAYER_UNIT // LAYOUT_UNIT)
    is_beyond_barrel = np.abs(part["position.z"]) >= detector.ecal.endcap_z
    if name.endswith(("Barrel", "Endcap")):
        is_beyond_barrel = np.full(part.num_rows, name.endswith("Endcap"))
    is_endcap = np.where(layout == ANY_LAYOUT, is_beyond_barrel, layout != BARREL_LAYOUT)
    layer = word // LAYER_UNIT // layers_per_group(HIT_COLLECTIONS[name], detector)
    layer = np.where(layout == ANY_LAYOUT, UNKNOWN_LAYER, np.clip(layer, 0, np.iinfo("i2").max))
    return np.where(is_endcap, ENDCAP, BARREL), layer
