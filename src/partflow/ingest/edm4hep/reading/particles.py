"""Monte Carlo particles: the stable ones as records, and the stable ancestor of every other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from partflow.core.records import Array, Collection
from partflow.core.schemas import PARTICLE_DAUGHTERS, PARTICLE_SOURCES, PARTICLES
from partflow.core.truth import STABLE_STATUS
from partflow.ingest.edm4hep.columns import (
    EntryRange,
    MemberColumns,
    finite,
    read_members,
    read_relation,
)
from partflow.ingest.edm4hep.names import MC_ALIAS, MC_COLLECTION, MOMENTUM, VERTEX
from partflow.ingest.edm4hep.podio import PodioFile
from partflow.ingest.edm4hep.reading.faults import Faults
from partflow.ingest.edm4hep.reading.relations import IdTable, list_entries, resolve

MAX_CHARGE = np.iinfo(np.int8).max
"""Largest charge [e] that the column `charge` of a record can hold."""
MC_MEMBERS = (
    "PDG", "generatorStatus", "simulatorStatus", "charge", "mass", *MOMENTUM, *VERTEX,
    "parents_begin", "parents_end", "daughters_begin", "daughters_end",
)  # fmt: skip


class FileParticles(NamedTuple):
    """Particles of a range of events. An MC particle is any that the file lists."""

    particles: Collection
    """PARTICLES: the stable ones, in the order of the file."""
    sources: Collection
    """PARTICLE_SOURCES, parallel to `particles`."""
    daughters: Collection
    """PARTICLE_DAUGHTERS of the stable ones."""
    stable_index: Array
    """Index in its event of the stable particle that each MC particle is or descends from, or -1,
    [MC particle]."""
    is_stable: Array
    """[MC particle]"""
    table: IdTable
    """For object ids that point to MC particles."""


def read_particles(file: PodioFile, entries: EntryRange, faults: Faults) -> FileParticles:
    """The stable particles of each event, and the descent of the others.

    A stable particle whose momentum, mass, vertex or charge is not finite, and a relation that
    points nowhere, are faults of their event.
    """
    mc = read_members(file, MC_COLLECTION, MC_MEMBERS, entries)
    ids = file.ids_of(MC_COLLECTION) + ([] if file.has(MC_ALIAS) else file.ids_of(MC_ALIAS))
    table = IdTable([MC_COLLECTION], mc.counts[None, :], [ids])
    is_stable = np.equal(mc["generatorStatus"], STABLE_STATUS)
    _check_numbers(mc, is_stable, faults)
    child, parent = _relatives(file, entries, mc, "parents", table, faults)
    mother, daughter = _relatives(file, entries, mc, "daughters", table, faults)

    num_stable = np.concatenate([[0], np.cumsum(is_stable)])
    offsets = num_stable[mc.offsets]
    index_if_stable = num_stable[:-1] - offsets[:-1][mc.event_index]
    stable_row = np.where(is_stable, np.arange(mc.num_rows), -1)
    _find_stable_ancestors(stable_row, child, parent, mother, daughter)
    stable_index = np.where(stable_row >= 0, index_if_stable[stable_row], -1)

    mc_index = np.arange(mc.num_rows) - mc.offsets[:-1][mc.event_index]
    status = mc["simulatorStatus"][is_stable]
    sources = {"mc_index": mc_index[is_stable], "simulator_status": status}
    has_stable_mother = is_stable[mother]
    mother, daughter = mother[has_stable_mother], daughter[has_stable_mother]
    daughters = Collection(
        PARTICLE_DAUGHTERS,
        np.searchsorted(mc.event_index[mother], np.arange(entries.num_events + 1)),
        {"particle_index": index_if_stable[mother], "mc_index": mc_index[daughter]},
    )
    return FileParticles(
        _stable_particles(mc, is_stable, offsets),
        Collection(PARTICLE_SOURCES, offsets, sources),
        daughters,
        stable_index,
        is_stable,
        table,
    )


def whole_charge(charge: Array) -> Array:
    """Charges [e] as whole numbers that the column `charge` can hold; 0 where not finite."""
    return np.rint(np.clip(finite(charge), -MAX_CHARGE, MAX_CHARGE))


def _check_numbers(mc: MemberColumns, is_stable: Array, faults: Faults) -> None:
    """Report stable particles with a number that is not finite or out of range."""
    for name in ("mass", *MOMENTUM, *VERTEX):
        is_bad = is_stable & ~np.isfinite(mc[name])
        faults.add(mc.event_index, is_bad, f"a stable particle whose {name} is not finite")
    is_bad = is_stable & ~(np.abs(mc["charge"]) <= MAX_CHARGE)
    faults.add(mc.event_index, is_bad, f"a stable particle whose charge is not in ±{MAX_CHARGE} e")


def _relatives(
    file: PodioFile,
    entries: EntryRange,
    mc: MemberColumns,
    kind: str,
    table: IdTable,
    faults: Faults,
) -> tuple[Array, Array]:
    """Rows of pairs of an MC particle and one of its parents or daughters, [pair] each."""
    ids = read_relation(file, MC_COLLECTION, kind, entries)
    listed = list_entries(mc, kind, ids.counts, faults, f"the {kind} of {MC_COLLECTION}")
    where = f"a relation to {kind} in {MC_COLLECTION}"
    rows = resolve(file, ids, ids.event_index, table, faults, where)[listed.entry_row]
    return listed.object_row[rows >= 0], rows[rows >= 0]


def _stable_particles(mc: MemberColumns, is_stable: Array, offsets: Array) -> Collection:
    """PARTICLES; the energy follows from momentum and mass."""
    p = {name: mc[name][is_stable].astype(np.float64) for name in ("mass", *MOMENTUM, *VERTEX)}
    px, py, pz = (p[name] for name in MOMENTUM)
    with np.errstate(invalid="ignore", over="ignore"):  # bad events are dropped later
        energy = np.sqrt(px**2 + py**2 + pz**2 + p["mass"] ** 2)
    columns = {
        "pdg_id": mc["PDG"][is_stable],
        "charge": whole_charge(mc["charge"][is_stable]),
        "px": px,
        "py": py,
        "pz": pz,
        "energy": energy,
        "mass": p["mass"],
        **{f"v{axis}": p[f"vertex.{axis}"] for axis in ("x", "y", "z")},
    }
    return Collection(PARTICLES, offsets, columns)


@njit(cache=True)
def _find_stable_ancestors(stable_row, child, parent, mother, daughter):
    """Fill in the row of the stable ancestor of each MC particle, where it has one.

    It is the nearest stable one along the first parent that leads to one. A particle without such
    a parent has the first stable particle that lists it as its daughter. `child`, `parent` [pair]
    and `mother`, `daughter` [pair] are rows; `child` and `mother` never decrease. Particles in a
    circle of parents have no ancestor.
    """
    _inherit_ancestors(stable_row, child, parent)
    has_changed = False
    for k in range(len(daughter)):
        if stable_row[daughter[k]] < 0 and stable_row[mother[k]] == mother[k]:
            stable_row[daughter[k]] = mother[k]
            has_changed = True
    if has_changed:
        _inherit_ancestors(stable_row, child, parent)


@njit(cache=True)
def _inherit_ancestors(stable_row, child, parent):
    """Hand stable ancestors down from parents to children, until nothing changes.

    Few rounds are needed, because parents mostly stand before their children.
    """
    has_changed = True
    while has_changed:
        has_changed = False
        for k in range(len(parent)):
            ancestor = stable_row[parent[k]]
            if stable_row[child[k]] < 0 and ancestor >= 0:
                stable_row[child[k]] = ancestor
                has_changed = True
