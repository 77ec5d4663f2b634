"""Pandora's clusters, and the shape and composition that their hits give them."""

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
PANDORA_SUBDETECTORS = {"energy_em_ecal": 0, "energy_em_hcal": 1, "energy_em_other": 2}
"""Place of each energy in Pandora's list of subdetector energies."""


class FileClusters(NamedTuple):
    """Clusters of a range of events, and the cluster of each hit."""

    clusters: Collection
    hit_clusters: Collection


def read_clusters(
    file: PodioFile,
    entries: EntryRange,
    found: FileHits | None,
    detector: Detector,
    faults: Faults,
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
        "energy_em": raw["energy"],
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
        shape, hit_clusters = _shape(file, entries, raw, found, detector, faults)
    finite = {
        name: np.nan_to_num(values, posinf=0, neginf=0)
        for name, values in (columns | shape).items()
    }
    return FileClusters(Collection(CLUSTERS, raw.offsets, finite), hit_clusters)


def _azimuth_member(file: PodioFile) -> str:
    for member in ("phi", "iPhi"):
        if f"{CLUSTER_COLLECTION}.{member}" in file.branches:
            return member
    raise SchemaError(
        f"{file.path}: no branch '{CLUSTER_COLLECTION}.phi' or '{CLUSTER_COLLECTION}.iPhi'; "
        "is this a REC file?"
    )


def _shape(
    file: PodioFile,
    entries: EntryRange,
    raw: Columns,
    found: FileHits,
    detector: Detector,
    faults: Faults,
) -> tuple[dict[str, Array], Collection]:
    """Energies by subdetector, number and spread of the hits of each cluster, and its hits."""
    where = f"a hit of {CLUSTER_COLLECTION}"
    ids = read_relation(file, CLUSTER_COLLECTION, "hits", entries)
    listed = follow(raw, "hits", ids.counts, faults, f"the hits of {CLUSTER_COLLECTION}")
    rows = resolve(file, ids, ids.event_index, found.targets, faults, where)
    hit = rows[listed.entry]
    owner, hit = listed.owner[hit >= 0], hit[hit >= 0]
    hits = found.hits
    sums = _sum_over_hits(
        owner, hit, hits.energy_em, hits.subdetector, hits.x, hits.y, hits.z, raw.num_rows
    )
    shape = {
        "energy_em_ecal": sums.energy[:, ECAL],
        "energy_em_hcal": sums.energy[:, HCAL],
        "energy_em_other": sums.energy[:, MUON],
        "num_hits": sums.num_hits,
        **{f"sigma_{axis}": sums.spread[:, i] for i, axis in enumerate(("x", "y", "z"))},
    }
    event = raw.event_index
    faults.add(event, shape["num_hits"] == 0, f"a cluster of {CLUSTER_COLLECTION} without hits")
    is_dark = ~(sums.energy.sum(axis=1) > 0)
    faults.add(event, is_dark, f"a cluster of {CLUSTER_COLLECTION} whose hits have no energy")

    cluster_of_hit = np.full(len(hits), -1, dtype=np.int64)
    cluster_of_hit[hit] = owner - raw.offsets[:-1][event[owner]]
    cluster_row = np.full(len(hits), -1, dtype=np.int64)
    cluster_row[hit] = owner
    shape |= cluster_shapes(hits, cluster_row, raw.num_rows, detector)
    is_twice = np.bincount(hit, minlength=len(hits)) > 1
    faults.add(hits.event_index, is_twice, f"a hit that {CLUSTER_COLLECTION} list twice")
    return shape, Collection(HIT_CLUSTERS, hits.offsets, {"cluster_index": cluster_of_hit})


class _Sums(NamedTuple):
    """Sums over the hits of each cluster."""

    energy: Array
    """By subdetector [cluster, ECAL | HCAL | MUON] (GeV)."""
    num_hits: Array
    """[cluster]"""
    spread: Array
    """Energy-weighted standard deviation along x, y, z [cluster, axis] (mm)."""


@njit(cache=True)
def _sum_over_hits(owner, hit, energy, subdetector, x, y, z, num_clusters):
    """_Sums over pairs of a cluster (row `owner`) and a hit it lists (row `hit`).

    Spread is about the mean in single precision, as in the published data: hits in one plane, or
    a single hit, have a spread of its rounding (1e-4 mm at 2 m) there.
    """
    energies = np.zeros((num_clusters, 3))
    num_hits = np.zeros(num_clusters, dtype=np.int64)
    moment = np.zeros((num_clusters, 3))
    mean = np.zeros((num_clusters, 3), dtype=np.float32)
    spread = np.zeros((num_clusters, 3))
    for k in range(len(owner)):
        c, h = owner[k], hit[k]
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
    for k in range(len(owner)):
        c, h = owner[k], hit[k]
        spread[c, 0] += energy[h] * (x[h] - mean[c, 0]) ** 2
        spread[c, 1] += energy[h] * (y[h] - mean[c, 1]) ** 2
        spread[c, 2] += energy[h] * (z[h] - mean[c, 2]) ** 2
    for c in range(num_clusters):
        total = energies[c].sum()
        for axis in range(3):
            spread[c, axis] = math.sqrt(max(spread[c, axis] / total, 0.0)) if total > 0 else 0.0
    return _Sums(energies, num_hits, spread)


def _pandora_energies(
    file: PodioFile, entries: EntryRange, raw: Columns, faults: Faults
) -> dict[str, Array]:
    """What Pandora itself says of each cluster's composition; its shape is not known."""
    unknown = ("sigma_x", "sigma_y", "sigma_z", *CLUSTER_SHAPE)
    shape = {name: np.zeros(raw.num_rows) for name in unknown}
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
