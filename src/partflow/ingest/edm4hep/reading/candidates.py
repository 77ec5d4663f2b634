"""Pandora's particle-flow objects as the candidate set `baseline`."""

from __future__ import annotations

import numpy as np

from partflow.core.kinematics import eta_from_momentum
from partflow.core.particles import classes
from partflow.core.records import Array, Collection
from partflow.core.schemas import CANDIDATES
from partflow.ingest.edm4hep.columns import (
    EntryRange,
    MemberColumns,
    finite,
    read_members,
    read_relation,
)
from partflow.ingest.edm4hep.names import (
    CLUSTER_COLLECTION,
    MOMENTUM,
    PFO_COLLECTIONS,
    TRACK_COLLECTION,
)
from partflow.ingest.edm4hep.podio import PodioFile
from partflow.ingest.edm4hep.reading.faults import Faults
from partflow.ingest.edm4hep.reading.particles import whole_charge
from partflow.ingest.edm4hep.reading.relations import IdTable, list_entries, resolve

PFO_MEMBERS = (
    *MOMENTUM, "mass", "charge", "tracks_begin", "tracks_end", "clusters_begin", "clusters_end",
)  # fmt: skip


def pfo_collection(file: PodioFile) -> str | None:
    """The collection of particle-flow objects that the file holds, or None."""
    return next((name for name in PFO_COLLECTIONS if file.has(name)), None)


def read_candidates(
    file: PodioFile,
    entries: EntryRange,
    track_counts: Array,
    cluster_counts: Array,
    faults: Faults,
) -> Collection:
    """CANDIDATES of each event; the energy follows from momentum and mass.

    `track_counts` and `cluster_counts` are [event]. Objects of type 0 are left out. An object
    with two tracks, two clusters or neither, and two objects that share a track or a cluster, are
    faults of their event.
    """
    name = pfo_collection(file)
    if name is None:
        return Collection.empty(CANDIDATES, entries.num_events)
    type_member = "PDG" if f"{name}.PDG" in file.branches else "type"
    raw = read_members(file, name, (type_member, *PFO_MEMBERS), entries)
    is_used = np.not_equal(raw[type_member], 0)
    element_index = {}
    for kind, collection, counts in (
        ("tracks", TRACK_COLLECTION, track_counts),
        ("clusters", CLUSTER_COLLECTION, cluster_counts),
    ):
        table = IdTable([collection], counts[None, :], [file.ids_of(collection)])
        element_index[kind] = _element_index(file, name, entries, raw, kind, is_used, table, faults)
    track_index, cluster_index = element_index["tracks"], element_index["clusters"]
    has_no_element = is_used & (track_index < 0) & (cluster_index < 0)
    faults.add(raw.event_index, has_no_element, f"{name}: one with neither track nor cluster")
    columns = {
        **_kinematics(raw, raw[type_member]),
        "probability": np.ones(raw.num_rows),
        "track_index": track_index,
        "cluster_index": cluster_index,
    }
    if file.is_from_partflow:
        quality = read_members(file, name, ["goodnessOfPID"], entries)
        columns["probability"] = quality["goodnessOfPID"]
    return Collection(CANDIDATES, raw.offsets, columns).select(is_used)


def _element_index(
    file: PodioFile,
    name: str,
    entries: EntryRange,
    raw: MemberColumns,
    kind: str,
    is_used: Array,
    table: IdTable,
    faults: Faults,
) -> Array:
    """Index in its event of the track or cluster of each used object, or -1, [object]."""
    ids = read_relation(file, name, kind, entries)
    listed = list_entries(raw, kind, ids.counts, faults, f"the {kind} of {name}")
    is_of_used = is_used[listed.object_row]
    pfo_row, entry_row = listed.object_row[is_of_used], listed.entry_row[is_of_used]
    listed_ids = MemberColumns(
        ids.offsets, {key: values[entry_row] for key, values in ids.values.items()}
    )
    event = raw.event_index
    rows = resolve(file, listed_ids, event[pfo_row], table, faults, f"{name}: its {kind}")
    has_two = np.bincount(pfo_row, minlength=raw.num_rows) > 1
    faults.add(event, has_two, f"{name}: one with two {kind}")
    pfo_row, rows = pfo_row[rows >= 0], rows[rows >= 0]
    is_shared = np.bincount(rows, minlength=1)[rows] > 1
    faults.add(event[pfo_row], is_shared, f"{name}: two that share one of the {kind}")
    index = np.full(raw.num_rows, -1, dtype=np.int64)
    index[pfo_row] = rows - table.offsets[:-1][event[pfo_row]]
    return index


def _kinematics(raw: MemberColumns, pdg_id: Array) -> dict[str, Array]:
    """Class, charge and four-momentum of each object."""
    px, py, pz, mass = (finite(raw[name].astype(np.float64)) for name in (*MOMENTUM, "mass"))
    pt = np.hypot(px, py)
    # No bound on eta here: a tiny pt together with its exact eta gives pz back.
    eta = np.arcsinh(np.divide(pz, pt, out=np.zeros_like(pt), where=pt > 0))
    charge = whole_charge(raw["charge"].astype(np.float64))
    return {
        "pdg_id": classes(pdg_id, charge),
        "charge": charge,
        "pt": pt,
        "eta": np.where(pt > 0, eta, eta_from_momentum(px, py, pz)),
        "phi": np.arctan2(py, px),
        "energy": np.sqrt(px**2 + py**2 + pz**2 + mass**2),
    }
