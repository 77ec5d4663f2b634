"""Pandora's clusters, with the composition and shape that follow from their hits."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.cluster_shapes import cluster_shapes
from partflow.core.detector import ECAL, HCAL, MUON, Detector
from partflow.core.errors import SchemaError
from partflow.core.records import Array, Collection
from partflow.core.schemas import CLUSTER_SHAPE, CLUSTERS, HIT_CLUSTERS
from partflow.ingest.edm4hep.columns import (
    EntryRange,
    MemberColumns,
    finite,
    read_jagged,
    read_members,
    read_relation,
)
from partflow.ingest.edm4hep.names import CLUSTER_COLLECTION, CLUSTER_ENERGIES, POSITION
from partflow.ingest.edm4hep.podio import PodioFile
from partflow.ingest.edm4hep.reading.faults import Faults
from partflow.ingest.edm4hep.reading.hits import FileHits
from partflow.ingest.edm4hep.reading.relations import list_entries, resolve


class FileClusters(NamedTuple):
    """Clusters of a range of events, and the cluster of each hit."""

    clusters: Collection
    hit_clusters: Collection


def read_clusters(
    file: PodioFile,
    entries: EntryRange,
    hits: FileHits | None,
    detector: Detector,
    faults: Faults,
) -> FileClusters:
    """The clusters of each event; without `hits`, with the energies that Pandora stores.

    A cluster without hits or whose hits have no energy is a fault of its event, as is a hit that
    is listed twice.
    """
    azimuth = _azimuth_member(file)
    members = ["energy", *POSITION, "iTheta", "hits_begin", "hits_end", azimuth]
    if hits is None:
        members += ["subdetectorEnergies_begin", "subdetectorEnergies_end"]
    raw = read_members(file, CLUSTER_COLLECTION, members, entries)
    columns = {
        "x": raw["position.x"],
        "y": raw["position.y"],
        "z": raw["position.z"],
        "energy_em": raw["energy"],
        "theta": raw["iTheta"],
        "phi": raw[azimuth],
        "energy_hadronic": raw["energy"],
    }
    if file.is_from_partflow:
        branch = f"_{CLUSTER_COLLECTION}_shapeParameters"
        columns["energy_hadronic"] = read_jagged(file, branch, entries)[1]
    if hits is None:
        columns |= _pandora_energies(file, entries, raw, faults)
        hit_clusters = Collection.empty(HIT_CLUSTERS, entries.num_events)
    else:
        from_hits, hit_clusters = _describe_hits(file, entries, raw, hits, detector, faults)
        columns |= from_hits
    columns = {name: finite(values) for name, values in columns.items()}
    return FileClusters(Collection(CLUSTERS, raw.offsets, columns), hit_clusters)


def _azimuth_member(file: PodioFile) -> str:
    """Name of the member with the azimuth; it differs between versions of EDM4hep."""
    for member in ("phi", "iPhi"):
        if f"{CLUSTER_COLLECTION}.{member}" in file.branches:
            return member
    raise SchemaError(
        f"{file.path}: no branch '{CLUSTER_COLLECTION}.phi' or '{CLUSTER_COLLECTION}.iPhi'; "
        "is this a REC file?"
    )


def _describe_hits(
    file: PodioFile,
    entries: EntryRange,
    raw: MemberColumns,
    file_hits: FileHits,
    detector: Detector,
    faults: Faults,
) -> tuple[dict[str, Array], Collection]:
    """Columns of the clusters that follow from their hits, and the cluster of each hit."""
    ids = read_relation(file, CLUSTER_COLLECTION, "hits", entries)
    listed = list_entries(raw, "hits", ids.counts, faults, f"the hits of {CLUSTER_COLLECTION}")
    rows = resolve(
        file, ids, ids.event_index, file_hits.table, faults, f"a hit of {CLUSTER_COLLECTION}"
    )
    hit_row = rows[listed.entry_row]
    cluster_row, hit_row = listed.object_row[hit_row >= 0], hit_row[hit_row >= 0]
    hits = file_hits.hits
    sums = _sum_over_hits(
        cluster_row,
        hit_row,
        hits.energy_em,
        hits.subdetector,
        hits.x,
        hits.y,
        hits.z,
        raw.num_rows,
    )
    columns = {
        "energy_em_ecal": sums.energy[:, ECAL],
        "energy_em_hcal": sums.energy[:, HCAL],
        "energy_em_other": sums.energy[:, MUON],
        "num_hits": sums.num_hits,
        **{f"sigma_{axis}": sums.spread[:, i] for i, axis in enumerate(("x", "y", "z"))},
    }
    event = raw.event_index
    faults.add(event, sums.num_hits == 0, f"a cluster of {CLUSTER_COLLECTION} without hits")
    has_no_energy = ~(sums.energy.sum(axis=1) > 0)
    faults.add(event, has_no_energy, f"a cluster of {CLUSTER_COLLECTION} whose hits have no energy")

    cluster_index = np.full(len(hits), -1, dtype=np.int64)
    cluster_index[hit_row] = cluster_row - raw.offsets[:-1][event[cluster_row]]
    cluster_row_of_hit = np.full(len(hits), -1, dtype=np.int64)
    cluster_row_of_hit[hit_row] = cluster_row
    columns |= cluster_shapes(hits, cluster_row_of_hit, raw.num_rows, detector)
    is_listed_twice = np.bincount(hit_row, minlength=len(hits)) > 1
    faults.add(hits.event_index, is_listed_twice, f"a hit that {CLUSTER_COLLECTION} list twice")
    return columns, Collection(HIT_CLUSTERS, hits.offsets, {"cluster_index": cluster_index})


class _HitSums(NamedTuple):
    """Sums over the hits of each cluster."""

    energy: Array
    """By subdetector [cluster, ECAL | HCAL | MUON] (GeV)."""
    num_hits: Array
    """[cluster]"""
    spread: Array
    """Energy-weighted standard deviation along x, y, z [cluster, axis] (mm)."""


@njit(cache=True)
def _sum_over_hits(cluster_row, hit_row, energy, subdetector, x, y, z, num_clusters):
    """_HitSums over pairs of a cluster and one of its hits.

    The spread is about the mean in single precision, as in the published data: there the hits of
    one plane, or a single hit, have the spread of the rounding (1e-4 mm at 2 m).
    """
    energies = np.zeros((num_clusters, 3))
    num_hits = np.zeros(num_clusters, dtype=np.int64)
    moment = np.zeros((num_clusters, 3))
    mean = np.zeros((num_clusters, 3), dtype=np.float32)
    spread = np.zeros((num_clusters, 3))
    for k in range(len(cluster_row)):
        c, h = cluster_row[k], hit_row[k]
        num_hits[c] += 1
        energies[c, subdetector[h]] += energy[h]
        moment[c, 0] += energy[h] * x[h]
        moment[c, 1] += energy[h] * y[h]
        moment[c, 2] += energy[h] * z[h]
    for c in range(num_clusters):
        total = energies[c].sum()
        for axis in range(3):
            if total > 0:
                mean[c, axis] = np.float32(moment[c, axis]) / np.float32(total)
    for k in range(len(cluster_row)):
        c, h = cluster_row[k], hit_row[k]
        spread[c, 0] += energy[h] * (x[h] - mean[c, 0]) ** 2
        spread[c, 1] += energy[h] * (y[h] - mean[c, 1]) ** 2
        spread[c, 2] += energy[h] * (z[h] - mean[c, 2]) ** 2
    for c in range(num_clusters):
        total = energies[c].sum()
        for axis in range(3):
            spread[c, axis] = math.sqrt(max(spread[c, axis] / total, 0.0)) if total > 0 else 0.0
    return _HitSums(energies, num_hits, spread)


def _pandora_energies(
    file: PodioFile, entries: EntryRange, raw: MemberColumns, faults: Faults
) -> dict[str, Array]:
    """Composition of each cluster as Pandora stores it; the shape is unknown and 0."""
    unknown = ("sigma_x", "sigma_y", "sigma_z", *CLUSTER_SHAPE)
    columns = {name: np.zeros(raw.num_rows) for name in (*unknown, *CLUSTER_ENERGIES)}
    begin, end = raw["hits_begin"].astype(np.int64), raw["hits_end"].astype(np.int64)
    columns["num_hits"] = np.clip(end - begin, 0, np.iinfo("i4").max)
    branch = file.vector(CLUSTER_COLLECTION, "subdetectorEnergies")
    if branch is None:
        return columns
    offsets, values = read_jagged(file, branch, entries)
    where = f"the subdetector energies of {CLUSTER_COLLECTION}"
    listed = list_entries(raw, "subdetectorEnergies", np.diff(offsets), faults, where)
    cluster_row = listed.object_row
    place = np.arange(len(cluster_row)) - np.searchsorted(cluster_row, cluster_row)
    for number, name in enumerate(CLUSTER_ENERGIES):
        is_it = place == number
        columns[name][cluster_row[is_it]] = values[listed.entry_row[is_it]]
    return columns
