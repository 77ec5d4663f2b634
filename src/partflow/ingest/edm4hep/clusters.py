"""Pandora's clusters, and the shape and composition that their hits give them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from partflow.core.detector import ECAL, HCAL, MUON
from partflow.core.errors import SchemaError
from partflow.core.records import CLUSTERS, HIT_CLUSTERS, Array, Collection
from partflow.ingest.edm4hep.columns import (
    Columns,
    EntryRange,
    read_jagged,
    read_members,
    read_relation,
)
from partflow.ingest.edm4hep.faults import Faults
from partflow.ingest.edm4hep.hits import FileHits
from partflow.ingest.edm4hep.podio import PodioFile
from partflow.ingest.edm4hep.relations import follow, resolve

CLUSTER_COLLECTION = "PandoraClusters"
MEMBERS = ("energy", "position.x", "position.y", "position.z", "iTheta", "hits_begin", "hits_end")
PANDORA_SUBDETECTORS = {"energy_ecal": 0, "energy_hcal": 1, "energy_other": 2}
"""Place of each energy in Pandora's list of subdetector energies."""


class FileClusters(NamedTuple):
    """Clusters of a range of events, and the cluster of each hit."""

    clusters: Collection
    hit_clusters: Collection


def read_clusters(
    file: PodioFile, entries: EntryRange, found: FileHits | None, faults: Faults
) -> FileClusters:
    """Clusters with what is known of their hits; without hits, with Pandora's own sums.

    A cluster without hits or without energy in them faults its event, as does a hit that is
    listed twice.
    """
    azimuth = _azimuth_member(file)
    members = [*MEMBERS, azimuth]
    if found is None:
        members += ["subdetectorEnergies_begin", "subdetectorEnergies_end"]
    raw = read_members(file, CLUSTER_COLLECTION, members, entries)
    columns = {
        "x": raw["position.x"],
        "y": raw["position.y"],
        "z": raw["position.z"],
        "energy": raw["energy"],
        "theta": raw["iTheta"],
        "phi": raw[azimuth],
        "energy_hadronic": raw["energy"],
    }
    if file.made_by_partflow:
        branch = f"_{CLUSTER_COLLECTION}_shapeParameters"
        columns["energy_hadronic"] = read_jagged(file, branch, entries)[1]
    if found is None:
        shape = _pandora_energies(file, entries, raw, faults)
        hit_clusters = Collection.empty(HIT_CLUSTERS, entries.num_events)
    else:
        shape, hit_clusters = _shape(file, entries, raw, found, faults)
    finite = {name: np.nan_to_num(values, posinf=0, neginf=0) for name, values in columns.items()}
    return FileClusters(Collection(CLUSTERS, raw.offsets, {**finite, **shape}), hit_clusters)


def _azimuth_member(file: PodioFile) -> str:
    for member in ("phi", "iPhi"):
        if f"{CLUSTER_COLLECTION}.{member}" in file.branches:
            return member
    raise SchemaError(
        f"{file.path}: no branch '{CLUSTER_COLLECTION}.phi' or '{CLUSTER_COLLECTION}.iPhi'; "
        "is this a REC file?"
    )


def _shape(
    file: PodioFile, entries: EntryRange, raw: Columns, found: FileHits, faults: Faults
) -> tuple[dict[str, Array], Collection]:
    """Energies by subdetector, number and spread of the hits of each cluster, and its hits."""
    where = f"a hit of {CLUSTER_COLLECTION}"
    ids = read_relation(file, CLUSTER_COLLECTION, "hits", entries)
    listed = follow(raw, "hits", ids.counts, faults, f"the hits of {CLUSTER_COLLECTION}")
    rows = resolve(file, ids, ids.event_index, found.targets, faults, where)
    hit = rows[listed.entry]
    owner, hit = listed.owner[hit >= 0], hit[hit >= 0]
    hits = found.hits
    energy = hits.energy[hit].astype(np.float64)

    def total(weight: Array) -> Array:
        return np.bincount(owner, weight, raw.num_rows)

    shape = {
        name: total(energy * (hits.subdetector[hit] == part))
        for name, part in (("energy_ecal", ECAL), ("energy_hcal", HCAL), ("energy_other", MUON))
    }
    shape["num_hits"] = np.bincount(owner, minlength=raw.num_rows)
    summed = total(energy)
    for axis in ("x", "y", "z"):
        shape[f"sigma_{axis}"] = _spread(hits.columns[axis][hit], energy, summed, owner)
    event = raw.event_index
    faults.add(event, shape["num_hits"] == 0, f"a cluster of {CLUSTER_COLLECTION} without hits")
    is_dark = ~(summed > 0)
    faults.add(event, is_dark, f"a cluster of {CLUSTER_COLLECTION} whose hits have no energy")

    cluster_of_hit = np.full(len(hits), -1, dtype=np.int64)
    cluster_of_hit[hit] = owner - raw.offsets[:-1][event[owner]]
    is_twice = np.bincount(hit, minlength=len(hits)) > 1
    faults.add(hits.event_index, is_twice, f"a hit that {CLUSTER_COLLECTION} list twice")
    return shape, Collection(HIT_CLUSTERS, hits.offsets, {"cluster_index": cluster_of_hit})


def _spread(position: Array, energy: Array, summed: Array, owner: Array) -> Array:
    """Energy-weighted standard deviation of the hits of each cluster along one axis [mm].

    About the mean in single precision, as in the published data: hits in one plane, or a single
    hit, have a spread of its rounding (1e-4 mm at 2 m) there.
    """
    scale = np.where(summed > 0, summed, 1.0)
    moment = np.bincount(owner, (energy * position).astype(np.float32), len(summed))
    mean = moment.astype(np.float32) / scale.astype(np.float32)
    square = np.bincount(owner, energy * (position - mean[owner]) ** 2, len(summed)) / scale
    return np.sqrt(np.maximum(square, 0.0))


def _pandora_energies(
    file: PodioFile, entries: EntryRange, raw: Columns, faults: Faults
) -> dict[str, Array]:
    """What Pandora itself says of each cluster's composition; the spread is not known."""
    shape = {name: np.zeros(raw.num_rows) for name in ("sigma_x", "sigma_y", "sigma_z")}
    begin, end = raw["hits_begin"].astype(np.int64), raw["hits_end"].astype(np.int64)
    shape["num_hits"] = np.clip(end - begin, 0, np.iinfo("i4").max)
    shape |= {name: np.zeros(raw.num_rows) for name in PANDORA_SUBDETECTORS}
    branch = file.vector(CLUSTER_COLLECTION, "subdetectorEnergies")
    if branch is None:
        return shape
    offsets, values = read_jagged(file, branch, entries)
    where = f"the subdetector energies of {CLUSTER_COLLECTION}"
    listed = follow(raw, "subdetectorEnergies", np.diff(offsets), faults, where)
    place = np.arange(len(listed.owner)) - np.searchsorted(listed.owner, listed.owner)
    for name, number in PANDORA_SUBDETECTORS.items():
        is_it = place == number
        shape[name][listed.owner[is_it]] = values[listed.entry[is_it]]
    return {name: np.nan_to_num(column) for name, column in shape.items()}
