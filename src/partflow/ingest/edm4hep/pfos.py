"""Pandora's particle-flow objects as the `baseline` candidates."""

from __future__ import annotations

import numpy as np

from partflow.core.kinematics import eta_from_momentum
from partflow.core.particles import classes
from partflow.core.records import Array, Collection
from partflow.core.schemas import CANDIDATES
from partflow.ingest.edm4hep.clusters import CLUSTER_COLLECTION
from partflow.ingest.edm4hep.columns import Columns, EntryRange, read_members, read_relation
from partflow.ingest.edm4hep.faults import Faults
from partflow.ingest.edm4hep.podio import PodioFile
from partflow.ingest.edm4hep.relations import Targets, follow, resolve
from partflow.ingest.edm4hep.tracks import TRACK_COLLECTION

PFO_COLLECTIONS = ("PandoraPFOs", "MergedRecoParticles")
"""In the order of preference; the second also holds the luminosity calorimeter's."""
MOMENTUM = ("momentum.x", "momentum.y", "momentum.z")
MAX_CHARGE = np.iinfo(np.int8).max


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
    """Candidates of each event; the energy is that of momentum and mass.

    Those of type 0 are left out. One with two tracks, two clusters or nothing, and two that share
    a track or a cluster, fault their event. `track_counts` and `cluster_counts` are [event].
    """
    name = pfo_collection(file)
    if name is None:
        return Collection.empty(CANDIDATES, entries.num_events)
    pdg = "PDG" if f"{name}.PDG" in file.branches else "type"
    lists = ("tracks_begin", "tracks_end", "clusters_begin", "clusters_end")
    raw = read_members(file, name, (pdg, *MOMENTUM, "mass", "charge", *lists), entries)
    is_counted = np.not_equal(raw[pdg], 0)
    seats = {}
    for kind, target, counts in (
        ("tracks", TRACK_COLLECTION, track_counts),
        ("clusters", CLUSTER_COLLECTION, cluster_counts),
    ):
        targets = Targets([target], counts[None, :], [file.ids_of(target)])
        seats[kind] = _seat(file, name, entries, raw, kind, is_counted, targets, faults)
    has_nothing = is_counted & (seats["tracks"] < 0) & (seats["clusters"] < 0)
    faults.add(raw.event_index, has_nothing, f"{name}: one with neither track nor cluster")
    columns = _columns(raw, pdg, seats)
    if file.made_by_partflow:
        own = read_members(file, name, ["goodnessOfPID"], entries)
        columns["probability"] = own["goodnessOfPID"]
    candidates = Collection(CANDIDATES, raw.offsets, columns)
    return candidates.select(is_counted)


def _seat(
    file: PodioFile,
    name: str,
    entries: EntryRange,
    raw: Columns,
    kind: str,
    is_counted: Array,
    targets: Targets,
    faults: Faults,
) -> Array:
    """Index in its event of the track or cluster of each counted candidate, or -1."""
    ids = read_relation(file, name, kind, entries)
    listed = follow(raw, kind, ids.counts, faults, f"the {kind} of {name}")
    is_of_counted = is_counted[listed.owner]
    owner, entry = listed.owner[is_of_counted], listed.entry[is_of_counted]
    wanted = Columns(ids.offsets, {key: values[entry] for key, values in ids.values.items()})
    event = raw.event_index
    rows = resolve(file, wanted, event[owner], targets, faults, f"{name}: its {kind}")
    is_double = np.bincount(owner, minlength=raw.num_rows) > 1
    faults.add(event, is_double, f"{name}: one with two {kind}")
    owner, rows = owner[rows >= 0], rows[rows >= 0]
    is_shared = np.bincount(rows, minlength=1)[rows] > 1
    faults.add(event[owner], is_shared, f"{name}: two that share one of the {kind}")
    seat = np.full(raw.num_rows, -1, dtype=np.int64)
    seat[owner] = rows - targets.offsets[:-1][event[owner]]
    return seat


def _columns(raw: Columns, pdg: str, seats: dict[str, Array]) -> dict[str, Array]:
    def number(name: str) -> Array:
        return np.nan_to_num(raw[name].astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)

    px, py, pz = (number(name) for name in MOMENTUM)
    pt = np.hypot(px, py)
    # Without the bound on eta: a tiny pt and the eta that belongs to it still give pz back.
    eta = np.arcsinh(np.divide(pz, pt, out=np.zeros_like(pt), where=pt > 0))
    charge = np.rint(np.clip(number("charge"), -MAX_CHARGE, MAX_CHARGE))
    return {
        "pdg_id": classes(raw[pdg], charge),
        "charge": charge,
        "pt": pt,
        "eta": np.where(pt > 0, eta, eta_from_momentum(px, py, pz)),
        "phi": np.arctan2(py, px),
        "energy": np.sqrt(px**2 + py**2 + pz**2 + number("mass") ** 2),
        "probability": np.ones(raw.num_rows),
        "track_index": seats["tracks"],
        "cluster_index": seats["clusters"],
    }
